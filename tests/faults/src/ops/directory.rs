// SPDX-License-Identifier: GPL-2.0
//! The directory and its nodes.

use anyhow::{bail, Result};
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{fchmodat, lstat, FchmodatFlags, Mode};
use nix::unistd::{chown, Gid};

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::Master;
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("getdents of 50 names", names),
    Operation::new("open of the directory", directory),
    Operation::new("lstat of a node", |w, a| {
        node(w, a, |path| lstat(path).map(drop))
    }),
    Operation::new("chmod of a node", |w, a| {
        node(w, a, |path| {
            let mode = Mode::from_bits_retain(0o600);
            fchmodat(
                nix::fcntl::AT_FDCWD,
                path,
                mode,
                FchmodatFlags::FollowSymlink,
            )
        })
    }),
    Operation::new("chown of a node", |w, a| {
        node(w, a, |path| chown(path, None, Some(Gid::from_raw(7))))
    }),
    Operation::new("inotify_add_watch of the directory", watch),
];

/// What of the directory is not read is read by the next.
fn names(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let masters: Vec<_> = (0..50)
        .map(|_| Master::open(world))
        .collect::<Result<_>>()?;
    let dir = nix::fcntl::open(
        &world.point,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut buffer = vec![0u8; 8192];
    attempt.call(|| {
        use std::os::fd::AsRawFd;
        // SAFETY: the buffer has that many bytes.
        let n = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                dir.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        nix::errno::Errno::result(n)
    })?;
    let left = Dir::from_fd(dir)?.iter().count();
    let all = std::fs::read_dir(&world.point)?.count();
    if left > 0 || all != 51 {
        bail!("{left} names are left of {all}");
    }
    drop(masters);
    mounted.umount()
}

fn directory(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    drop(attempt.call(|| nix::fcntl::open(&world.point, flags, Mode::empty()))?);
    mounted.umount()
}

fn node(
    world: &World,
    attempt: &mut Attempt<'_>,
    call: fn(&std::path::Path) -> nix::Result<()>,
) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    attempt.call(|| call(&master.slave))?;
    drop(master);
    mounted.umount()
}

fn watch(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    attempt.call(|| inotify.add_watch(&world.point, AddWatchFlags::IN_ALL_EVENTS))?;
    drop((inotify, Master::open(world)?));
    mounted.umount()
}
