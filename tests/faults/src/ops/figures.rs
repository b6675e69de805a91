// SPDX-License-Identifier: GPL-2.0
//! What the kernel says of ptys: fdinfo of both ends, and the files in debugfs.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{bail, Context, Result};
use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor, stat, Mode};
use nix::sys::uio::pread;

use super::Operation;
use crate::attempt::Attempt;
use crate::inject::DEBUGFS;
use crate::pty::{Line, Master, Pair};
use crate::world::World;

const NOT_THERE: &str = "devpts has no files in debugfs";

pub const OPERATIONS: &[Operation] = &[
    Operation::new("read of fdinfo of a master", |w, a| fdinfo(w, a, true)),
    Operation::new("read of fdinfo of a slave", |w, a| fdinfo(w, a, false)),
    Operation::new("open of counters in debugfs", open).not_on_devpts(NOT_THERE),
    Operation::new("read of counters in debugfs", |w, a| {
        counted(w, a, "counters", 6)
    })
    .not_on_devpts(NOT_THERE),
    // More than the kernel has a buffer for at first.
    Operation::new("read of 100 ptys in debugfs", |w, a| {
        counted(w, a, "ptys", 101)
    })
    .not_on_devpts(NOT_THERE),
];

/// Reads a file of text from its beginning, which must be whole lines; gives them.
fn text(attempt: &mut Attempt<'_>, file: &File) -> Result<String> {
    let mut buffer = vec![0; 65536];
    let n = attempt.call(|| pread(file, &mut buffer, 0))?;
    buffer.truncate(n);
    let text = String::from_utf8(buffer)?;
    if !text.ends_with('\n') {
        bail!("it ends within a line: {text:?}");
    }
    Ok(text)
}

fn fdinfo(world: &World, attempt: &mut Attempt<'_>, of_master: bool) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let end: &OwnedFd = if of_master {
        &pair.master.fd
    } else {
        &pair.slave
    };
    let file = File::open(format!("/proc/self/fdinfo/{}", end.as_raw_fd()))?;
    let text = text(attempt, &file)?;
    let last = match (world.ours, of_master) {
        (true, true) => "\nrdevpts-ring:\t",
        (true, false) => "\nrdevpts-session:\t",
        (false, true) => "\ntty-index:\t",
        (false, false) => "\nino:\t",
    };
    if !text.contains(last) {
        bail!("a line is missing: {text:?}");
    }
    drop((file, pair));
    mounted.umount()
}

/// Where a file of the mounted instance is.
fn path(world: &World, name: &str) -> Result<PathBuf> {
    let device = stat(&world.point)?.st_dev;
    let mount = format!("{DEBUGFS}/rdevpts/{}:{}", major(device), minor(device));
    Ok(PathBuf::from(mount).join(name))
}

fn open(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let path = path(world, "counters")?;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    drop(attempt.call(|| nix::fcntl::open(&path, flags, Mode::empty()))?);
    mounted.umount()
}

fn counted(world: &World, attempt: &mut Attempt<'_>, name: &str, lines: usize) -> Result<()> {
    let mounted = world.mount()?;
    let masters: Vec<_> = (0..100)
        .map(|_| Master::open(world))
        .collect::<Result<_>>()?;
    let path = path(world, name)?;
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    let text = text(attempt, &file)?;
    if text.lines().count() != lines {
        bail!("{lines} lines were to be there: {text}");
    }
    drop((file, masters));
    mounted.umount()
}
