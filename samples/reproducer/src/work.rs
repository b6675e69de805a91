// SPDX-License-Identifier: GPL-2.0

//! The threads: those that read the directory, and those that open and close ptys in it.

use crate::dents::{getdents, parse, Dent, Name};
use crate::judge::{judge, whose, Kind, Pass, Seen, Stat, Violation, Whose};
use crate::ledger::{Ledger, LifeId};
use crate::report::{Count, Counters, Report};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use nix::unistd::{lseek, Whence};
use rdevpts_ptydir as pty;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

/// After this many passes a reader opens the directory anew.
const REOPEN_AFTER: u64 = 64;

/// What all threads share.
pub struct Shared {
    /// The directory.
    pub dir: PathBuf,
    /// Buffer sizes for `getdents64`; readers take turns.
    pub buffers: Vec<usize>,
    /// Every that many passes of a reader, it stats what it finds; 0 is never.
    pub stat_every: u64,
    /// Whether slaves are opened.
    pub slaves: bool,
    /// Whether nobody else opens ptys in the directory. Evidence to the contrary ends it, unless `insist`.
    pub exclusive: AtomicBool,
    /// Whether the user has said that nobody else does.
    pub insist: bool,
    /// Set when it is time to stop.
    pub stop: Arc<AtomicBool>,
    /// The lifetimes of all ptys.
    pub ledger: Ledger,
    /// What went wrong.
    pub report: Report,
    /// Of each thread, readers first.
    pub counters: Vec<Counters>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    fn violation(&self, kind: Kind, what: String) {
        self.report.violation(Violation::new(kind, what));
    }
}

/// Reads the directory until it is time to stop. `reader` is also the thread's place among the counters.
pub fn read(shared: &Shared, reader: usize) -> nix::Result<()> {
    let counters = &shared.counters[reader];
    let mut buffer = vec![0; shared.buffers.iter().copied().max().unwrap_or(0)];
    let mut dir = pty::open_dir(&shared.dir)?;
    for round in 0_u64.. {
        if shared.stopped() {
            break;
        }
        if round % REOPEN_AFTER == REOPEN_AFTER - 1 {
            dir = pty::open_dir(&shared.dir)?;
        } else {
            lseek(&dir, 0, Whence::SeekSet)?;
        }
        // Sizes and stats go through all combinations.
        let sizes = shared.buffers.len() as u64;
        let size = shared.buffers[((round + reader as u64) % sizes) as usize];
        let stat = shared.stat_every != 0 && (round / sizes) % shared.stat_every == 0;

        let begin = shared.ledger.begin_pass(reader);
        match read_pass(dir.as_fd(), &mut buffer[..size], stat, counters) {
            Ok(seen) => {
                let end = shared.ledger.tick();
                check_pass(shared, counters, &Pass { begin, end, seen });
                counters.add(Count::Passes, 1);
            }
            Err(what) => shared.violation(Kind::Readdir, what),
        }
        shared.ledger.end_pass(reader);
    }
    Ok(())
}

/// One pass from where `dir` stands to its end.
fn read_pass(
    dir: BorrowedFd,
    buffer: &mut [u8],
    stat: bool,
    counters: &Counters,
) -> Result<Vec<Seen>, String> {
    let mut pass = Vec::new();
    loop {
        let n = getdents(dir, buffer).map_err(|errno| format!("getdents64: {}", errno.desc()))?;
        counters.add(Count::Calls, 1);
        if n == 0 {
            return Ok(pass);
        }
        let dents = parse(&buffer[..n])?;
        counters.add(Count::Entries, dents.len());
        for dent in dents {
            let stat = if stat {
                counters.add(Count::Stats, 1);
                stat_of(dir, &dent)
            } else {
                Stat::NotAsked
            };
            pass.push(Seen { dent, stat });
        }
    }
}

fn stat_of(dir: BorrowedFd, dent: &Dent) -> Stat {
    match fstatat(
        dir,
        dent.name.to_string().as_str(),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    ) {
        Ok(stat) => Stat::Found {
            ino: stat.st_ino,
            mode: stat.st_mode,
        },
        Err(errno) => Stat::Failed(errno),
    }
}

