// SPDX-License-Identifier: GPL-2.0

//! A round: mounts, processes, the wait, and all counters at zero again.

use crate::counters::Counters;
use crate::system::{self, names, until, System};
use crate::{strain, work, Args};
use anyhow::{ensure, Context, Result};
use nix::sched::{unshare, CloneFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, getppid, ForkResult, Pid};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Mounts of the initial namespaces.
const MOUNTS: usize = 3;
/// Processes that open, close and hang up, on those.
const CHURNERS: u64 = 3;
/// User namespaces, each with a mount and a process of its own.
const NAMESPACES: u64 = 2;

/// How much a round is.
#[derive(Clone, Copy)]
pub struct Size {
    /// Ptys that are held.
    pub ptys: usize,
    /// How long it takes once they are open.
    pub seconds: u64,
}

impl Size {
    /// A small one.
    pub const WARM_UP: Self = Self {
        ptys: 64,
        seconds: 3,
    };
}

/// A process of the round.
struct Worker {
    name: &'static str,
    pid: Pid,
    /// Whether it may be killed for memory.
    expendable: bool,
}

/// The processes; killed when dropped.
struct Workers<'a> {
    counters: &'a Counters,
    all: Vec<Worker>,
}

impl<'a> Workers<'a> {
    /// Starts a process, which ends with this one.
    fn start(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&'a Counters) -> Result<()>,
    ) -> Result<()> {
        let parent = nix::unistd::getpid();
        // SAFETY: The only other thread watches the counters, and holds no lock that the child needs.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => {
                self.all.push(Worker {
                    name,
                    pid: child,
                    expendable: matches!(name, "hog"),
                });
                Ok(())
            }
            ForkResult::Child => {
                // SAFETY: A prctl without pointers.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                // A session leader whose terminal is hung up gets SIGHUP; none of these has one.
                let status = if getppid() != parent {
                    1
                } else if let Err(error) = body(self.counters) {
                    println!("# {name}: {error:#}");
                    1
                } else {
                    0
                };
                let _ = std::io::stdout().flush();
                // SAFETY: No exit handlers of the parent's.
                unsafe { libc::_exit(status) }
            }
        }
    }

    /// Fails if a process has ended that should not have; waits for all of them if they were told to end.
    fn check(&mut self, wait: bool) -> Result<()> {
        let mut index = 0;
        while index < self.all.len() {
            let worker = &self.all[index];
            let flags = if wait {
                WaitPidFlag::empty()
            } else {
                WaitPidFlag::WNOHANG
            };
            match waitpid(worker.pid, Some(flags))? {
                WaitStatus::StillAlive => {
                    index += 1;
                    continue;
                }
                WaitStatus::Exited(_, 0) => {}
                WaitStatus::Signaled(_, Signal::SIGKILL, _) if worker.expendable => {
                    self.counters.oom_kills.fetch_add(1, Relaxed);
                }
                other => anyhow::bail!("{}: {other:?}", worker.name),
            }
            self.all.remove(index);
        }
        Ok(())
    }
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        for worker in &self.all {
            let _ = kill(worker.pid, Signal::SIGKILL);
            let _ = waitpid(worker.pid, None);
        }
    }
}

/// Runs `body` as root of a user and mount namespace, with a mount of its own in it.
fn in_namespace(
    system: &System,
    path: &Path,
    body: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).context("unshare")?;
    fs::write("/proc/self/setgroups", "deny")?;
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/self/{map}"), "0 0 1").with_context(|| map.to_owned())?;
    }
    system.mount(path)?;
    body(&[path.to_owned()])?;
    ensure!(names(path)? == ["ptmx"], "nodes are left in a namespace");
    system::umount(path)
}

/// One round.
pub fn run(args: &Args, size: Size, system: &System, counters: &'static Counters) -> Result<()> {
    let directories: Vec<PathBuf> = (0..MOUNTS)
        .map(|number| args.directory.join(number.to_string()))
        .collect();
    for directory in &directories {
        system.mount(directory)?;
    }
    // What is held, what is churned, and what victims take, who must not use up all.
    system.set_limit("max", size.ptys as u64 + 4000)?;
    system.set_limit("reserve", 1000)?;
    counters.stop.store(0, Relaxed);
    let mut workers = Workers {
        counters,
        all: Vec::new(),
    };
    let outcome = strain_them(args, size, system, &directories, &mut workers);
    counters.stop.store(1, Relaxed);
    outcome?;
    workers.check(true)?;
    drop(workers);
    until("all ptys to be gone", || Ok(system.nr()? == 0))?;
    for directory in &directories {
        ensure!(
            names(directory)? == ["ptmx"],
            "nodes are left in {}",
            directory.display()
        );
        system::umount(directory)?;
    }
    Ok(())
}

fn strain_them(
    args: &Args,
    size: Size,
    system: &System,
    directories: &[PathBuf],
    workers: &mut Workers<'static>,
) -> Result<()> {
    let counters = workers.counters;
    let (ready, tell) = nix::unistd::pipe().context("pipe")?;
    let (mut ready, mut tell) = (fs::File::from(ready), fs::File::from(tell));
    workers.start("holder", |counters| {
        work::hold(counters, directories, size.ptys, || {
            tell.write_all(b"r").context("ready")
        })
    })?;
    drop(tell);
    workers.start("lister", |counters| work::list(counters, directories))?;
    if ready.read(&mut [0])? == 0 {
        workers.check(true)?;
        anyhow::bail!("the holder has ended");
    }
    counters.peak.fetch_max(system.nr()?, Relaxed);
    for seed in 0..CHURNERS {
        workers.start("churner", |counters| {
            work::churn(counters, directories, 10 + seed)
        })?;
    }
    for seed in 0..NAMESPACES {
        let path = args.directory.join(format!("inside{seed}"));
        fs::create_dir_all(&path)?;
        workers.start("churner in a namespace", |counters| {
            in_namespace(system, &path, |inside| {
                work::churn(counters, inside, 20 + seed)
            })
        })?;
    }
    workers.start("traffic", |counters| {
        work::traffic(counters, &directories[0], 30)
    })?;
    workers.start("meddler", |counters| strain::meddle(counters, system))?;
    if Path::new(strain::PROCESSOR).exists() {
        workers.start("hotplug", strain::hotplug)?;
    }
    if strain::have_cgroups()? {
        workers.start("victims", |counters| {
            strain::victims(counters, &directories[1])
        })?;
    }
    workers.start("hog", strain::hog)?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(size.seconds) {
        std::thread::sleep(Duration::from_millis(200));
        workers.check(false)?;
        if !workers.all.iter().any(|worker| worker.name == "hog") {
            workers.start("hog", strain::hog)?;
        }
    }
    Ok(())
}
