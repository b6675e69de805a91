// SPDX-License-Identifier: GPL-2.0

//! `/proc/PID`: who runs on a pty, and who holds its ends. See proc_pid_stat(5), proc_pid_cmdline(5).

use crate::fdinfo::{self, Fdinfo};
use crate::system::{System, Warnings};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More of a command line than this is of no use to anybody who reads a list.
const LONGEST: u64 = 4096;

/// A process, as far as it says which program it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name that the kernel has for it.
    pub command: String,
    /// Its command line, with blanks between the words; the name again if it has none.
    pub cmdline: String,
}

/// What `/proc/PID/stat` tells.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    command: String,
    is_zombie: bool,
    pgrp: u64,
}

/// An end of a pty that a process has open.
#[derive(Debug, PartialEq, Eq)]
pub struct Open {
    /// The process.
    pub pid: u32,
    /// The end.
    pub info: Fdinfo,
}

/// All processes that the caller can see.
#[derive(Debug, Default)]
pub struct Processes {
    proc: PathBuf,
    stats: BTreeMap<u32, Stat>,
    /// Those that were asked for: one may hold thousands of masters.
    known: RefCell<BTreeMap<u32, Process>>,
    /// The ends of ptys they have open, as far as the caller may know, by process.
    pub open: Vec<Open>,
}

impl Processes {
    /// Looks at all of them once.
    ///
    /// # Errors
    ///
    /// Those of reading the directory of processes. What is wrong with one process is a warning at most.
    pub fn read(system: &System, warnings: &mut Warnings) -> io::Result<Self> {
        let mut found = Self {
            proc: system.proc.clone(),
            ..Self::default()
        };
        for entry in fs::read_dir(&system.proc)? {
            let entry = entry?;
            let Some(pid) = number(&entry.file_name()) else {
                continue;
            };
            let path = entry.path().join("stat");
            let Some(text) = warnings.known(&path, fs::read(&path)) else {
                continue;
            };
            match parse_stat(&String::from_utf8_lossy(&text)) {
                Some(stat) => drop(found.stats.insert(pid, stat)),
                None => warnings.add(&path, "is strange"),
            }
            found.look_at(pid, &entry.path(), warnings);
        }
        found.open.sort_by_key(|open| open.pid);
        Ok(found)
    }

    /// Notes the ends of ptys that a process has open.
    fn look_at(&mut self, pid: u32, directory: &Path, warnings: &mut Warnings) {
        let fds = directory.join("fd");
        for entry in warnings
            .known(&fds, fs::read_dir(&fds))
            .into_iter()
            .flatten()
        {
            let Some(entry) = warnings.known(&fds, entry) else {
                break;
            };
            // Sockets and pipes, of which there are most, are no paths.
            let path = entry.path();
            let link = warnings.known(&path, fs::read_link(&path));
            if !link.is_some_and(|link| link.is_absolute()) {
                continue;
            }
            let path = directory.join("fdinfo").join(entry.file_name());
            let text = warnings.known(&path, fs::read(&path)).unwrap_or_default();
            if let Some(info) = fdinfo::parse(&String::from_utf8_lossy(&text)) {
                self.open.push(Open { pid, info });
            }
        }
    }

    /// The process of this number. None if it is gone, or was not there.
    pub fn by_pid(&self, pid: u32) -> Option<Process> {
        if let Some(process) = self.known.borrow().get(&pid) {
            return Some(process.clone());
        }
        let command = self.stats.get(&pid)?.command.clone();
        let mut words = Vec::new();
        let file = File::open(self.proc.join(pid.to_string()).join("cmdline"));
        // A process that has ended since then still had its name.
        let _ = file.and_then(|file| file.take(LONGEST).read_to_end(&mut words));
        let process = Process {
            pid,
            cmdline: parse_cmdline(&words).unwrap_or_else(|| command.clone()),
            command,
        };
        self.known.borrow_mut().insert(pid, process.clone());
        Some(process)
    }

