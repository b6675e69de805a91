// SPDX-License-Identifier: GPL-2.0
//! Waiting for either end.

use std::os::fd::AsFd;

use anyhow::{bail, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::select::{select, FdSet};
use nix::sys::time::TimeVal;

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::{Line, Pair};
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("poll of 100 ends", many),
    Operation::new("select", by_select),
    Operation::new("epoll_ctl of a master", |w, a| by_epoll(w, a, true)),
    Operation::new("epoll_ctl of a slave", |w, a| by_epoll(w, a, false)),
];

/// More than the kernel has room for on its stack.
fn many(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let mut fds: Vec<_> = (0..100)
        .map(|number| {
            let fd = if number % 2 == 0 {
                &pair.master.fd
            } else {
                &pair.slave
            };
            PollFd::new(fd.as_fd(), PollFlags::POLLIN)
        })
        .collect();
    attempt.call(|| poll(&mut fds, PollTimeout::from(1u16)))?;
    drop(fds);
    drop(pair);
    mounted.umount()
}

fn by_select(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    attempt.call(|| {
        let mut set = FdSet::new();
        set.insert(pair.master.fd.as_fd());
        set.insert(pair.slave.as_fd());
        let mut time = TimeVal::new(0, 1000);
        select(None, &mut set, None, None, &mut time)
    })?;
    drop(pair);
    mounted.umount()
}

fn by_epoll(world: &World, attempt: &mut Attempt<'_>, of_master: bool) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let (fd, other) = if of_master {
        (&pair.master.fd, &pair.slave)
    } else {
        (&pair.slave, &pair.master.fd)
    };
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    attempt.call(|| epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 1)))?;
    nix::unistd::write(other, b"x\n")?;
    let mut events = [EpollEvent::empty(); 2];
    if epoll.wait(&mut events, EpollTimeout::from(10_000u16))? != 1 {
        bail!("no event after it was added");
    }
    drop((epoll, pair));
    mounted.umount()
}
