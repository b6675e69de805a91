// SPDX-License-Identifier: GPL-2.0

//! What can be a column of the table.

use crate::list::{Mount, Pty};
use bytesize::ByteSize;
use clap::ValueEnum;
use std::fmt::Display;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Column {
    /// index of the pty
    Pty,
    /// path of the slave
    Path,
    /// device of the mount, MAJOR:MINOR
    Mount,
    /// owner of the slave
    Owner,
    /// group of the slave
    Group,
    /// permissions of the slave
    Mode,
    /// time since a program last read from the terminal
    Idle,
    /// how often the slave is open
    Opens,
    /// foreground process
    Pid,
    /// command line of the foreground process
    Command,
    /// foreground process group
    Pgrp,
    /// session
    Session,
    /// who holds the master
    Master,
    /// process that holds the master
    Mpid,
    /// output in all
    Out,
    /// output that the master has not read
    Backlog,
    /// how often a writer of output found no room
    Stalls,
    /// input in all
    In,
    /// input that the line discipline has not taken
    Inq,
    /// memory that is there for output
    Ring,
    /// states: locked, packet, stopped
    Flags,
}

/// Those that are shown unless others are chosen.
pub const DEFAULT: [Column; 10] = [
    Column::Pty,
    Column::Owner,
    Column::Idle,
    Column::Pid,
    Column::Command,
    Column::Master,
    Column::Out,
    Column::Backlog,
    Column::Stalls,
    Column::In,
];

impl Column {
    /// What is above it.
    pub fn heading(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether its cells are numbers, and are set to the right.
    pub fn is_number(self) -> bool {
        use Column::*;
        matches!(
            self,
            Pty | Idle
                | Opens
                | Pid
                | Pgrp
                | Session
                | Mpid
                | Out
                | Backlog
                | Stalls
                | In
                | Inq
                | Ring
        )
    }

    /// The cell of one pty; `-` is what is not known, or not there.
    pub fn cell(self, mount: &Mount, pty: &Pty, is_bytes: bool) -> String {
        let fields = &pty.fields;
        let size = |bytes: Option<u64>| match is_bytes {
            true => text(bytes),
            false => text(bytes.map(size)),
        };
        match self {
            Column::Pty => pty.index.to_string(),
            Column::Path => text(pty.path.as_deref()),
            Column::Mount => mount.device.to_string(),
            Column::Owner => name(pty.owner.as_deref(), pty.uid),
            Column::Group => name(pty.group.as_deref(), pty.gid),
            Column::Mode => text(pty.mode.as_deref()),
            Column::Idle => text(pty.idle.map(duration)),
            Column::Opens => text(fields.opens),
            Column::Pid => text(pty.foreground.as_ref().map(|process| process.pid)),
            Column::Command => text(pty.foreground.as_ref().map(|process| &process.cmdline)),
            Column::Pgrp => text(fields.pgrp.filter(|pgrp| *pgrp != 0)),
            Column::Session => text(fields.session.filter(|session| *session != 0)),
            Column::Master => {
                let mut names: Vec<&str> = Vec::new();
                for process in &pty.masters {
                    if !names.contains(&process.command.as_str()) {
                        names.push(&process.command);
                    }
                }
                list(&names)
            }
            Column::Mpid => {
                let pids: Vec<_> = pty
                    .masters
                    .iter()
                    .map(|process| process.pid.to_string())
                    .collect();
                list(&pids)
            }
            Column::Out => size(fields.output),
            Column::Backlog => size(fields.output_queued),
            Column::Stalls => text(fields.output_stalls),
            Column::In => size(fields.input),
            Column::Inq => size(fields.input_queued),
            Column::Ring => size(fields.ring),
            Column::Flags => list(pty.flags.as_deref().unwrap_or_default()),
        }
    }
}

fn text(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| printable(&value.to_string()))
}

fn name(name: Option<&str>, id: Option<u32>) -> String {
    name.map_or_else(|| text(id), |name| text(Some(name)))
}

fn list<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    text((!words.is_empty()).then(|| words.join(",")))
}

/// Bytes as people read them: `0B`, `12.3K`.
fn size(bytes: u64) -> String {
    ByteSize::b(bytes)
        .display()
        .iec_short()
        .to_string()
        .replace(' ', "")
}

/// Seconds as people read them, in the largest unit that there is one of.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// Text that does nothing to a terminal: any process can have a name with control characters in it.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => shown.extend(char.escape_default()),
            false => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_names() {
        assert_eq!(Column::Pty.heading(), "PTY");
        assert_eq!(Column::from_str("backlog", true), Ok(Column::Backlog));
        for column in Column::value_variants() {
            assert_eq!(Column::from_str(&column.heading(), false), Ok(*column));
        }
    }

    #[test]
    fn sizes() {
        let shown = [0, 1, 1023, 1024, 12_595, 65_536, 123_456_789, u64::MAX].map(size);
        assert_eq!(
            shown,
            ["0B", "1B", "1023B", "1.0K", "12.3K", "64.0K", "117.7M", "16.0E"]
        );
    }

    #[test]
    fn durations() {
        let shown = [0, 59, 60, 3599, 3600, 86_399, 86_400, 1_000_000].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "11d"]);
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(
            printable("a\x1b[2Jb\n\u{9b}c ä"),
            "a\\u{1b}[2Jb\\n\\u{9b}c ä"
        );
    }
}
