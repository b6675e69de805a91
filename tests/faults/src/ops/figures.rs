// SPDX-License-Identifier: GPL-2.0
//! What the kernel says of ptys: fdinfo of both ends, and the files in debugfs.

use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

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
    Operation::new("open of mounts in debugfs", open).not_on_devpts(NOT_THERE),
    Operation::new("read of mounts in debugfs", |w, a| {
        counted(w, a, "mounts", 1)
    })
    .not_on_devpts(NOT_THERE),
    // More than the kernel has a buffer for at first.
    Operation::new("read of 100 ptys in debugfs", |w, a| {
        counted(w, a, "ptys", 100)
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

/// What a file says when it is read anew.
fn read_again(mut file: &File) -> Result<String> {
    file.rewind()?;
    Ok(std::io::read_to_string(file)?)
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
        (true, false) => "\nrdevpts-opens:\t",
        (false, true) => "\ntty-index:\t",
        (false, false) => "\nino:\t",
    };
    if !text.contains(last) {
        bail!("a line is missing: {text:?}");
    }
    drop((file, pair));
    mounted.umount()
}

/// Where a file of all mounts is.
fn path(world: &World, name: &str) -> PathBuf {
    Path::new(DEBUGFS).join(world.fstype).join(name)
}

/// How a line of the mounted instance begins.
fn own(world: &World) -> Result<String> {
    let device = stat(&world.point)?.st_dev;
    Ok(format!("{}:{} ", major(device), minor(device)))
}

fn open(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let path = path(world, "mounts");
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    drop(attempt.call(|| nix::fcntl::open(&path, flags, Mode::empty()))?);
    mounted.umount()
}

fn counted(world: &World, attempt: &mut Attempt<'_>, name: &str, lines: usize) -> Result<()> {
    let mounted = world.mount()?;
    let masters: Vec<_> = (0..100)
        .map(|_| Master::open(world))
        .collect::<Result<_>>()?;
    let path = path(world, name);
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    let text = text(attempt, &file)?;
    let own = own(world)?;
    if !text.starts_with("mount ") {
        bail!("the columns are missing: {text}");
    }
    if text.lines().filter(|line| line.starts_with(&own)).count() != lines {
        bail!("{lines} lines of {own}were to be there: {text}");
    }
    drop(masters);
    mounted.umount()?;
    let text = read_again(&file)?;
    if text.lines().any(|line| line.starts_with(&own)) {
        bail!("what is gone is there: {text}");
    }
    Ok(())
}
