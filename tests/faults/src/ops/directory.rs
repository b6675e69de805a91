// SPDX-License-Identifier: GPL-2.0
//! The directory and its nodes.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{bail, Context, Result};
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

/// The names in what getdents64(2) gave: `struct linux_dirent64`.
fn names_in(mut records: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    while let Some(length) = records.get(16..18) {
        let length = usize::from(u16::from_ne_bytes(length.try_into()?));
        let name = records.get(19..length).context("a short record")?;
        found.push(CStr::from_bytes_until_nul(name)?.to_bytes().to_vec());
        records = &records[length..];
    }
    Ok(found)
}

/// A call whose copy of a name failed gives those before it, and the next goes on with that one.
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
    let n = attempt.call(|| {
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
    let mut found = names_in(&buffer[..usize::try_from(n)?])?;
    for entry in Dir::from_fd(dir)?.iter() {
        found.push(entry?.file_name().to_bytes().to_vec());
    }
    let mut want: Vec<_> = masters.iter().map(|m| file_name(&m.slave)).collect();
    want.extend([".", "..", "ptmx"].map(|name| name.as_bytes().to_vec()));
    found.sort();
    want.sort();
    if found != want {
        let text: Vec<_> = found.iter().map(|n| String::from_utf8_lossy(n)).collect();
        bail!("{} names in place of {}: {text:?}", found.len(), want.len());
    }
    drop(masters);
    mounted.umount()
}

fn file_name(path: &Path) -> Vec<u8> {
    path.file_name()
        .map_or_else(Vec::new, |name| name.as_bytes().to_vec())
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