    /// Who stands for a process group: its leader, else the first process of those it has.
    pub fn of_group(&self, pgrp: u64) -> Option<Process> {
        let members = || self.stats.iter().filter(|(_, stat)| stat.pgrp == pgrp);
        let (pid, _) = members()
            .find(|(pid, stat)| u64::from(**pid) == pgrp && !stat.is_zombie)
            .or_else(|| members().find(|(_, stat)| !stat.is_zombie))
            .or_else(|| members().next())?;
        self.by_pid(*pid)
    }
}

/// The number that is the name of a file.
pub fn number(name: &std::ffi::OsStr) -> Option<u32> {
    let name = name.to_str()?;
    match name.bytes().all(|byte| byte.is_ascii_digit()) {
        true => name.parse().ok(),
        false => None,
    }
}

/// `PID (NAME) STATE PPID PGRP ...`, where the name may have blanks and brackets.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.split_once('(')?;
    let (command, rest) = rest.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?;
    Some(Stat {
        command: command.to_owned(),
        is_zombie: matches!(state, "Z" | "X"),
        pgrp: words.nth(1)?.parse().ok()?,
    })
}

/// Words that each end in a zero byte. None if there are none, as zombies and the kernel's threads have it.
fn parse_cmdline(words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(words).replace('\0', " ");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_anything() {
        let stat = |command: &str, is_zombie, pgrp| Stat {
            command: command.into(),
            is_zombie,
            pgrp,
        };
        assert_eq!(
            parse_stat("7 (sh) S 1 6 5 34816 6 0\n"),
            Some(stat("sh", false, 6))
        );
        assert_eq!(
            parse_stat("7 (a) R 1 (2) Z 1 9 9"),
            Some(stat("a) R 1 (2", true, 9))
        );
        assert_eq!(parse_stat("7 () S 1 6"), Some(stat("", false, 6)));
    }

    #[test]
    fn what_is_no_stat_is_none() {
        for text in [
            "",
            "7",
            "7 (sh",
            "7 sh) S 1 6",
            "7 (sh)",
            "7 (sh) S 1",
            "7 (sh) S 1 -1",
            ")(",
        ] {
            assert_eq!(parse_stat(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_command_line() {
        assert_eq!(
            parse_cmdline(b"vim\0my notes\0\0").as_deref(),
            Some("vim my notes")
        );
        assert_eq!(
            parse_cmdline(b"sshd: alice@pts/0\0\0\0").as_deref(),
            Some("sshd: alice@pts/0")
        );
        assert_eq!(parse_cmdline(b"\xff\0").as_deref(), Some("\u{fffd}"));
        assert_eq!(parse_cmdline(b""), None);
        assert_eq!(parse_cmdline(b"\0\0"), None);
    }

    #[test]
    fn a_group_is_its_leader_or_another() {
        let stat = |is_zombie, pgrp| Stat {
            command: "name".into(),
            is_zombie,
            pgrp,
        };
        let processes = Processes {
            stats: BTreeMap::from([
                (5, stat(false, 10)),
                (10, stat(false, 10)),
                // The leader waits to be waited for.
                (20, stat(true, 20)),
                (21, stat(false, 20)),
                // The leader is gone.
                (31, stat(false, 30)),
                (32, stat(false, 30)),
                // Who has the group's number is of another group.
                (40, stat(false, 10)),
                (41, stat(false, 40)),
                (50, stat(true, 50)),
            ]),
            ..Processes::default()
        };
        let pid = |pgrp| processes.of_group(pgrp).map(|process| process.pid);
        assert_eq!(
            [10, 20, 30, 40, 50].map(pid),
            [10, 21, 31, 41, 50].map(Some)
        );
        assert_eq!([0, 60, u64::MAX].map(pid), [None; 3]);
    }

    #[test]
    fn names_that_are_numbers() {
        assert_eq!(number("17".as_ref()), Some(17));
        for name in ["", "+1", "-1", "1a", "ptmx", "99999999999"] {
            assert_eq!(number(name.as_ref()), None, "{name}");
        }
    }
}
