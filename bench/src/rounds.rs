// SPDX-License-Identifier: GPL-2.0

//! Rounds: the subjects take turns, so that whatever else the machine does meanwhile, it does it to all of them.

use crate::link::Subject;
use crate::watchdog;
use crate::workload::{Run, Workload};
use anyhow::{Context, Result};
use std::time::Duration;

/// How to measure.
pub struct Plan {
    /// Rounds of each subject.
    pub rounds: usize,
    /// About how long one round of one subject takes.
    pub round: Duration,
    /// When a round is taken to have got stuck.
    pub stuck: Duration,
}

/// A figure for each round; `None` if the workload makes no sense for the subject.
pub type Series = Option<Vec<f64>>;

/// What is set up for one subject.
struct Lane {
    run: Box<dyn Run>,
    /// How many operations a round should have, as it was found out before the first.
    calibrated: u64,
    /// How many the next one has.
    n: u64,
    figures: Vec<f64>,
}

/// Measures `workload` on each of the subjects.
pub fn measure(
    workload: &Workload,
    subjects: &[(&str, Subject)],
    plan: &Plan,
) -> Result<Vec<Series>> {
    let mut lanes = Vec::new();
    for &(name, subject) in subjects {
        let on = || format!("{}, on {name}", workload.name);
        let _watchdog = watchdog::start(plan.stuck, &on());
        let lane = match (workload.prepare)(subject).with_context(on)? {
            Some(mut run) => {
                let calibrated = calibrate(&mut *run, plan.round).with_context(on)?;
                Some(Lane {
                    run,
                    calibrated,
                    n: calibrated,
                    figures: Vec::with_capacity(plan.rounds),
                })
            }
            None => None,
        };
        lanes.push(lane);
    }
    for round in 0..plan.rounds {
        for at in order(round, lanes.len()) {
            let Some(lane) = &mut lanes[at] else {
                continue;
            };
            let on = || format!("{}, on {}", workload.name, subjects[at].0);
            let _watchdog = watchdog::start(plan.stuck, &on());
            let elapsed = lane.run.run(lane.n).with_context(on)?;
            let figure = workload.figure.of(&*lane.run, lane.n, elapsed);
            lane.figures.push(figure);
            lane.n = adjusted(lane.n, lane.calibrated, elapsed, plan.round);
        }
    }
    Ok(lanes
        .into_iter()
        .map(|lane| lane.map(|lane| lane.figures))
        .collect())
}

/// Who comes when in a round: from first to last, and the other way round in the next one.
fn order(round: usize, subjects: usize) -> Vec<usize> {
    let forward = 0..subjects;
    if round % 2 == 0 {
        forward.collect()
    } else {
        forward.rev().collect()
    }
}

/// Runs of each step of a calibration.
const TRIES: usize = 3;

/// How many operations take about `target`. This warms everything up as well.
fn calibrate(run: &mut dyn Run, target: Duration) -> Result<u64> {
    let mut n = 1;
    let first = run.run(n)?;
    if first > target * 2 {
        // Once is more than enough, and may take long.
        return Ok(n);
    }
    loop {
        // The fastest of some: what disturbs one of them would make the rounds too short.
        let mut elapsed = run.run(n)?;
        for _ in 1..TRIES {
            elapsed = elapsed.min(run.run(n)?);
        }
        let next = scaled(n, elapsed, target);
        if next < 2 * n {
            return Ok(next);
        }
        n = next;
    }
}

/// How many operations take about `target`, if `n` took `elapsed`.
fn scaled(n: u64, elapsed: Duration, target: Duration) -> u64 {
    let times = target.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
    // Far from the target the estimate is poor: fixed costs, cold caches.
    ((n as f64 * times.min(10.0)).round() as u64).max(1)
}

/// How many operations the next round has, if `n` took `elapsed` in the last one: the machine may have been slow during
/// the calibration, or fast. Within bounds: the rounds of a series must remain comparable.
fn adjusted(n: u64, calibrated: u64, elapsed: Duration, target: Duration) -> u64 {
    scaled(n, elapsed, target).clamp(calibrated.div_ceil(2), calibrated * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Figure;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Takes what it says without taking it, and notes its turns.
    struct Fake {
        name: &'static str,
        fixed: Duration,
        each: Duration,
        turns: Rc<RefCell<Vec<&'static str>>>,
    }

    impl Run for Fake {
        fn run(&mut self, n: u64) -> Result<Duration> {
            self.turns.borrow_mut().push(self.name);
            Ok(self.fixed + self.each * u32::try_from(n)?)
        }
    }

    fn fake(fixed_us: u64, each_us: u64) -> Fake {
        Fake {
            name: "fake",
            fixed: Duration::from_micros(fixed_us),
            each: Duration::from_micros(each_us),
            turns: Rc::default(),
        }
    }

    #[test]
    fn the_order_alternates() {
        assert_eq!(order(0, 3), [0, 1, 2]);
        assert_eq!(order(1, 3), [2, 1, 0]);
        assert_eq!(order(2, 2), [0, 1]);
        assert_eq!(order(3, 2), [1, 0]);
    }

    #[test]
    fn calibration_comes_near_the_target() {
        for (fixed, each) in [(0, 1), (50, 1), (5000, 7), (0, 900)] {
            let mut run = fake(fixed, each);
            let n = calibrate(&mut run, Duration::from_millis(100)).unwrap();
            let took = run.run(n).unwrap();
            assert!((50..=110).contains(&took.as_millis()), "{n}: {took:?}");
        }
    }

    #[test]
    fn rounds_stay_between_half_and_twice_the_calibration() {
        let target = Duration::from_millis(100);
        let after = |n, took| adjusted(n, 1000, target * took / 4, target);
        assert_eq!(after(1000, 3), 1333);
        assert_eq!(after(1333, 5), 1066);
        // A calibration in bad times, and a round in bad times.
        assert_eq!(after(1000, 1), 2000);
        assert_eq!(after(1000, 40), 500);
        assert_eq!(adjusted(1, 1, target * 9, target), 1);
    }

    #[test]
    fn what_takes_long_is_done_once() {
        let mut run = fake(0, 500_000);
        let n = calibrate(&mut run, Duration::from_millis(100)).unwrap();
        assert_eq!((n, run.turns.borrow().len()), (1, 1));
    }

    #[test]
    fn subjects_take_turns() {
        let turns = Rc::new(RefCell::new(Vec::new()));
        let noted = turns.clone();
        let names = RefCell::new(vec!["rdevpts", "devpts"]);
        let workload = Workload {
            name: "fake".into(),
            figure: Figure::Time,
            prepare: Box::new(move |_| {
                Ok(names.borrow_mut().pop().map(|name| {
                    let run = Fake {
                        name,
                        turns: noted.clone(),
                        ..fake(0, 100_000)
                    };
                    Box::new(run) as Box<dyn Run>
                }))
            }),
        };
        let plan = Plan {
            rounds: 3,
            round: Duration::from_millis(100),
            stuck: Duration::from_secs(60),
        };
        let subjects = ["devpts", "rdevpts", "pipe"].map(|name| (name, Subject::Pipe));
        let series = measure(&workload, &subjects, &plan).unwrap();
        let us = Some(vec![1e5; 3]);
        assert_eq!(series, [us.clone(), us, None]);
        let (d, r) = ("devpts", "rdevpts");
        // A first look and one step each of calibration, then the rounds.
        let mut expected = [[d; TRIES + 1], [r; TRIES + 1]].concat();
        expected.extend([d, r, r, d, d, r]);
        assert_eq!(*turns.borrow(), expected);
    }
}
