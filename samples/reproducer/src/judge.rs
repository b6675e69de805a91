// SPDX-License-Identifier: GPL-2.0

//! What one pass over the directory says, held against what is known about the ptys.
//!
//! Each check is sound for any order in which the system calls of other threads can have taken effect (see `ledger.rs`):
//!
//! - **twice**: a name came up twice in one pass. That holds with index reuse as well: children stand in one order, a pass
//!   goes along it once, and what is made meanwhile stands before where the pass began.
//! - **missing**: a pty that was certainly there throughout the pass did not come up.
//! - **closed**: a name came up that no pty can explain: the last one of that name was closed before the pass began, and
//!   none that was opened since. Only where nobody else opens ptys in the directory, and only after every open that began
//!   before the pass ended has been recorded.
//! - **dots**, **ptmx**: `.`, `..` and `ptmx` came up exactly once.
//! - **type**, **ino**: `d_type` and `d_ino` are what `fstatat` says, the latter for names that cannot have changed hands.
//! - **stat**: a pty that was there throughout could not be found by its name, or any name gave an error but ENOENT.

use crate::dents::{type_of_mode, Dent, Name};
use crate::ledger::{Life, Stamp};
use nix::errno::Errno;
use std::collections::HashMap;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A name twice in one pass.
    Twice,
    /// A pty that was open throughout did not come up.
    Missing,
    /// A name of a closed pty came up.
    Closed,
    /// `.` or `..` not exactly once.
    Dots,
    /// `ptmx` not exactly once.
    Ptmx,
    /// `d_type` is not the file's type.
    Type,
    /// `d_ino` is not the file's inode number.
    Ino,
    /// `fstatat` failed where it must not.
    Stat,
    /// `getdents64` failed, or its bytes make no sense.
    Readdir,
    /// `ptmx` could not be opened, or asked for its index.
    Open,
    /// Two open ptys with one index.
    Index,
    /// A slave could not be opened.
    Slave,
    /// A thread made no progress.
    Stuck,
}

impl Kind {
    /// The name of the kind in reports.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Twice => "twice",
            Kind::Missing => "missing",
            Kind::Closed => "closed",
            Kind::Dots => "dots",
            Kind::Ptmx => "ptmx",
            Kind::Type => "type",
            Kind::Ino => "ino",
            Kind::Stat => "stat",
            Kind::Readdir => "readdir",
            Kind::Open => "open",
            Kind::Index => "index",
            Kind::Slave => "slave",
            Kind::Stuck => "stuck",
        }
    }
}

/// One thing that must not happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What kind of thing.
    pub kind: Kind,
    /// What exactly.
    pub what: String,
}

impl Violation {
    /// A violation of that kind.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Violation {
            kind,
            what: what.into(),
        }
    }
}

/// What `fstatat` said of an entry, within the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// It was not asked.
    NotAsked,
    /// It found a file.
    Found {
        /// `st_ino`
        ino: u64,
        /// `st_mode`
        mode: libc::mode_t,
    },
    /// It failed.
    Failed(Errno),
}

/// One entry of a pass.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What `getdents64` said.
    pub dent: Dent,
    /// What `fstatat` said.
    pub stat: Stat,
}

/// One pass over the directory.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Taken before the first `getdents64`.
    pub begin: Stamp,
    /// Taken after the last.
    pub end: Stamp,
    /// All entries, in order.
    pub seen: Vec<Seen>,
}

/// What follows from a pass.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// Names that no pty in `lives` explains: of others' ptys, or of closed ones.
    pub unexplained: Vec<u32>,
}

/// Whose a name is that no pty of this program explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A closed pty's of this program: it must not have come up.
    Closed,
    /// A pty's of another process: from now on any unexplained name may be one.
    Foreign,
    /// It cannot be told.
    Unknown,
}

