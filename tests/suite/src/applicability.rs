// SPDX-License-Identifier: GPL-2.0
//! Cases that say nothing about one of the file systems, each with its reason.

use anyhow::{bail, Result};

use crate::case::Case;
use crate::cases;
use crate::fixture::compat;

const BUILT_IN: &str = "devpts is part of the kernel, and no module";

/// (file system, case, reason).
const NOT_APPLICABLE: &[(&str, &str, &str)] = &[
    (
        "devpts",
        "directory.mount_detached_on_node_removal",
        "devpts leaves the mount behind, where no path reaches it",
    ),
    (
        "devpts",
        "foreign_node.ptmx_device_beside_other_driver",
        "it is about another driver's file system",
    ),
    ("devpts", "module.stays_while_mounted", BUILT_IN),
    ("devpts", "module.stays_while_used", BUILT_IN),
    ("devpts", "module.count_returns", BUILT_IN),
    (
        "rdevpts",
        "foreign_node.ptmx_device_beside_pts",
        "the device number 5:2 belongs to the kernel's own pty driver",
    ),
];

/// Why `case` does not apply to `fstype`, if so.
pub fn reason(fstype: &str, case: &Case) -> Option<&'static str> {
    if case.theme == "compat" && !compat::available() {
        return Some("this kernel has no 32-bit system calls");
    }
    let name = case.full_name();
    NOT_APPLICABLE
        .iter()
        .find(|(fs, c, _)| *fs == fstype && *c == name)
        .map(|(_, _, why)| *why)
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
