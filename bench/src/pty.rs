// SPDX-License-Identifier: GPL-2.0

//! Opening the ptys of one directory, and setting their terminals.

use anyhow::{Context, Result};
use nix::fcntl::{openat, OFlag};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, LocalFlags, OutputFlags, SetArg};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

mod ioctl {
    nix::ioctl_read_bad!(tiocgptn, libc::TIOCGPTN, libc::c_uint);
    nix::ioctl_write_int_bad!(tiocgptpeer, libc::TIOCGPTPEER);
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
    unlock(master)?;
    // SAFETY: TIOCGPTN writes one unsigned int.
    unsafe { ioctl::tiocgptn(master.as_raw_fd(), &mut index) }?;
    openat(dir, index.to_string().as_str(), FLAGS, Mode::empty())
}

/// Lets the slave of `master` be opened.
pub fn unlock(master: &OwnedFd) -> nix::Result<()> {
    // SAFETY: TIOCSPTLCK reads one int.
    unsafe { ioctl::tiocsptlck(master.as_raw_fd(), &0) }.map(drop)
}

/// Opens the unlocked slave of `master` without a name (`TIOCGPTPEER`).
pub fn open_peer(master: &OwnedFd) -> nix::Result<OwnedFd> {
    // SAFETY: TIOCGPTPEER takes its argument by value.
    let fd = unsafe { ioctl::tiocgptpeer(master.as_raw_fd(), FLAGS.bits()) }?;
    // SAFETY: The ioctl made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the line discipline of a slave does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// Nothing: `cfmakeraw(3)`.
    Raw,
    /// Output is cooked (`OPOST`, `ONLCR`); input is raw, and not echoed.
    CookedOutput,
    /// Input comes in lines (`ICANON`), and is not echoed.
    CanonicalInput,
    /// As a new pty has it: canonical input with echo, cooked output.
    Default,
}

/// Opens both ends of a pty in `dir`: master and slave.
pub fn open_pair(dir: BorrowedFd, discipline: Discipline) -> Result<(OwnedFd, OwnedFd)> {
    let master = open_master(dir).context("opening ptmx")?;
    let slave = open_slave(dir, &master).context("opening a slave")?;
    if discipline != Discipline::Default {
        let mut settings = termios::tcgetattr(&slave).context("tcgetattr")?;
        match discipline {
            Discipline::Raw => termios::cfmakeraw(&mut settings),
            Discipline::CookedOutput => {
                termios::cfmakeraw(&mut settings);
                settings.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
            }
            Discipline::CanonicalInput => settings.local_flags.remove(LocalFlags::ECHO),
            Discipline::Default => (),
        }
        termios::tcsetattr(&slave, SetArg::TCSANOW, &settings).context("tcsetattr")?;
    }
    Ok((master, slave))
}
