// SPDX-License-Identifier: GPL-2.0

//! Opening ptys by the ways that a pty directory offers: of devpts, rdevpts, or racypts, which has no more than `ptmx`.

use nix::errno::Errno;
use nix::fcntl::{openat, OFlag};
use nix::sys::stat::Mode;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

mod ioctl {
    nix::ioctl_read_bad!(tiocgptn, libc::TIOCGPTN, libc::c_uint);
    nix::ioctl_write_ptr_bad!(tiocsptlck, libc::TIOCSPTLCK, libc::c_int);
    nix::ioctl_write_int_bad!(tiocgptpeer, libc::TIOCGPTPEER);
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

/// The index of a master's pty; `None` if its `ptmx` knows no such thing.
pub fn index(master: &OwnedFd) -> nix::Result<Option<u32>> {
    let mut index = 0;
    // SAFETY: TIOCGPTN writes one unsigned int.
    match unsafe { ioctl::tiocgptn(master.as_raw_fd(), &mut index) } {
        Ok(_) => Ok(Some(index)),
        Err(Errno::ENOTTY) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Unlocks the slave; nothing happens where there are no locks.
pub fn unlock(master: &OwnedFd) -> nix::Result<()> {
    // SAFETY: TIOCSPTLCK reads one int.
    match unsafe { ioctl::tiocsptlck(master.as_raw_fd(), &0) } {
        Ok(_) | Err(Errno::ENOTTY) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Opens the slave by its name in `dir`.
pub fn open_slave(dir: BorrowedFd, index: u32) -> nix::Result<OwnedFd> {
    openat(dir, index.to_string().as_str(), FLAGS, Mode::empty())
}

/// Opens the slave through its master; `None` if its `ptmx` knows no such thing.
pub fn open_peer(master: &OwnedFd) -> nix::Result<Option<OwnedFd>> {
    // SAFETY: TIOCGPTPEER takes flags, and no pointer.
    match unsafe { ioctl::tiocgptpeer(master.as_raw_fd(), FLAGS.bits()) } {
        // SAFETY: The kernel has just made this descriptor for us alone.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Err(Errno::ENOTTY) => Ok(None),
        Err(errno) => Err(errno),
    }
}
