// SPDX-License-Identifier: GPL-2.0
//! Cases that say nothing about one of the file systems, each with its reason.

use anyhow::{bail, Result};

use crate::case::Case;
use crate::cases;

/// (file system, case, reason).
const NOT_APPLICABLE: &[(&str, &str, &str)] = &[];

/// Why `case` does not apply to `fstype`, if so.
pub fn reason(fstype: &str, case: &Case) -> Option<&'static str> {
    let name = case.full_name();
    NOT_APPLICABLE.iter().find(|(fs, c, _)| *fs == fstype && *c == name).map(|(_, _, why)| *why)
}

/// Fails if the table names a case that does not exist.
pub fn check_table() -> Result<()> {
    for (_, name, _) in NOT_APPLICABLE {
        if !cases::all().any(|c| c.full_name() == *name) {
            bail!("applicability table names an unknown case {name}");
        }
    }
    Ok(())
}
