// SPDX-License-Identifier: GPL-2.0
//! What was done, in numbers.

use std::collections::BTreeMap;

use crate::ops::Op;
use crate::outcome::Outcome;

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Cases run.
    pub cases: u64,
    /// Operations run.
    pub operations: u64,
    /// Operations that had nothing to work on, and were left out.
    pub skipped: u64,
    /// Of those run: by kind, how many there were and how many succeeded.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    /// Of those run: by error.
    pub errors: BTreeMap<String, u64>,
    /// Operations that blocked, and ended by a later one.
    pub blocked: u64,
    /// Signals caught.
    pub signals: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Steps after which the worlds had to be looked at more than once until they agreed.
    pub retries: u64,
    /// Reads that took more in one world than in the other of what came in meanwhile, and were evened out.
    pub evened: u64,
}

impl Stats {
    /// Counts an outcome.
    pub fn count(&mut self, op: &Op, outcome: &Outcome) {
        self.operations += 1;
        self.bytes += outcome.bytes.len() as u64;
        let kind = self.kinds.entry(op.kind()).or_default();
        kind.0 += 1;
        if outcome.ok() {
            kind.1 += 1;
        } else {
            *self.errors.entry(outcome.errno()).or_default() += 1;
        }
    }

    /// The report, a line each.
    pub fn lines(&self, seconds: f64) -> Vec<String> {
        let good: u64 = self.kinds.values().map(|(_, good)| good).sum();
        let share = |part: u64| 100.0 * part as f64 / self.operations.max(1) as f64;
        let mut lines = vec![
            format!(
                "{} operations in {} cases, {seconds:.0} s, {:.0} a second",
                self.operations,
                self.cases,
                self.operations as f64 / seconds.max(0.001)
            ),
            format!(
                "{:.1} % succeeded; {} blocked, {} signals, {} bytes read, {} left out for want of an object",
                share(good),
                self.blocked,
                self.signals,
                self.bytes,
                self.skipped
            ),
            format!(
                "{} steps looked at again until both worlds agreed ({:.3} %), {} reads evened out",
                self.retries,
                share(self.retries),
                self.evened
            ),
        ];
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, (all, good))| format!("{kind} {good}/{all}"))
            .collect();
        let mut errors: Vec<(&String, &u64)> = self.errors.iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let errors: Vec<String> = errors
            .iter()
            .map(|(errno, count)| format!("{errno} {count}"))
            .collect();
        for (title, words) in [("succeeded of all", kinds), ("errors", errors)] {
            for chunk in words.chunks(8) {
                lines.push(format!("{title}: {}", chunk.join(", ")));
            }
        }
        lines
    }
}
