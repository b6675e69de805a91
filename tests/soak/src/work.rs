// SPDX-License-Identifier: GPL-2.0

//! What processes do with ptys: hold them, open and close and hang them up, carry bytes, list the directory.

use crate::counters::{count, Counters};
use crate::system::names;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg};
use rdevpts_ptydir as pty;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// Numbers that differ from process to process, the same in every run.
pub struct Random(u64);

impl Random {
    /// Of a process.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end.max(1)
    }
}

/// A pty, both ends open, which passes bytes as they are.
pub struct Pair {
    master: File,
    slave: File,
}

/// What an open can be refused with, where memory is short and limits are reached.
fn refused(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOMEM | Errno::ENOSPC | Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN
    )
}

impl Pair {
    /// A new one; `None` if the system refuses.
    pub fn open(counters: &Counters, directory: &OwnedFd, by_name: bool) -> Result<Option<Self>> {
        let allowed = |result: nix::Result<OwnedFd>, what: &'static str| match result {
            Ok(fd) => Ok(Some(fd)),
            Err(errno) if refused(errno) => {
                count(&counters.refused);
                Ok(None)
            }
            Err(errno) => Err(errno).context(what),
        };
        let Some(master) = allowed(pty::open_master(directory.as_fd()), "open of ptmx")? else {
            return Ok(None);
        };
        count(&counters.ptys);
        pty::unlock(&master).context("TIOCSPTLCK")?;
        let slave = if by_name {
            let index = pty::index(&master)?.context("no index")?;
            pty::open_slave(directory.as_fd(), index)
        } else {
            pty::open_peer(&master).and_then(|peer| peer.ok_or(Errno::ENOTTY))
        };
        let Some(slave) = allowed(slave, "open of a slave")? else {
            return Ok(None);
        };
        let mut settings = tcgetattr(&slave).context("tcgetattr")?;
        cfmakeraw(&mut settings);
        tcsetattr(&slave, SetArg::TCSANOW, &settings).context("tcsetattr")?;
        Ok(Some(Self {
            master: master.into(),
            slave: slave.into(),
        }))
    }

    /// The slave's end.
    pub fn slave(&self) -> &File {
        &self.slave
    }

    /// Carries `len` bytes both ways; whether there was memory for it.
    pub fn carry(&mut self, counters: &Counters, len: usize, seed: u8) -> Result<bool> {
        let sent: Vec<u8> = (0..len).map(|at| seed.wrapping_add(at as u8)).collect();
        let mut came = vec![0; len];
        for (to, from) in [(&self.master, &self.slave), (&self.slave, &self.master)] {
            let (mut to, mut from) = (to, from);
            match to.write_all(&sent) {
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => return Ok(false),
                result => result.context("write")?,
            }
            from.read_exact(&mut came).context("read")?;
            if sent != came {
                bail!("other bytes came than were sent");
            }
            counters.bytes.fetch_add(len as u64, Relaxed);
        }
        Ok(true)
    }
}

/// Opens `ptys` ptys on the directories in turn, says so by `ready`, and keeps them; now and then one of them carries bytes.
pub fn hold(
    counters: &Counters,
    directories: &[PathBuf],
    ptys: usize,
    ready: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let handles = open_all(directories)?;
    let mut held = Vec::new();
    while held.len() < ptys && !counters.stopped() {
        let directory = &handles[held.len() % handles.len()];
        match Pair::open(counters, directory, held.len() % 2 == 0)? {
            Some(pair) => held.push(pair),
            None => bail!("no more than {} ptys could be opened", held.len()),
        }
    }
    ready()?;
    let mut random = Random::new(1);
    while !counters.stopped() {
        for _ in 0..20 {
            let which = random.below(held.len());
            held[which].carry(counters, 1 + random.below(2000), which as u8)?;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    counters.hangups.fetch_add(held.len() as u64, Relaxed);
    Ok(())
}

fn open_all(directories: &[PathBuf]) -> Result<Vec<OwnedFd>> {
    directories
        .iter()
        .map(|path| pty::open_dir(path).with_context(|| path.display().to_string()))
        .collect()
}

/// Opens ptys, uses them, and ends them in every way, until told to stop.
pub fn churn(counters: &Counters, directories: &[PathBuf], seed: u64) -> Result<()> {
    let handles = open_all(directories)?;
    let mut random = Random::new(seed);
    while !counters.stopped() {
        let directory = &handles[random.below(handles.len())];
        let Some(mut pair) = Pair::open(counters, directory, random.below(2) == 0)? else {
            std::thread::sleep(std::time::Duration::from_millis(5));
            continue;
        };
        if random.below(3) == 0 {
            let len = [1, 30, 900, 4000][random.below(4)];
            pair.carry(counters, len, seed as u8)?;
        }
        end(counters, pair, random.below(6))?;
    }
    Ok(())
}

/// Ends a pty in one of several ways.
fn end(counters: &Counters, pair: Pair, way: usize) -> Result<()> {
    let Pair { mut master, slave } = pair;
    match way {
        // The master first, with something on its way in both directions.
        0 | 1 => {
            let _ = (&slave).write(b"last words");
            let _ = master.write(b"last words");
            drop(master);
            expect_hangup(&slave)?;
        }
        // The slave first.
        2 => {
            let _ = (&slave).write(b"last words");
            drop(slave);
            let mut words = Vec::new();
            let end = master.read_to_end(&mut words);
            if words != b"last words" || end.map_err(|e| e.raw_os_error()) != Err(Some(libc::EIO)) {
                bail!("a master read {words:?} after its slave was closed");
            }
        }
        3 | 4 => {
            // SAFETY: A request without an argument.
            let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCVHANGUP, 0) };
            match Errno::result(result) {
                Ok(_) => expect_hangup(&slave)?,
                // In a user namespace.
                Err(Errno::EPERM) => return Ok(()),
                Err(errno) => return Err(errno).context("TIOCVHANGUP"),
            }
        }
        _ => return Ok(()),
    }
    count(&counters.hangups);
    Ok(())
}

fn expect_hangup(mut slave: &File) -> Result<()> {
    match slave.write(b"x").map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EIO)) => Ok(()),
        other => bail!("a write to a slave that was hung up: {other:?}"),
    }
}

/// Carries bytes through one pty after another, as fast as it goes.
pub fn traffic(counters: &Counters, directory: &Path, seed: u64) -> Result<()> {
    let handle = pty::open_dir(directory)?;
    let mut random = Random::new(seed);
    while !counters.stopped() {
        let Some(mut pair) = Pair::open(counters, &handle, true)? else {
            std::thread::sleep(std::time::Duration::from_millis(5));
            continue;
        };
        for _ in 0..200 {
            if counters.stopped() || !pair.carry(counters, 1 + random.below(4000), seed as u8)? {
                break;
            }
        }
    }
    Ok(())
}

/// Lists the directories, over and over.
pub fn list(counters: &Counters, directories: &[PathBuf]) -> Result<()> {
    while !counters.stopped() {
        for directory in directories {
            match names(directory) {
                Ok(_) => count(&counters.passes),
                Err(error) if out_of_memory(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn out_of_memory(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.raw_os_error() == Some(libc::ENOMEM))
}
