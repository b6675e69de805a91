// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/rdevpts`: everything about every pty, for root. `mounts` has a line for each mount, `ptys` one for each pty
//! of all of them, both below a line of names. Fields go by name; others than these may be there, and any but those that say what
//! the line is about may be missing, or `-`, which is not known.

use crate::device::Device;
use crate::fields::Fields;
use crate::system::{System, Warnings};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One mount, in this mount namespace or another.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its ptys, by index.
    pub ptys: BTreeMap<u32, Row>,
    /// What was counted since it was mounted, by name. None for a mount that only its ptys tell of: it came meanwhile.
    pub counters: Option<Counters>,
}

/// Numbers by name, as far as they are known.
pub type Counters = BTreeMap<String, Option<u64>>;

/// One pty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The owner of the slave's node.
    pub uid: Option<u32>,
    /// The node's group.
    pub gid: Option<u32>,
    /// The node's permissions.
    pub mode: Option<u32>,
    /// Numbers.
    pub fields: Fields,
    /// States, such as `locked`.
    pub flags: Option<Vec<String>>,
}

/// All mounts that debugfs shows; none if it is not mounted, or not for the caller.
pub fn read(system: &System, warnings: &mut Warnings) -> BTreeMap<Device, Table> {
    let top = system.sys.join("kernel/debug/rdevpts");
    let mut tables = BTreeMap::new();
    for (name, add) in [("mounts", add_mounts as Parser), ("ptys", add_ptys)] {
        let path = top.join(name);
        if let Some(text) = warnings.known(&path, fs::read(&path)) {
            add(
                &mut tables,
                &path,
                &String::from_utf8_lossy(&text),
                warnings,
            );
        }
    }
    tables
}

type Parser = fn(&mut BTreeMap<Device, Table>, &Path, &str, &mut Warnings);

/// Calls `line` with each line's number, and its values with their names. Tells of a text without the names `keys`, which has no
/// lines then, and of lines that `line` says no to.
fn for_each_line(
    path: &Path,
    text: &str,
    keys: &[&str],
    warnings: &mut Warnings,
    mut line: impl FnMut(&mut dyn Iterator<Item = (&str, &str)>) -> bool,
) {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    if !keys.iter().all(|key| names.contains(key)) {
        warnings.add(path, format_args!("no column {}", keys.join(" or ")));
        return;
    }
    for (number, text) in lines
        .enumerate()
        .filter(|(_, text)| !text.trim().is_empty())
    {
        if !line(&mut names.iter().copied().zip(text.split_whitespace())) {
            warnings.add(path, format_args!("line {} is strange", number + 2));
        }
    }
}

/// The file `mounts`: what is not `mount` is a number.
fn add_mounts(
    tables: &mut BTreeMap<Device, Table>,
    path: &Path,
    text: &str,
    warnings: &mut Warnings,
) {
    for_each_line(path, text, &["mount"], warnings, |values| {
        let mut device = None;
        let mut counters = Counters::new();
        let mut strange = false;
        for (name, value) in values {
            if name == "mount" {
                strange |= !put(&mut device, value.parse().ok());
                continue;
            }
            let number = value.parse().ok();
            strange |= number.is_none() && value != "-";
            counters.insert(name.to_owned(), number);
        }
        if let Some(device) = device {
            tables.entry(device).or_default().counters = Some(counters);
        }
        !strange && device.is_some()
    });
}

/// The file `ptys`.
fn add_ptys(
    tables: &mut BTreeMap<Device, Table>,
    path: &Path,
    text: &str,
    warnings: &mut Warnings,
) {
    for_each_line(path, text, &["mount", "index"], warnings, |values| {
        let (mut device, mut index) = (None, None);
        let mut row = Row::default();
        let mut strange = false;
        // Of flags, it is none of them.
        for (name, value) in values.filter(|(name, value)| *value != "-" || *name == "flags") {
            let known = match name {
                "mount" => put(&mut device, value.parse().ok()),
                "index" => put(&mut index, value.parse().ok()),
                "uid" => put(&mut row.uid, value.parse().ok()),
                "gid" => put(&mut row.gid, value.parse().ok()),
                "mode" => put(&mut row.mode, u32::from_str_radix(value, 8).ok()),
                "flags" => put(&mut row.flags, Some(flags(value))),
                name => match row.fields.by_name(name) {
                    Some(field) => put(field, value.parse().ok()),
                    None => true,
                },
            };
            strange |= !known;
        }
        let (Some(device), Some(index)) = (device, index) else {
            return false;
        };
        let table: &mut Table = tables.entry(device).or_default();
        table.ptys.insert(index, row);
        !strange
    });
}

