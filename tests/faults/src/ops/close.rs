// SPDX-License-Identifier: GPL-2.0
//! Closing, and hanging up: it has no way to fail, so it must do its work whatever fails.

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::mount::{umount2, MntFlags};
use nix::sys::signal::{signal, SigHandler, Signal};
use nix::sys::stat::Mode;
use nix::unistd::close;

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::{ioctl, ioctl_get, Line, Master, Pair, N_TTY};
use crate::stream;
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("close of a master", master),
    Operation::new("close of a master whose slave is open", master_first),
    Operation::new("close of a slave", slave),
    Operation::new("close of a slave after its master", slave_last),
    Operation::new("close with output that nobody read", unread),
    Operation::new("close of the last pty of a detached mount", detached),
    Operation::new("TIOCVHANGUP", hangup),
    Operation::new("TIOCNOTTY of the session's leader", notty),
];

/// A close that must work.
fn sure(attempt: &mut Attempt<'_>, call: impl FnOnce() -> nix::Result<()>) -> Result<()> {
    attempt
        .once(call)?
        .context("it has no way to fail, and failed")
}

fn gone(world: &World, names: usize) -> Result<()> {
    let left = std::fs::read_dir(&world.point)?.count();
    if left != names {
        bail!("{left} names are in the directory, and should be {names}");
    }
    Ok(())
}

fn master(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    sure(attempt, || close(master.fd))?;
    gone(world, 1)?;
    mounted.umount()
}

fn master_first(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let Pair { master, slave } = Pair::open(world, Line::Cooked)?;
    sure(attempt, || close(master.fd))?;
    gone(world, 1)?;
    let mut byte = [0];
    if nix::unistd::read(&slave, &mut byte) != Ok(0) {
        bail!("the slave was not hung up");
    }
    drop(slave);
    mounted.umount()
}

fn slave(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let Pair { master, slave } = Pair::open(world, Line::Cooked)?;
    sure(attempt, || close(slave))?;
    gone(world, 2)?;
    let mut byte = [0];
    if nix::unistd::read(&master.fd, &mut byte) != Err(Errno::EIO) {
        bail!("the master does not know that its slave is closed");
    }
    drop(master.open_slave()?);
    drop(master);
    mounted.umount()
}

fn slave_last(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let Pair { master, slave } = Pair::open(world, Line::Cooked)?;
    drop(master);
    sure(attempt, || close(slave))?;
    mounted.umount()
}

fn unread(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let Pair { master, slave } = Pair::open(world, Line::Raw)?;
    nix::unistd::write(&slave, &stream::lines(20000))?;
    drop(slave);
    sure(attempt, || close(master.fd))?;
    gone(world, 1)?;
    mounted.umount()
}

/// Its close is the end of the instance.
fn detached(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    umount2(&world.point, MntFlags::MNT_DETACH).context("umount")?;
    sure(attempt, || close(master.fd))?;
    drop(mounted);
    Ok(())
}

fn hangup(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    sure(attempt, || {
        ioctl(&pair.slave, libc::TIOCVHANGUP, 0).map(drop)
    })?;
    if nix::unistd::write(&pair.slave, b"x") != Err(Errno::EIO) {
        bail!("the slave was not hung up");
    }
    let slave = pair.master.open_slave().context("open after the hangup")?;
    let discipline = ioctl_get(&slave, libc::TIOCGETD)?;
    if discipline == N_TTY {
        // All the same without memory for N_TTY's data the core gives it N_NULL, which takes nothing.
        stream::transfer(
            &slave,
            b"and on\n",
            &pair.master.fd,
            Vec::new(),
            b"and on\r\n",
        )?;
    }
    drop((slave, pair));
    mounted.umount()
}

fn notty(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    let slave = open(
        &master.slave,
        OFlag::O_RDWR | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    // SAFETY: ignoring a signal runs no handler.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    sure(attempt, || ioctl(&slave, libc::TIOCNOTTY, 0).map(drop))?;
    drop((slave, master));
    mounted.umount()
}