/// Judges a pass and reports what must not have happened.
fn check_pass(shared: &Shared, counters: &Counters, pass: &Pass) {
    let ledger = &shared.ledger;
    let mut verdict = judge(pass, &ledger.lives(pass.begin, pass.end));
    if !verdict.unexplained.is_empty() {
        // A name may be of a pty whose open had not returned, or had not been written down, when the pass ended.
        while !ledger.is_settled(pass.end) {
            std::thread::sleep(Duration::from_micros(50));
        }
        verdict = judge(pass, &ledger.lives(pass.begin, pass.end));
    }
    for violation in verdict.violations {
        shared.report.violation(violation);
    }
    for index in verdict.unexplained {
        let alone = shared.exclusive.load(Relaxed);
        match whose(shared.insist, alone, ledger.was_ours(index)) {
            Whose::Closed => {
                let what = format!(
                    "`{index}` came up, closed before the pass (pass from {} to {})",
                    pass.begin, pass.end
                );
                shared.violation(Kind::Closed, what);
            }
            Whose::Foreign => {
                shared.exclusive.store(false, Relaxed);
                counters.add(Count::Foreign, 1);
            }
            Whose::Unknown => {}
        }
    }
}

/// One pty of this program.
pub struct Pty {
    master: OwnedFd,
    known: Option<(u32, LifeId)>,
}

/// Opens a pty for the log `log`; `None` if a limit is reached or something went wrong, which is then reported.
pub fn open_pty(shared: &Shared, dir: BorrowedFd, log: usize, counters: &Counters) -> Option<Pty> {
    let ledger = &shared.ledger;
    ledger.before_open(log);
    let master = match pty::open_master(dir) {
        Ok(master) => master,
        Err(errno) => {
            ledger.no_pty(log);
            match errno {
                Errno::ENOSPC | Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => {
                    counters.add(Count::Exhausted, 1);
                    std::thread::sleep(Duration::from_millis(1));
                }
                _ => shared.violation(Kind::Open, format!("open of ptmx: {}", errno.desc())),
            }
            return None;
        }
    };
    let known = match pty::index(&master) {
        Ok(Some(index)) => {
            let (id, taken) = ledger.opened(log, index);
            if taken {
                shared.violation(Kind::Index, format!("two open ptys are number {index}"));
            }
            Some((index, id))
        }
        Ok(None) => {
            // Such a pty's name is unknown: names can be explained by it.
            shared.exclusive.store(false, Relaxed);
            ledger.no_pty(log);
            None
        }
        Err(errno) => {
            shared.exclusive.store(false, Relaxed);
            ledger.no_pty(log);
            shared.violation(Kind::Open, format!("TIOCGPTN: {}", errno.desc()));
            None
        }
    };
    Some(Pty { master, known })
}

/// Closes the pty, telling the ledger before and after.
pub fn close_pty(shared: &Shared, log: usize, pty: Pty) {
    if let Some((_, id)) = pty.known {
        shared.ledger.before_close(log, id);
    }
    drop(pty.master);
    if let Some((_, id)) = pty.known {
        shared.ledger.closed(log, id);
    }
}

/// Opens and closes ptys until it is time to stop.
pub fn open_and_close(shared: &Shared, log: usize, counters: &Counters) -> nix::Result<()> {
    let dir = pty::open_dir(&shared.dir)?;
    for round in 0_u64.. {
        if shared.stopped() {
            break;
        }
        let Some(pty) = open_pty(shared, dir.as_fd(), log, counters) else {
            continue;
        };
        let slave = if shared.slaves {
            let slave = open_slave(shared, dir.as_fd(), &pty, round % 2 == 0);
            counters.add(Count::Slaves, usize::from(slave.is_some()));
            slave
        } else {
            None
        };
        // Both ways of opening meet both orders of closing.
        if round / 2 % 2 == 0 {
            drop(slave);
            close_pty(shared, log, pty);
        } else {
            close_pty(shared, log, pty);
            drop(slave);
        }
        counters.add(Count::Pairs, 1);
    }
    Ok(())
}

/// Opens the slave of `pty`, by its name or through its master.
fn open_slave(shared: &Shared, dir: BorrowedFd, pty: &Pty, by_name: bool) -> Option<OwnedFd> {
    let (index, _) = pty.known?;
    let failed = |how: &str, errno: Errno| {
        let what = format!(
            "{how} of `{}`, whose master is open: {}",
            Name::Index(index),
            errno.desc()
        );
        shared.violation(Kind::Slave, what);
    };
    if let Err(errno) = pty::unlock(&pty.master) {
        failed("TIOCSPTLCK", errno);
    }
    if !by_name {
        match pty::open_peer(&pty.master) {
            Ok(Some(slave)) => return Some(slave),
            // There is no such ioctl: the name is the only way.
            Ok(None) => {}
            Err(errno) => {
                failed("TIOCGPTPEER", errno);
                return None;
            }
        }
    }
    pty::open_slave(dir, index)
        .map_err(|errno| failed("open", errno))
        .ok()
}