/// Stores a value; whether there is one.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

/// Words with commas between them; `-` is none.
fn flags(value: &str) -> Vec<String> {
    let words = value
        .split(',')
        .filter(|word| !word.is_empty() && *word != "-");
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
mount ptys opened slaves_opened output output_stalls input
0:45 2 17 16 2000000 3 1000
0:46 0 0 0 0 - 0
";

    const PTYS: &str = "\
mount index uid gid mode opens pgrp session output output_queued output_stalls input input_queued ring flags
0:45 0 0 5 0620 2 100 99 123456 10 3 78 4 65536 -
0:45 12 1000 5 0600 0 0 0 0 0 0 0 0 0 locked,packet
0:47 12 1001 5 0600 0 0 0 1 0 0 0 0 0 -
";

    fn device(minor: u64) -> Device {
        Device::of(minor)
    }

    fn tables(add: Parser, text: &str) -> (BTreeMap<Device, Table>, Vec<String>) {
        let (mut tables, mut warnings) = (BTreeMap::new(), Warnings::default());
        add(&mut tables, Path::new("file"), text, &mut warnings);
        (tables, warnings.0)
    }

    /// The ptys of the mount 0:45.
    fn ptys(text: &str) -> (BTreeMap<u32, Row>, Vec<String>) {
        let (mut tables, warnings) = tables(add_ptys, text);
        let ptys = tables.remove(&device(45)).unwrap_or_default().ptys;
        assert!(tables.is_empty(), "{tables:?}");
        (ptys, warnings)
    }

    #[test]
    fn ptys_go_to_their_mounts() {
        let (found, warnings) = tables(add_ptys, PTYS);
        assert_eq!(warnings, [""; 0]);
        let indices: Vec<_> = found
            .iter()
            .flat_map(|(device, table)| table.ptys.keys().map(move |index| (*device, *index)))
            .collect();
        assert_eq!(
            indices,
            [(device(45), 0), (device(45), 12), (device(47), 12)]
        );
        let row = &found[&device(45)].ptys[&0];
        assert_eq!(
            (row.uid, row.gid, row.mode),
            (Some(0), Some(5), Some(0o620))
        );
        let fields = Fields {
            opens: Some(2),
            pgrp: Some(100),
            session: Some(99),
            output: Some(123456),
            output_queued: Some(10),
            output_stalls: Some(3),
            input: Some(78),
            input_queued: Some(4),
            ring: Some(65536),
        };
        assert_eq!(row.fields, fields);
        assert_eq!(row.flags, Some(vec![]));
        let row = &found[&device(45)].ptys[&12];
        assert_eq!(row.flags, Some(vec!["locked".into(), "packet".into()]));
        let row = &found[&device(47)].ptys[&12];
        assert_eq!((row.uid, row.fields.output), (Some(1001), Some(1)));
    }

    #[test]
    fn a_mount_may_have_come_meanwhile() {
        let (mut both, mut warnings) = tables(add_mounts, MOUNTS);
        let mut told = Warnings::default();
        add_ptys(&mut both, Path::new("ptys"), PTYS, &mut told);
        warnings.extend(told.0);
        assert_eq!(warnings, [""; 0]);
        let seen: Vec<_> = both
            .values()
            .map(|table| (table.ptys.len(), table.counters.is_some()))
            .collect();
        assert_eq!(seen, [(2, true), (0, true), (1, false)]);
    }

    #[test]
    fn columns_go_by_name() {
        let (ptys, warnings) =
            ptys("colour output index mount\ngreen 7 3 0:45\nred 8 4 0:45 more\n");
        assert_eq!(warnings, [""; 0]);
        assert_eq!(
            (ptys[&3].fields.output, ptys[&4].fields.output),
            (Some(7), Some(8))
        );
        assert_eq!(
            (ptys[&3].uid, &ptys[&3].flags, ptys[&3].fields.input),
            (None, &None, None)
        );
    }

    #[test]
    fn what_is_not_known_is_no_fault() {
        let (found, warnings) = ptys(
            "mount index uid gid mode opens pgrp session output input input_queued ring flags\n\
             0:45 3 - - - 1 2 3 4 7 - 4096 -\n0:45 4 - - - - - - - - - - -\n",
        );
        assert_eq!(warnings, [""; 0]);
        let row = &found[&3];
        assert_eq!((row.uid, row.gid, row.mode), (None, None, None));
        let fields = &row.fields;
        assert_eq!(
            (fields.input, fields.input_queued, fields.ring),
            (Some(7), None, Some(4096))
        );
        let nothing = Row {
            flags: Some(vec![]),
            ..Row::default()
        };
        assert_eq!(found[&4], nothing);
    }

    #[test]
    fn broken_lines_are_told_and_the_others_kept() {
        let (found, warnings) = ptys(
            "index mount uid mode output\n0 0:45 0 620 1\nx 0:45 0 620 1\n2 0:45 0 689 -1\n\n3 0:45\n\
             99999999999 0:45 0 0 0\n- 0:45 0 620 1\n4 045 0 620 1\n5 - 0 620 1\n6\n7 0:45 0 620 2\n",
        );
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 2, 3, 7]);
        assert_eq!(
            (found[&2].uid, found[&2].mode, found[&2].fields.output),
            (Some(0), None, None)
        );
        let told = [3, 4, 7, 8, 9, 10, 11].map(|line| format!("file: line {line} is strange"));
        assert_eq!(warnings, told);
    }

    #[test]
    fn what_is_no_table_is_told() {
        for text in [
            "",
            "\n",
            "nonsense\n1 2 3\n",
            "\u{fffd}\u{fffd}",
            "index uid\n1 0\n",
        ] {
            for (add, told) in [
                (add_mounts as Parser, "file: no column mount"),
                (add_ptys, "file: no column mount or index"),
            ] {
                let (found, warnings) = tables(add, text);
                assert!(found.is_empty());
                assert_eq!(warnings, [told], "{text:?}");
            }
        }
        let (found, warnings) = tables(add_ptys, "mount uid\n0:45 0\n");
        assert!(found.is_empty());
        assert_eq!(warnings, ["file: no column mount or index"]);
        assert_eq!(tables(add_mounts, "mount\n").1, [""; 0]);
        assert_eq!(tables(add_ptys, "mount index\n").1, [""; 0]);
    }

    #[test]
    fn counters_have_names() {
        let (found, warnings) = tables(add_mounts, MOUNTS);
        assert_eq!(warnings, [""; 0]);
        let names = "ptys opened slaves_opened output output_stalls input".split(' ');
        let counters = |numbers: [Option<u64>; 6]| -> Option<Counters> {
            Some(names.clone().map(str::to_owned).zip(numbers).collect())
        };
        let told = [2, 17, 16, 2_000_000, 3, 1000].map(Some);
        assert_eq!(found[&device(45)].counters, counters(told));
        let told = [Some(0), Some(0), Some(0), Some(0), None, Some(0)];
        assert_eq!(found[&device(46)].counters, counters(told));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn broken_counters_are_told_and_the_others_kept() {
        let (found, warnings) = tables(
            add_mounts,
            "ptys mount later\n1 0:45 2\n\nx 0:46 3\n4 - 5\n6\n-1 0:47\n7 046 8\n",
        );
        let kept: Vec<_> = found
            .into_iter()
            .map(|(device, table)| (device, table.counters.unwrap_or_default()))
            .map(|(device, mut counters)| {
                (device, counters.remove("ptys"), counters.remove("later"))
            })
            .collect();
        assert_eq!(
            kept,
            [
                (device(45), Some(Some(1)), Some(Some(2))),
                (device(46), Some(None), Some(Some(3))),
                (device(47), Some(None), None),
            ]
        );
        let told = [4, 5, 6, 7, 8].map(|line| format!("file: line {line} is strange"));
        assert_eq!(warnings, told);
    }
}
