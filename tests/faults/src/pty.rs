// SPDX-License-Identifier: GPL-2.0
//! Ptys of the instance, and the system calls on them. None of these allocates memory: that could fail in place of what is meant.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use libc::{c_int, c_ulong};
use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::sys::stat::Mode;

use crate::world::World;

/// `N_TTY` of `include/uapi/linux/tty.h`.
pub const N_TTY: c_int = 0;
/// `N_NULL`, the line discipline that every kernel has beside it.
pub const N_NULL: c_int = 27;

/// The flags of an open that takes no controlling terminal.
pub const NOCTTY: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// open(2), without waiting when it is read or written.
pub fn open_nonblock(path: &Path) -> nix::Result<OwnedFd> {
    open(path, NOCTTY | OFlag::O_NONBLOCK, Mode::empty())
}

/// An ioctl whose argument is a number.
pub fn ioctl(fd: &impl AsFd, request: c_ulong, arg: c_ulong) -> nix::Result<c_int> {
    // SAFETY: used for requests whose argument is a number.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, arg) })
}

/// An ioctl that reads an int.
pub fn ioctl_set(fd: &impl AsFd, request: c_ulong, value: c_int) -> nix::Result<()> {
    // SAFETY: used for requests that read one int.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, &value) }).map(drop)
}

/// An ioctl that writes an int.
pub fn ioctl_get(fd: &impl AsFd, request: c_ulong) -> nix::Result<c_int> {
    let mut value = -1;
    // SAFETY: used for requests that write one int.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, &mut value) })
        .map(|_| value)
}

/// TIOCGPTPEER.
pub fn peer(master: &impl AsFd) -> nix::Result<OwnedFd> {
    let flags = NOCTTY | OFlag::O_NONBLOCK;
    let fd = ioctl(master, libc::TIOCGPTPEER, flags.bits() as c_ulong)?;
    // SAFETY: the kernel just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// tcgetattr(3).
pub fn settings(fd: &impl AsFd) -> nix::Result<libc::termios> {
    let mut termios = MaybeUninit::zeroed();
    // SAFETY: the struct is plain data, and filled by the call.
    unsafe {
        Errno::result(libc::tcgetattr(
            fd.as_fd().as_raw_fd(),
            termios.as_mut_ptr(),
        ))?;
        Ok(termios.assume_init())
    }
}

/// tcsetattr(3).
pub fn set_settings(fd: &impl AsFd, when: c_int, termios: &libc::termios) -> nix::Result<()> {
    // SAFETY: the struct outlives the call.
    Errno::result(unsafe { libc::tcsetattr(fd.as_fd().as_raw_fd(), when, termios) }).map(drop)
}

/// A pty with its slave unlocked.
pub struct Master {
    /// Its descriptor.
    pub fd: OwnedFd,
    /// The slave's path.
    pub slave: PathBuf,
}

impl Master {
    /// Opens `ptmx`.
    pub fn open(world: &World) -> Result<Self> {
        let fd = open_nonblock(&world.path("ptmx")).context("open ptmx")?;
        Self::new(world, fd)
    }

    /// Takes on a descriptor of a master, and unlocks its slave.
    pub fn new(world: &World, fd: OwnedFd) -> Result<Self> {
        ioctl_set(&fd, libc::TIOCSPTLCK, 0).context("TIOCSPTLCK")?;
        let index = ioctl_get(&fd, libc::TIOCGPTN).context("TIOCGPTN")?;
        Ok(Self {
            fd,
            slave: world.path(&index.to_string()),
        })
    }

    /// Opens the slave.
    pub fn open_slave(&self) -> Result<OwnedFd> {
        open_nonblock(&self.slave).with_context(|| self.slave.display().to_string())
    }
}

/// How a terminal treats what goes through it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// As it is.
    Raw,
    /// In lines, and with echo.
    Cooked,
    /// In lines.
    Quiet,
}

/// A pty with both ends open.
pub struct Pair {
    /// The master.
    pub master: Master,
    /// The slave's descriptor.
    pub slave: OwnedFd,
}

impl Pair {
    /// Opens a pty.
    pub fn open(world: &World, line: Line) -> Result<Self> {
        let master = Master::open(world)?;
        let slave = master.open_slave()?;
        let mut termios = settings(&slave)?;
        match line {
            // SAFETY: changes the struct only.
            Line::Raw => unsafe { libc::cfmakeraw(&mut termios) },
            Line::Cooked => {}
            Line::Quiet => termios.c_lflag &= !libc::ECHO,
        }
        set_settings(&slave, libc::TCSANOW, &termios)?;
        Ok(Self { master, slave })
    }
}
