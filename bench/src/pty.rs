// SPDX-License-Identifier: GPL-2.0

//! Opening the ptys of one directory, and setting their terminals.

use anyhow::{Context, Result};
use nix::fcntl::{openat, OFlag};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, OutputFlags, SetArg};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

mod ioctl {
    nix::ioctl_read_bad!(tiocgptn, libc::TIOCGPTN, libc::c_uint);
    nix::ioctl_write_ptr_bad!(tiocsptlck, libc::TIOCSPTLCK, libc::c_int);
}

const FLAGS: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// Opens the directory at `path`.
pub fn open_dir(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// Opens `ptmx` in `dir`.
pub fn open_master(dir: BorrowedFd) -> nix::Result<OwnedFd> {
    openat(dir, "ptmx", FLAGS, Mode::empty())
}

/// Unlocks the slave of `master`, and opens it by its name in `dir`.
pub fn open_slave(dir: BorrowedFd, master: &OwnedFd) -> nix::Result<OwnedFd> {
    let mut index = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    unsafe { ioctl::tiocsptlck(master.as_raw_fd(), &0) }?;
    // SAFETY: TIOCGPTN writes one unsigned int.
    unsafe { ioctl::tiocgptn(master.as_raw_fd(), &mut index) }?;
    openat(dir, index.to_string().as_str(), FLAGS, Mode::empty())
}

/// What the line discipline of a slave does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// Nothing: `cfmakeraw(3)`.
    Raw,
    /// Output is cooked (`OPOST`, `ONLCR`); input is raw, and not echoed.
    CookedOutput,
    /// As a new pty has it: canonical input with echo, cooked output.
    Default,
}

/// Opens both ends of a pty in `dir`: master and slave.
pub fn open_pair(dir: BorrowedFd, discipline: Discipline) -> Result<(OwnedFd, OwnedFd)> {
    let master = open_master(dir).context("opening ptmx")?;
    let slave = open_slave(dir, &master).context("opening a slave")?;
    if discipline != Discipline::Default {
        let mut settings = termios::tcgetattr(&slave).context("tcgetattr")?;
        termios::cfmakeraw(&mut settings);
        if discipline == Discipline::CookedOutput {
            settings.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
        }
        termios::tcsetattr(&slave, SetArg::TCSANOW, &settings).context("tcsetattr")?;
    }
    Ok((master, slave))
}
