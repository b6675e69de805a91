// SPDX-License-Identifier: GPL-2.0
//! What the suite prints.

use std::time::Duration;

use crate::case::Case;

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// Test Anything Protocol, version 13.
    Tap,
    /// One JSON object a line.
    Json,
}

/// How a case ended.
pub enum Verdict {
    /// Everything held.
    Passed,
    /// Something did not; the text says what.
    Failed(String),
    /// It was not run; the text says why.
    Skipped(String),
}

/// Prints results as they come, and counts them.
pub struct Reporter {
    format: Format,
    seen: usize,
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
}

impl Reporter {
    /// Starts a report on `total` cases.
    pub fn new(format: Format, total: usize) -> Self {
        if format == Format::Tap {
            println!("TAP version 13\n1..{total}");
        }
        Self {
            format,
            seen: 0,
            passed: 0,
            failed: Vec::new(),
            skipped: 0,
        }
    }

    /// Reports one case.
    pub fn case(&mut self, case: &Case, took: Duration, verdict: &Verdict) {
        let name = case.full_name();
        self.seen += 1;
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed.push(name.clone()),
            Verdict::Skipped(_) => self.skipped += 1,
        }
        match self.format {
            Format::Human => human(&name, case.about, took, verdict),
            Format::Tap => tap(self.seen, &name, case.about, verdict),
            Format::Json => json(&name, case.about, took, verdict),
        }
    }

    /// Prints the summary; true if nothing failed.
    pub fn finish(self) -> bool {
        let summary = format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed.len(),
            self.skipped
        );
        match self.format {
            Format::Human => {
                if !self.failed.is_empty() {
                    println!("\nFailed:");
                    for name in &self.failed {
                        println!("    {name}");
                    }
                }
                println!("\n{summary}");
            }
            Format::Tap => println!("# {summary}"),
            Format::Json => println!(
                "{}",
                serde_json::json!({ "summary": summary, "passed": self.passed, "failed": self.failed.len(), "skipped": self.skipped })
            ),
        }
        self.failed.is_empty()
    }
}

fn human(name: &str, about: &str, took: Duration, verdict: &Verdict) {
    let ms = took.as_millis();
    match verdict {
        Verdict::Passed => println!("ok      {name:<44} {ms:>6} ms  {about}"),
        Verdict::Failed(why) => {
            println!("FAILED  {name:<44} {ms:>6} ms  {about}");
            for line in why.lines() {
                println!("            {line}");
            }
        }
        Verdict::Skipped(why) => println!("skip    {name:<44}            {why}"),
    }
}

fn tap(number: usize, name: &str, about: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Passed => println!("ok {number} - {name}: {about}"),
        Verdict::Skipped(why) => println!("ok {number} - {name}: {about} # SKIP {why}"),
        Verdict::Failed(why) => {
            println!("not ok {number} - {name}: {about}");
            for line in why.lines() {
                println!("# {line}");
            }
        }
    }
}

fn json(name: &str, about: &str, took: Duration, verdict: &Verdict) {
    let (result, text) = match verdict {
        Verdict::Passed => ("passed", ""),
        Verdict::Failed(why) => ("failed", why.as_str()),
        Verdict::Skipped(why) => ("skipped", why.as_str()),
    };
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    println!(
        "{}",
        serde_json::json!({ "case": name, "about": about, "result": result, "text": text, "ms": ms })
    );
}
