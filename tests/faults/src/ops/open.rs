// SPDX-License-Identifier: GPL-2.0
//! Opening either end.

use std::fs;

use anyhow::{Context, Result};
use nix::fcntl::{open, OFlag};
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::{ioctl, open_nonblock, peer, Line, Master, Pair};
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("open of ptmx", ptmx),
    Operation::new("open of the 63rd ptmx", one_more_ptmx),
    Operation::new("open of ptmx, watched by inotify", watched_ptmx),
    Operation::new("open of a slave by name", slave),
    Operation::new("second open of a slave", slave_again),
    Operation::new("open of a slave after a hangup", slave_after_hangup),
    Operation::new("TIOCGPTPEER", tiocgptpeer),
    Operation::new("TIOCGPTPEER by a bind mount of ptmx", tiocgptpeer_bound),
    Operation::new("open of /dev/tty", dev_tty),
    Operation::new("open of /proc/self/fd of a slave", proc_fd),
    Operation::new("open of a slave as controlling terminal", controlling),
];

fn ptmx(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let path = world.path("ptmx");
    let master = attempt.call(|| open_nonblock(&path))?;
    let master = Master::new(world, master)?;
    let slave = master.open_slave()?;
    drop((master, slave));
    mounted.umount()
}

/// The set of indices needs more memory for this one.
fn one_more_ptmx(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let others: Vec<_> = (0..62)
        .map(|_| Master::open(world))
        .collect::<Result<_>>()?;
    let path = world.path("ptmx");
    drop(attempt.call(|| open_nonblock(&path))?);
    drop(others);
    mounted.umount()
}

fn watched_ptmx(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    inotify.add_watch(&world.point, AddWatchFlags::IN_ALL_EVENTS)?;
    let path = world.path("ptmx");
    drop(attempt.call(|| open_nonblock(&path))?);
    drop(inotify);
    mounted.umount()
}

fn slave(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    drop(attempt.call(|| open_nonblock(&master.slave))?);
    drop(master);
    mounted.umount()
}

fn slave_again(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    drop(attempt.call(|| open_nonblock(&pair.master.slave))?);
    drop(pair);
    mounted.umount()
}

fn slave_after_hangup(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    ioctl(&pair.slave, libc::TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    drop(attempt.call(|| open_nonblock(&pair.master.slave))?);
    drop(pair);
    mounted.umount()
}

fn tiocgptpeer(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    drop(attempt.call(|| peer(&master.fd))?);
    drop(master);
    mounted.umount()
}

fn tiocgptpeer_bound(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    // As containers have it: the device beside the directory `pts`.
    let point = world.point.with_file_name("ptmx");
    fs::write(&point, "")?;
    mount(
        Some(&world.path("ptmx")),
        &point,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .context("bind mount of ptmx")?;
    let master = Master::new(world, open_nonblock(&point)?)?;
    let slave = attempt.call(|| peer(&master.fd));
    drop(master);
    umount2(&point, MntFlags::empty()).context("umount of ptmx")?;
    drop(slave?);
    mounted.umount()
}

/// Opens a slave as the controlling terminal of this process, which leads a session without one.
fn control(pair: &Pair) -> Result<()> {
    ioctl(&pair.slave, libc::TIOCSCTTY, 0).context("TIOCSCTTY")?;
    Ok(())
}

fn dev_tty(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    control(&pair)?;
    let tty = attempt.call(|| open_nonblock("/dev/tty".as_ref()))?;
    ioctl(&tty, libc::TIOCNOTTY, 0).context("TIOCNOTTY")?;
    drop((pair, tty));
    mounted.umount()
}

fn proc_fd(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    use std::os::fd::AsRawFd;
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let path = format!("/proc/self/fd/{}", pair.slave.as_raw_fd());
    drop(attempt.call(|| open_nonblock(path.as_ref()))?);
    drop(pair);
    mounted.umount()
}

fn controlling(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let slave = attempt.call(|| open(&master.slave, flags, Mode::empty()))?;
    ioctl(&slave, libc::TIOCNOTTY, 0).context("TIOCNOTTY")?;
    drop((master, slave));
    mounted.umount()
}
