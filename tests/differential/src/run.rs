// SPDX-License-Identifier: GPL-2.0
//! Runs cases, and makes those that show a difference small.

use std::time::{Duration, Instant};

use anyhow::Result;
use proptest::strategy::ValueTree;

use crate::lockstep::{Difference, Lockstep, Step};
use crate::plan::{self, Case};
use crate::stats::Stats;
use crate::world::{Target, Workers, World};

/// How cases are run.
pub struct Runner {
    /// The two file systems.
    pub targets: [Target; 2],
    /// How many ptys there are when no case runs.
    pub idle: [u32; 2],
    /// The kernel's workers, where they may be made real-time.
    pub workers: Option<Workers>,
    /// Worlds that are as they were at first.
    pub worlds: Option<[World; 2]>,
    /// How long the worlds may take to come to the same rest.
    pub patience: Duration,
    /// How often shrinking may run a case.
    pub shrinks: u32,
    /// How long it may take.
    pub shrink_time: Duration,
}

/// A difference, and the case that shows it.
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// The smallest case found.
    pub steps: Vec<Step>,
    /// What it shows.
    pub difference: Difference,
    /// How often the full case was run again, and how often that showed a difference.
    pub again: (u32, u32),
    /// How often shrinking ran a case.
    pub shrinks: u32,
}

/// How often a case that showed a difference is run again.
const AGAIN: u32 = 3;
/// While shrinking, the worlds have less time to come to rest.
const HASTE: Duration = Duration::from_millis(500);

impl Runner {
    /// Runs a case.
    pub fn case(
        &mut self,
        steps: &[Step],
        stats: &mut Stats,
        patience: Duration,
    ) -> Result<Option<Difference>> {
        let mut worlds = match self.worlds.take() {
            Some(worlds) => worlds,
            None => [World::new(&self.targets[0])?, World::new(&self.targets[1])?],
        };
        if let Some(workers) = &mut self.workers {
            workers.raise()?;
        }
        let found = Lockstep::new(&mut worlds, stats, patience).run(steps)?;
        if found.is_some() {
            // The next case gets worlds that know nothing of this one.
            return Ok(found);
        }
        for world in &mut worlds {
            world.reset()?;
        }
        self.worlds = Some(worlds);
        let begin = Instant::now();
        loop {
            let left = [self.targets[0].ptys()?, self.targets[1].ptys()?];
            if left == self.idle {
                return Ok(None);
            }
            if begin.elapsed() > self.patience {
                return Ok(Some(Difference {
                    step: steps.len(),
                    what: format!("ptys when all is over: {left:?}, {:?} before", self.idle),
                    trace: Vec::new(),
                }));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Runs the case of a seed; if it shows a difference, looks for the smallest that does.
    pub fn seed(&mut self, seed: u64, ops: usize, stats: &mut Stats) -> Result<Option<Finding>> {
        let mut runner = plan::runner(seed);
        let mut tree = plan::tree(seed, ops, &mut runner)?;
        let steps = plan::flatten(&tree.current());
        let Some(mut difference) = self.case(&steps, stats, self.patience)? else {
            return Ok(None);
        };
        let mut other = Stats::default();
        let mut again = 0;
        for _ in 0..AGAIN {
            again += u32::from(self.case(&steps, &mut other, self.patience)?.is_some());
        }
        let mut smallest = steps;
        let mut shrinks = 0;
        if again > 0 {
            let (most, end) = (self.shrinks, Instant::now() + self.shrink_time);
            shrinks = shrink(&mut *tree, most, end, |steps| {
                let found = self.case(&steps, &mut other, HASTE.min(self.patience))?;
                Ok(found.is_some_and(|found| {
                    (smallest, difference) = (steps, found);
                    true
                }))
            })?;
        }
        // What comes after the step that shows it does not matter.
        smallest.truncate(difference.step + 1);
        Ok(Some(Finding {
            seed,
            steps: smallest,
            difference,
            again: (AGAIN, again),
            shrinks,
        }))
    }
}

/// Tries smaller and smaller cases, until none fails or it is enough: how often it called `fails`.
fn shrink(
    tree: &mut dyn ValueTree<Value = Case>,
    most: u32,
    end: Instant,
    mut fails: impl FnMut(Vec<Step>) -> Result<bool>,
) -> Result<u32> {
    let mut tried = 0;
    let mut more = tree.simplify();
    while more && tried < most && Instant::now() < end {
        tried += 1;
        more = match fails(plan::flatten(&tree.current()))? {
            true => tree.simplify(),
            false => tree.complicate(),
        };
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::control::Control;
    use crate::ops::data::Data;
    use crate::ops::Op;

    /// A case that "fails" wherever something is written and a flush comes after it is cut down to these two.
    #[test]
    fn finds_the_smallest_case() -> Result<()> {
        let fails = |steps: &[Step]| {
            let wrote = steps
                .iter()
                .position(|step| matches!(step.op, Op::Data(Data::Write { .. })));
            let flushed = |step: &Step| matches!(step.op, Op::Control(Control::Flush { .. }));
            wrote.is_some_and(|n| steps[n..].iter().any(flushed))
        };
        let mut found = 0;
        for seed in 0..60 {
            let mut tree = plan::tree(seed, 200, &mut plan::runner(seed))?;
            if !fails(&plan::flatten(&tree.current())) {
                continue;
            }
            found += 1;
            let mut smallest = Vec::new();
            let end = Instant::now() + Duration::from_secs(60);
            let tried = shrink(&mut *tree, 100_000, end, |steps| {
                let bad = fails(&steps);
                if bad {
                    smallest = steps;
                }
                Ok(bad)
            })?;
            assert_eq!(
                smallest.len(),
                2,
                "seed {seed}, {tried} tries: {smallest:?}"
            );
        }
        assert!(found > 10, "only {found} seeds had such a case");
        Ok(())
    }
}