/// Tells it from whether the user has said that nobody else opens ptys (`insist`), whether nothing speaks against it so
/// far (`alone`), and whether a pty of this program ever had the name.
pub fn whose(insist: bool, alone: bool, was_ours: bool) -> Whose {
    match (insist, alone, was_ours) {
        (true, ..) | (_, true, true) => Whose::Closed,
        (_, _, false) => Whose::Foreign,
        (_, false, true) => Whose::Unknown,
    }
}

/// Holds `pass` against `lives`, all ptys known to have possibly been there during it.
pub fn judge(pass: &Pass, lives: &[Life]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut counts: HashMap<&Name, usize> = HashMap::new();
    for seen in &pass.seen {
        *counts.entry(&seen.dent.name).or_default() += 1;
    }
    let mut by_index: HashMap<u32, Vec<&Life>> = HashMap::new();
    for life in lives {
        by_index.entry(life.index).or_default().push(life);
    }
    let covering = |index: u32| {
        by_index
            .get(&index)
            .and_then(|lives| lives.iter().find(|life| life.covers(pass.begin, pass.end)))
    };

    for (name, kind) in [
        (Name::Dot, Kind::Dots),
        (Name::DotDot, Kind::Dots),
        (Name::Ptmx, Kind::Ptmx),
    ] {
        let count = counts.get(&name).copied().unwrap_or(0);
        if count != 1 {
            verdict.add(
                kind,
                format!("`{name}` came up {count} times{}", span(pass)),
            );
        }
    }

    for (name, &count) in &counts {
        match name {
            Name::Index(_) | Name::Other(_) if count > 1 => {
                verdict.add(
                    Kind::Twice,
                    format!("`{name}` came up {count} times{}", span(pass)),
                );
            }
            _ => {}
        }
        if let Name::Index(index) = name {
            let explained = by_index.get(index).is_some_and(|lives| {
                lives
                    .iter()
                    .any(|life| life.may_overlap(pass.begin, pass.end))
            });
            if !explained {
                verdict.unexplained.push(*index);
            }
        }
    }

    for life in lives {
        let name = Name::Index(life.index);
        if life.covers(pass.begin, pass.end) && !counts.contains_key(&name) {
            verdict.add(
                Kind::Missing,
                format!(
                    "`{name}`, open since {}, did not come up{}",
                    life.after_open,
                    span(pass)
                ),
            );
        }
    }

    for seen in &pass.seen {
        let fixed = match seen.dent.name {
            Name::Index(index) => covering(index).is_some(),
            Name::Other(_) => false,
            Name::Dot | Name::DotDot | Name::Ptmx => true,
        };
        verdict.check_stat(seen, fixed, pass);
    }
    verdict
}

impl Verdict {
    fn add(&mut self, kind: Kind, what: String) {
        self.violations.push(Violation::new(kind, what));
    }

    /// Holds an entry against what `fstatat` said. `fixed`: its name stood for one file throughout the pass.
    fn check_stat(&mut self, seen: &Seen, fixed: bool, pass: &Pass) {
        let Dent { ino, d_type, name } = &seen.dent;
        match seen.stat {
            Stat::NotAsked => {}
            Stat::Failed(Errno::ENOENT) if !fixed => {}
            Stat::Failed(errno) => self.add(
                Kind::Stat,
                format!("fstatat of `{name}`: {}{}", errno.desc(), span(pass)),
            ),
            Stat::Found { ino: st_ino, mode } => {
                if *d_type != type_of_mode(mode) {
                    self.add(
                        Kind::Type,
                        format!(
                            "`{name}` has d_type {d_type} and st_mode {mode:o}{}",
                            span(pass)
                        ),
                    );
                }
                // The inode number of `..` in a mount's root is that of the root, not of what it is mounted in.
                if fixed && *name != Name::DotDot && *ino != st_ino {
                    self.add(
                        Kind::Ino,
                        format!("`{name}` has d_ino {ino} and st_ino {st_ino}{}", span(pass)),
                    );
                }
            }
        }
    }
}

/// Where a pass stands in the order of events.
fn span(pass: &Pass) -> String {
    format!(" (pass from {} to {})", pass.begin, pass.end)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
