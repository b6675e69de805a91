// SPDX-License-Identifier: GPL-2.0

//! Opening the ptys of one directory, and setting their terminals.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::termios::{self, LocalFlags, OutputFlags, SetArg};
use std::os::fd::{BorrowedFd, OwnedFd};

pub use rdevpts_ptydir::{open_dir, open_master, unlock};

/// Unlocks the slave of `master`, and opens it by its name in `dir`.
pub fn open_slave(dir: BorrowedFd, master: &OwnedFd) -> nix::Result<OwnedFd> {
    unlock(master)?;
    let index = rdevpts_ptydir::index(master)?.ok_or(Errno::ENOTTY)?;
    rdevpts_ptydir::open_slave(dir, index)
}

/// Opens the unlocked slave of `master` without a name (`TIOCGPTPEER`).
pub fn open_peer(master: &OwnedFd) -> nix::Result<OwnedFd> {
    rdevpts_ptydir::open_peer(master)?.ok_or(Errno::ENOTTY)
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
