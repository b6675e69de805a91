// SPDX-License-Identifier: GPL-2.0

//! How long a pty takes to come and go while others read the directory without pause.

use super::{getdents::Reader, held, open_close::OpenClose, Better, Figure, Run, Workload};
use crate::link::{read_exact, write_all, Subject};
use crate::peer::Peer;
use crate::sandbox::Mount;
use crate::stats::quantile;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Threads that read the directory.
const READERS: usize = 4;

/// Ptys in it, besides the one that is opened and closed.
const HELD: usize = 100;

/// Operations of a round, at least, that are slower than the quantile asked for: it would be chance otherwise.
const SLOWER: f64 = 10.0;

/// The value that a share `q` of the times is below, under the `name` that this has.
pub fn open_close(name: &str, q: f64) -> Workload {
    Workload {
        name: format!("open/close of ptmx under getdents load, {name}"),
        figure: Figure::Counted {
            unit: "us",
            better: Better::Lower,
        },
        prepare: Box::new(move |subject| match subject {
            Subject::Pty(mount) => {
                let Some(held) = held::hold(mount, HELD)? else {
                    return Ok(None);
                };
                let dir = mount.dir().try_clone_to_owned().context("dup")?;
                Ok(Some(Box::new(UnderLoad {
                    _held: held,
                    open_close: OpenClose {
                        dir,
                        with_slave: false,
                    },
                    load: Load::new(mount)?,
                    q,
                    at_q: f64::NAN,
                })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

struct UnderLoad {
    _held: Vec<OwnedFd>,
    open_close: OpenClose,
    load: Load,
    q: f64,
    /// The times' quantile at `q` in the last run.
    at_q: f64,
}

impl Run for UnderLoad {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let mut times = Vec::new();
        self.load.start()?;
        let start = Instant::now();
        for _ in 0..n.max((SLOWER / (1.0 - self.q)) as u64) {
            let start = Instant::now();
            self.open_close.once()?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let elapsed = start.elapsed();
        self.load.stop()?;
        times.sort_by(f64::total_cmp);
        self.at_q = quantile(&times, self.q);
        Ok(elapsed)
    }

    fn counted(&self) -> f64 {
        self.at_q
    }
}

/// A process whose threads read the directory.
struct Load {
    peer: Peer,
    is_running: OwnedFd,
    stop: OwnedFd,
}

impl Load {
    fn new(mount: &Mount) -> Result<Self> {
        let mut readers: Vec<_> = (0..READERS)
            .map(|_| Reader::open(mount))
            .collect::<Result<_>>()?;
        let (is_running, running) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        let peer = Peer::spawn(move |_| {
            let until = AtomicBool::new(false);
            let read = |reader: &mut Reader| {
                reader.pass()?;
                write_all(&running, &[0])?;
                while !until.load(Relaxed) {
                    reader.pass()?;
                }
                Ok(())
            };
            scope(|scope| {
                let threads: Vec<ScopedJoinHandle<Result<()>>> = readers
                    .iter_mut()
                    .map(|reader| scope.spawn(|| read(reader)))
                    .collect();
                let told = read_exact(&stopped, &mut [0]);
                until.store(true, Relaxed);
                threads
                    .into_iter()
                    .try_for_each(|thread| thread.join().expect("threads do not panic"))?;
                told
            })
        })?;
        Ok(Self {
            peer,
            is_running,
            stop,
        })
    }

    /// Starts, and waits until every thread is at it.
    fn start(&mut self) -> Result<()> {
        self.peer.start(0)?;
        read_exact(&self.is_running, &mut [0; READERS])
    }

    fn stop(&mut self) -> Result<()> {
        write_all(&self.stop, &[0])?;
        self.peer.finish()
    }
}
