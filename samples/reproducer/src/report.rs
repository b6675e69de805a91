// SPDX-License-Identifier: GPL-2.0

//! What is counted, and how it is told.

use crate::judge::{Kind, Violation};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many violations of a kind are told in full.
const EXAMPLES: usize = 3;

/// What one thread has done.
#[derive(Default)]
pub struct Counters {
    /// Whole passes over the directory.
    pub passes: AtomicU64,
    /// `getdents64` calls.
    pub calls: AtomicU64,
    /// Entries that they returned.
    pub entries: AtomicU64,
    /// `fstatat` calls.
    pub stats: AtomicU64,
    /// Ptys opened and closed.
    pub pairs: AtomicU64,
    /// Slaves opened.
    pub slaves: AtomicU64,
    /// Opens of `ptmx` that found a limit reached.
    pub exhausted: AtomicU64,
    /// Names of other processes' ptys.
    pub foreign: AtomicU64,
}

/// The sum of all threads' counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// As [`Counters::passes`], and so on.
    pub passes: u64,
    #[allow(missing_docs)]
    pub calls: u64,
    #[allow(missing_docs)]
    pub entries: u64,
    #[allow(missing_docs)]
    pub stats: u64,
    #[allow(missing_docs)]
    pub pairs: u64,
    #[allow(missing_docs)]
    pub slaves: u64,
    #[allow(missing_docs)]
    pub exhausted: u64,
    #[allow(missing_docs)]
    pub foreign: u64,
}

impl Counters {
    /// Adds `n` to a counter.
    pub fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    /// What changes whenever the thread gets anywhere.
    pub fn progress(&self) -> u64 {
        self.calls.load(Relaxed) + self.pairs.load(Relaxed) + self.exhausted.load(Relaxed)
    }
}

impl Totals {
    /// The sum of `all`.
    pub fn of(all: &[Counters]) -> Self {
        let sum = |field: fn(&Counters) -> &AtomicU64| all.iter().map(|c| field(c).load(Relaxed)).sum();
        Totals {
            passes: sum(|c| &c.passes),
            calls: sum(|c| &c.calls),
            entries: sum(|c| &c.entries),
            stats: sum(|c| &c.stats),
            pairs: sum(|c| &c.pairs),
            slaves: sum(|c| &c.slaves),
            exhausted: sum(|c| &c.exhausted),
            foreign: sum(|c| &c.foreign),
        }
    }
}

#[derive(Default)]
struct Found {
    count: u64,
    examples: Vec<String>,
}

/// All violations so far.
#[derive(Default)]
pub struct Report {
    found: Mutex<BTreeMap<Kind, Found>>,
}

impl Report {
    /// Counts a violation, and tells it at once if it is one of the first of its kind: the machine may not live long.
    pub fn violation(&self, violation: Violation) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.entry(violation.kind).or_default();
        found.count += 1;
        if found.examples.len() < EXAMPLES {
            let line = format!("violation {}: {}\n", violation.kind.label(), violation.what);
            tell(std::io::stderr(), &line);
            found.examples.push(violation.what);
        }
    }

    /// How many violations of all kinds there are.
    pub fn violations(&self) -> u64 {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.values().map(|found| found.count).sum()
    }

    /// One line, of words that a program can take apart as well.
    pub fn progress(&self, elapsed: Duration, now: Totals) -> String {
        format!(
            "progress t={:.3} passes={} entries={} pairs={} slaves={} violations={}\n",
            elapsed.as_secs_f64(),
            now.passes,
            now.entries,
            now.pairs,
            now.slaves,
            self.violations()
        )
    }

    /// The last words, for people.
    pub fn summary(&self, dir: &str, elapsed: Duration, totals: Totals) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = |n: u64| n as f64 / seconds.max(f64::MIN_POSITIVE);
        let mut text = format!("reproducer: {dir}, {seconds:.1} s\n");
        for (label, n) in [
            ("passes over the directory", totals.passes),
            ("getdents64 calls", totals.calls),
            ("entries read", totals.entries),
            ("fstatat calls", totals.stats),
            ("open/close pairs", totals.pairs),
            ("slaves opened", totals.slaves),
        ] {
            text += &format!("  {label:<26} {n:>12} {:>12.0}/s\n", rate(n));
        }
        for (label, n) in [
            ("opens at a limit", totals.exhausted),
            ("names of others' ptys", totals.foreign),
        ] {
            if n > 0 {
                text += &format!("  {label:<26} {n:>12}\n");
            }
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, found) in found.iter() {
            text += &format!("  VIOLATION {:<16} {:>12}\n", kind.label(), found.count);
            for example in &found.examples {
                text += &format!("    {example}\n");
            }
        }
        text += if found.is_empty() {
            "result: ok\n"
        } else {
            "result: VIOLATIONS\n"
        };
        text
    }

    /// The last words, for programs: one line.
    pub fn json(&self, dir: &str, elapsed: Duration, totals: Totals) -> String {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let violations: serde_json::Map<_, _> = found
            .iter()
            .map(|(kind, found)| {
                let value = serde_json::json!({ "count": found.count, "examples": found.examples });
                (kind.label().to_string(), value)
            })
            .collect();
        let value = serde_json::json!({
            "dir": dir,
            "seconds": elapsed.as_secs_f64(),
            "passes": totals.passes,
            "calls": totals.calls,
            "entries": totals.entries,
            "stats": totals.stats,
            "pairs": totals.pairs,
            "slaves": totals.slaves,
            "exhausted": totals.exhausted,
            "foreign": totals.foreign,
            "ok": found.is_empty(),
            "violations": violations,
        });
        format!("{value}\n")
    }
}

/// Writes in one piece, at once. Nobody may be listening: that is no reason to stop.
pub fn tell(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_told() {
        let report = Report::default();
        for i in 0..10 {
            report.violation(Violation::new(Kind::Twice, format!("example {i}")));
        }
        assert_eq!(report.violations(), 10);
        let text = report.summary("/x", Duration::from_secs(1), Totals::default());
        assert!(text.contains("VIOLATION twice"));
        assert!(text.contains("example 2") && !text.contains("example 3"));
        assert!(text.ends_with("result: VIOLATIONS\n"));
        let json: serde_json::Value =
            serde_json::from_str(&report.json("/x", Duration::from_secs(1), Totals::default())).unwrap();
        assert_eq!(json["violations"]["twice"]["count"], 10);
        assert_eq!(json["ok"], false);
    }

    #[test]
    fn counters_add_up() {
        let counters = [Counters::default(), Counters::default()];
        Counters::add(&counters[0].passes, 2);
        Counters::add(&counters[1].passes, 3);
        Counters::add(&counters[1].pairs, 4);
        let totals = Totals::of(&counters);
        assert_eq!((totals.passes, totals.pairs), (5, 4));
        let line = Report::default().progress(Duration::from_millis(1500), totals);
        assert_eq!(line, "progress t=1.500 passes=5 entries=0 pairs=4 slaves=0 violations=0\n");
    }
}
