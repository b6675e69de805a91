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

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Whole passes over the directory.
    Passes,
    /// `getdents64` calls.
    Calls,
    /// Entries that they returned.
    Entries,
    /// `fstatat` calls.
    Stats,
    /// Ptys opened and closed.
    Pairs,
    /// Slaves opened.
    Slaves,
    /// Opens of `ptmx` that found a limit reached.
    Exhausted,
    /// Names of other processes' ptys.
    Foreign,
}

impl Count {
    /// All of them, each with its name for programs and for people.
    const ALL: [(Count, &'static str, &'static str); 8] = [
        (Count::Passes, "passes", "passes over the directory"),
        (Count::Calls, "calls", "getdents64 calls"),
        (Count::Entries, "entries", "entries read"),
        (Count::Stats, "stats", "fstatat calls"),
        (Count::Pairs, "pairs", "open/close pairs"),
        (Count::Slaves, "slaves", "slaves opened"),
        (Count::Exhausted, "exhausted", "opens at a limit"),
        (Count::Foreign, "foreign", "names of others' ptys"),
    ];
}

/// What one thread has done.
#[derive(Default)]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    /// Adds `n`.
    pub fn add(&self, count: Count, n: usize) {
        self.0[count as usize].fetch_add(n as u64, Relaxed);
    }
}

/// The sum of threads' counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals([u64; Count::ALL.len()]);

impl Totals {
    /// The sum of `all`.
    pub fn of(all: &[Counters]) -> Self {
        let mut totals = Totals::default();
        for counters in all {
            for (total, counter) in totals.0.iter_mut().zip(&counters.0) {
                *total += counter.load(Relaxed);
            }
        }
        totals
    }
}

impl std::ops::Index<Count> for Totals {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.0[count as usize]
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
            now[Count::Passes],
            now[Count::Entries],
            now[Count::Pairs],
            now[Count::Slaves],
            self.violations()
        )
    }

    /// The last words, for people.
    pub fn summary(&self, dir: &str, elapsed: Duration, totals: Totals) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = |n: u64| n as f64 / seconds.max(f64::MIN_POSITIVE);
        let mut text = format!("rdevpts-reproducer: {dir}, {seconds:.1} s\n");
        for (count, _, label) in Count::ALL {
            let n = totals[count];
            if n > 0 {
                text += &format!("  {label:<26} {n:>12} {:>12.0}/s\n", rate(n));
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
        let mut value = serde_json::json!({
            "dir": dir,
            "seconds": elapsed.as_secs_f64(),
            "ok": found.is_empty(),
            "violations": violations,
        });
        for (count, name, _) in Count::ALL {
            value[name] = totals[count].into();
        }
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
            serde_json::from_str(&report.json("/x", Duration::from_secs(1), Totals::default()))
                .unwrap();
        assert_eq!(json["violations"]["twice"]["count"], 10);
        assert_eq!(json["ok"], false);
    }

    #[test]
    fn counters_add_up() {
        let counters = [Counters::default(), Counters::default()];
        counters[0].add(Count::Passes, 2);
        counters[1].add(Count::Passes, 3);
        counters[1].add(Count::Pairs, 4);
        let totals = Totals::of(&counters);
        assert_eq!((totals[Count::Passes], totals[Count::Pairs]), (5, 4));
        let line = Report::default().progress(Duration::from_millis(1500), totals);
        assert_eq!(
            line,
            "progress t=1.500 passes=5 entries=0 pairs=4 slaves=0 violations=0\n"
        );
        let json = Report::default().json("/x", Duration::from_secs(1), totals);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["passes"], &json["pairs"]), (&5.into(), &4.into()));
        assert_eq!(json["ok"], true);
    }

    #[test]
    fn each_count_stands_at_its_own_place() {
        for (place, (count, _, _)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, place);
        }
    }
}
