// SPDX-License-Identifier: GPL-2.0

//! Ptys made and given back, one after the other.

use super::{Figure, Run, Workload};
use crate::link::Subject;
use crate::pty;
use anyhow::{Context, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Opens and closes `ptmx`.
pub fn ptmx() -> Workload {
    workload("open/close of ptmx", false)
}

/// Opens `ptmx`, unlocks its slave, opens that by its name, and closes both.
pub fn ptmx_and_slave() -> Workload {
    workload("open/close of ptmx and slave", true)
}

/// Opens the slave of a master that stays open by `TIOCGPTPEER`, and closes it.
pub fn peer() -> Workload {
    Workload {
        name: "TIOCGPTPEER and close".into(),
        figure: Figure::Time,
        prepare: Box::new(|subject| match subject {
            Subject::Pty(mount) => {
                let master = pty::open_master(mount.dir()).context("opening ptmx")?;
                pty::unlock(&master).context("TIOCSPTLCK")?;
                Ok(Some(Box::new(Peer { master })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

fn workload(name: &str, with_slave: bool) -> Workload {
    Workload {
        name: name.into(),
        figure: Figure::Time,
        prepare: Box::new(move |subject| match subject {
            Subject::Pty(mount) => {
                let dir = mount.dir().try_clone_to_owned().context("dup")?;
                Ok(Some(Box::new(OpenClose { dir, with_slave })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

/// Opens and closes ptys of a directory.
pub struct OpenClose {
    /// The directory.
    pub dir: OwnedFd,
    /// Whether the slave is opened as well.
    pub with_slave: bool,
}

impl OpenClose {
    /// Does it once.
    pub fn once(&self) -> Result<()> {
        let dir = self.dir.as_fd();
        let master = pty::open_master(dir).context("opening ptmx")?;
        if self.with_slave {
            drop(pty::open_slave(dir, &master).context("opening a slave")?);
        }
        Ok(())
    }
}

impl Run for OpenClose {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..n {
            self.once()?;
        }
        Ok(start.elapsed())
    }
}

struct Peer {
    master: OwnedFd,
}

impl Run for Peer {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..n {
            drop(pty::open_peer(&self.master).context("TIOCGPTPEER")?);
        }
        Ok(start.elapsed())
    }
}
