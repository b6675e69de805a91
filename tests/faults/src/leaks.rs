// SPDX-License-Identifier: GPL-2.0
//! What was allocated and is not referred to: the kernel's `Documentation/dev-tools/kmemleak.rst`.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak takes no notice of what is younger than 5 s.
const AGE: Duration = Duration::from_secs(6);

/// Whether this kernel looks for leaks.
pub fn are_found() -> bool {
    // Where it gave up for lack of memory it says so by an error.
    Path::new(KMEMLEAK).exists() && tell("scan").is_ok()
}

fn tell(what: &str) -> Result<()> {
    fs::write(KMEMLEAK, what).context(KMEMLEAK)
}

/// Looks for all that has leaked, and says what.
fn scan() -> Result<String> {
    sleep(AGE);
    // What was changed between two looks is not reported after the first.
    tell("scan")?;
    tell("scan")?;
    fs::read_to_string(KMEMLEAK).context(KMEMLEAK)
}

/// Forgets what has leaked until now.
pub fn forget() -> Result<()> {
    scan()?;
    tell("clear")
}

/// The report on all that leaked since, empty if nothing did.
pub fn find() -> Result<String> {
    let report = scan()?;
    if report.is_empty() {
        return Ok(report);
    }
    // A pointer may have been in a register.
    scan()
}
