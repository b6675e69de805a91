// SPDX-License-Identifier: GPL-2.0

//! Reading the directory.

use super::{held, Figure, Run, Workload};
use crate::link::Subject;
use crate::pty;
use crate::sandbox::Mount;
use anyhow::{ensure, Context, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::unistd::{lseek, Whence};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// As large as the C library's.
const BUFFER: usize = 32 * 1024;

/// From the beginning of the directory to its end, with `count` ptys open.
pub fn pass(count: usize) -> Workload {
    Workload {
        name: format!("getdents of {}", held::ptys(count)),
        figure: Figure::Time,
        prepare: Box::new(move |subject| match subject {
            Subject::Pty(mount) => {
                let Some(held) = held::hold(mount, count)? else {
                    return Ok(None);
                };
                let listed = Dir::from_fd(pty::open_dir(mount.path())?)?
                    .into_iter()
                    .collect::<nix::Result<Vec<_>>>()?
                    .len();
                let due = count + [".", "..", "ptmx"].len();
                ensure!(
                    listed == due,
                    "the directory lists {listed} names, not {due}"
                );
                Ok(Some(Box::new(Pass {
                    _held: held,
                    reader: Reader::open(mount)?,
                })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

struct Pass {
    _held: Vec<OwnedFd>,
    reader: Reader,
}

impl Run for Pass {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        (0..n).try_for_each(|_| self.reader.pass())?;
        Ok(start.elapsed())
    }
}

/// Reads a directory again and again.
pub struct Reader {
    dir: OwnedFd,
    buffer: Vec<u8>,
}

impl Reader {
    /// Of the root directory of `mount`.
    pub fn open(mount: &Mount) -> Result<Self> {
        Ok(Self {
            dir: pty::open_dir(mount.path()).context("opening the directory")?,
            buffer: vec![0; BUFFER],
        })
    }

    /// Reads it from its beginning to its end.
    pub fn pass(&mut self) -> Result<()> {
        lseek(&self.dir, 0, Whence::SeekSet).context("lseek")?;
        while getdents(&self.dir, &mut self.buffer).context("getdents64")? > 0 {}
        Ok(())
    }
}

/// One `getdents64`, with nothing done to what it gives: the time of a parser is not the kernel's.
fn getdents(dir: &OwnedFd, buffer: &mut [u8]) -> nix::Result<libc::c_long> {
    let fd = dir.as_raw_fd();
    // SAFETY: The kernel writes at most `buffer.len()` bytes to `buffer`, which is ours alone.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len())
    })
}
