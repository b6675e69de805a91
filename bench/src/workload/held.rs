// SPDX-License-Identifier: GPL-2.0

//! Ptys that are just there: what grows with their number?

use super::{open_close::OpenClose, Figure, Run, Workload};
use crate::link::Subject;
use crate::pty;
use crate::sandbox::Mount;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Opens `count` ptys of `mount`; `None`, with a word why, where the system's limits do not allow so many.
pub fn hold(mount: &Mount, count: usize) -> Result<Option<Vec<OwnedFd>>> {
    let masters: nix::Result<_> = (0..count).map(|_| pty::open_master(mount.dir())).collect();
    match masters {
        Ok(masters) => Ok(Some(masters)),
        Err(limit @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC)) => {
            eprintln!("rdevpts-bench: no {count} ptys at a time: {}", limit.desc());
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("opening {count} ptys")),
    }
}

/// "1 pty" and the like.
pub fn ptys(count: usize) -> String {
    format!("{count} pty{}", if count == 1 { "" } else { "s" })
}

/// Opens and closes `ptmx`, with `count` ptys open.
pub fn open_close(count: usize) -> Workload {
    with(count, "open/close of ptmx", |mount, _| {
        let dir = mount.dir().try_clone_to_owned().context("dup")?;
        Ok(Box::new(OpenClose {
            dir,
            with_slave: false,
        }))
    })
}

/// Finds slaves by their names, with `count` ptys open.
pub fn lookup(count: usize) -> Workload {
    with(count, "lookup of a slave", |mount, count| {
        let dir = mount.dir().try_clone_to_owned().context("dup")?;
        let names = (0..NAMES)
            .map(|i| (i * count / NAMES).to_string())
            .collect();
        Ok(Box::new(Lookup { dir, names }))
    })
}

fn with(count: usize, what: &str, prepare: fn(&Mount, usize) -> Result<Box<dyn Run>>) -> Workload {
    Workload {
        name: format!("{what}, {} held", ptys(count)),
        figure: Figure::Time,
        prepare: Box::new(move |subject| match subject {
            Subject::Pty(mount) => match hold(mount, count)? {
                Some(held) => {
                    let run = prepare(mount, count)?;
                    Ok(Some(Box::new(Held { run, _held: held })))
                }
                None => Ok(None),
            },
            Subject::Pipe => Ok(None),
        }),
    }
}

struct Held {
    run: Box<dyn Run>,
    _held: Vec<OwnedFd>,
}

impl Run for Held {
    fn run(&mut self, n: u64) -> Result<Duration> {
        self.run.run(n)
    }
}

/// How many names are looked up in turn, all over the directory.
const NAMES: usize = 64;

struct Lookup {
    dir: OwnedFd,
    names: Vec<String>,
}

impl Run for Lookup {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let dir = self.dir.as_fd();
        let names = self.names.iter().cycle().map(String::as_str);
        let start = Instant::now();
        for name in names.take(n as usize) {
            fstatat(dir, name, AtFlags::empty()).context("stat")?;
        }
        Ok(start.elapsed())
    }
}
