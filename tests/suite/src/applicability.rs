// SPDX-License-Identifier: GPL-2.0
//! Cases that say nothing about one of the file systems, each with its reason.

use anyhow::{bail, Result};

use crate::case::Case;
use crate::cases;
use crate::fixture::compat;

const BUILT_IN: &str = "devpts is part of the kernel, and no module";
const NOT_COUNTED: &str = "devpts counts nothing";

/// (file system, case or `theme.*`, reason).
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
    ("devpts", "module.open_counters_keep_it", BUILT_IN),
    ("devpts", "module.count_returns", BUILT_IN),
    ("devpts", "counters.*", NOT_COUNTED),
    ("devpts", "counters_lifetime.*", NOT_COUNTED),
    ("devpts", "fdinfo.output_raw", NOT_COUNTED),
    ("devpts", "fdinfo.output_cooked", NOT_COUNTED),
    ("devpts", "fdinfo.output_of_echo", NOT_COUNTED),
    (
        "devpts",
        "fdinfo.output_past_another_discipline",
        NOT_COUNTED,
    ),
    ("devpts", "fdinfo.output_queued", NOT_COUNTED),
    ("devpts", "fdinfo.output_stalls", NOT_COUNTED),
    ("devpts", "fdinfo.ring", NOT_COUNTED),
    ("devpts", "fdinfo.input", NOT_COUNTED),
    ("devpts", "fdinfo.input_queued", NOT_COUNTED),
    ("devpts", "fdinfo.opens", NOT_COUNTED),
    ("devpts", "fdinfo.group_and_session", NOT_COUNTED),
    ("devpts", "fdinfo.in_another_pid_namespace", NOT_COUNTED),
    ("devpts", "fdinfo.mount", NOT_COUNTED),
    ("devpts", "fdinfo.fresh_for_each_pty", NOT_COUNTED),
    ("devpts", "fdinfo.after_the_master", NOT_COUNTED),
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
        .find(|(fs, c, _)| *fs == fstype && names(c, case, &name))
        .map(|(_, _, why)| *why)
}

/// Whether an entry of the table is about this case.
fn names(entry: &str, case: &Case, name: &str) -> bool {
    entry == name || entry.strip_suffix(".*") == Some(case.theme)
}

/// Fails if the table names a case that does not exist.
pub fn check_table() -> Result<()> {
    for (_, entry, _) in NOT_APPLICABLE {
        if !cases::all().any(|c| names(entry, c, &c.full_name())) {
            bail!("applicability table names an unknown case {entry}");
        }
    }
    Ok(())
}
