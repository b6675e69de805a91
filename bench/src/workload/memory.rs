// SPDX-License-Identifier: GPL-2.0

//! What a pty takes of the kernel's memory.
//!
//! Thousands are opened, and what is in use afterwards is divided by their number: tty structures, line disciplines,
//! buffers, inodes, dentries, open files. Some hundred are there before the first look, so that the slabs that are in
//! part empty are filled, and what is only there once is there.

use super::{Better, Figure, Run, Workload};
use crate::link::Subject;
use crate::meminfo;
use crate::pty::{self, Discipline};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::unistd;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Ptys that are there before the first look, and how many more at the second.
const BEFORE: usize = 256;
const MORE: usize = 1024;

/// What is written to each and read again, if anything is.
const TRAFFIC: usize = 16 * 1024;

/// Of a pty whose ends are both open, and that nothing was ever written to.
pub fn idle() -> Workload {
    workload("memory per idle pty", |_, _| Ok(()))
}

/// Of a pty that all output was read of again.
pub fn drained() -> Workload {
    workload("memory per pty after traffic was drained", traffic)
}

type Use = fn(&OwnedFd, &OwnedFd) -> Result<()>;

fn workload(name: &str, with: Use) -> Workload {
    Workload {
        name: name.into(),
        figure: Figure::Counted {
            unit: "KiB",
            better: Better::Lower,
        },
        prepare: Box::new(move |subject| match subject {
            Subject::Pty(mount) => {
                let dir = mount.dir().try_clone_to_owned().context("dup")?;
                grow_file_table(&dir)?;
                Ok(Some(Box::new(Memory {
                    dir,
                    with,
                    each: f64::NAN,
                })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

/// The table of this process's open files is no part of a pty: it is made as large as it will be.
fn grow_file_table(dir: &OwnedFd) -> Result<()> {
    let highest = 64 + 2 * (BEFORE + MORE);
    let fd = fcntl(dir, FcntlArg::F_DUPFD_CLOEXEC(highest as libc::c_int)).context("dup")?;
    unistd::close(fd).context("close")
}

/// Output that a reader takes in time, and a line of input; then both ends look whether there is more.
fn traffic(master: &OwnedFd, slave: &OwnedFd) -> Result<()> {
    let (text, mut buffer) = ([b'x'; TRAFFIC], [0; TRAFFIC]);
    let (mut written, mut read) = (0, 0);
    while read < TRAFFIC {
        match unistd::write(slave, &text[written..]) {
            Ok(n) => written += n,
            // It is full: there is something to read.
            Err(Errno::EAGAIN) => (),
            Err(error) => return Err(error).context("write"),
        }
        ensure!(written > read, "a terminal that is empty takes nothing");
        read += unistd::read(master, &mut buffer).context("read")?;
    }
    let line = &text[..80];
    ensure!(unistd::write(master, line).context("write")? == line.len());
    let mut got = 0;
    while got < line.len() {
        // It may come through a work queue.
        wait(slave, PollTimeout::NONE)?;
        got += unistd::read(slave, &mut buffer).context("read")?;
    }
    let more = wait(master, PollTimeout::ZERO)? + wait(slave, PollTimeout::ZERO)?;
    ensure!(more == 0, "there is more to read than was written");
    Ok(())
}

/// How many of that one can be read from.
fn wait(fd: &OwnedFd, timeout: PollTimeout) -> Result<i32> {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout).context("poll")
}

struct Memory {
    dir: OwnedFd,
    with: Use,
    /// What each took in the last run.
    each: f64,
}

impl Memory {
    fn open(&self, count: usize) -> Result<Vec<(OwnedFd, OwnedFd)>> {
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let (master, slave) = pty::open_pair(self.dir.as_fd(), Discipline::Raw)?;
            fcntl(&slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("fcntl")?;
            (self.with)(&master, &slave)?;
            pairs.push((master, slave));
        }
        Ok(pairs)
    }
}

impl Run for Memory {
    /// Always the same number of ptys, whatever `n` is.
    fn run(&mut self, _: u64) -> Result<Duration> {
        let start = Instant::now();
        let before = self.open(BEFORE)?;
        let base = meminfo::settled()?;
        let more = self.open(MORE)?;
        let used = meminfo::settled()?;
        drop((before, more));
        self.each = (used - base) / MORE as f64;
        Ok(start.elapsed())
    }

    fn counted(&self) -> f64 {
        self.each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn traffic_is_drained() {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let (near, far) = (OwnedFd::from(near), OwnedFd::from(far));
        traffic(&near, &far).unwrap();
        for fd in [&near, &far] {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            assert_eq!(unistd::read(fd, &mut [0]), Err(Errno::EAGAIN));
        }
    }
}
