// SPDX-License-Identifier: GPL-2.0

//! What makes it hard for the others: processors that go, memory that is used up, a cgroup that is too small.

use crate::counters::{count, Counters};
use crate::system::{meminfo, System};
use crate::work::Pair;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The processor that goes; absent where there is none that can.
pub const PROCESSOR: &str = "/sys/devices/system/cpu/cpu1/online";
/// Where cgroups are.
pub const CGROUPS: &str = "/sys/fs/cgroup";
/// The cgroup that is too small, below `CGROUPS`.
const VICTIM: &str = "soak";
/// How much memory it may have (bytes).
const VICTIM_MEMORY: u64 = 6 << 20;
/// How much memory is left when it is short (bytes).
const LOW: u64 = 48 << 20;

/// Takes the processor away and gives it back, over and over.
pub fn hotplug(counters: &Counters) -> Result<()> {
    while !counters.stopped() {
        for (state, pause) in [("0", 150), ("1", 300)] {
            fs::write(PROCESSOR, state).with_context(|| format!("{PROCESSOR}: {state}"))?;
            std::thread::sleep(Duration::from_millis(pause));
        }
        count(&counters.hotplugs);
    }
    Ok(())
}

/// Uses memory until little is left, and gives it back, over and over.
pub fn hog(counters: &Counters) -> Result<()> {
    const STEP: usize = 4 << 20;
    // If anybody must be killed for it, this process is.
    fs::write("/proc/self/oom_score_adj", "1000")?;
    while !counters.stopped() {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        while meminfo("MemAvailable")? > LOW + STEP as u64 && !counters.stopped() {
            let mut piece = vec![0; STEP];
            piece.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            taken.push(piece);
        }
        count(&counters.hogs);
        for _ in 0..5 {
            if !counters.stopped() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        drop(taken);
        for _ in 0..20 {
            if !counters.stopped() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
    Ok(())
}

/// Whether there are memory cgroups; mounts them, if need be.
pub fn have_cgroups() -> Result<bool> {
    let root = Path::new(CGROUPS);
    if !root.join("cgroup.procs").exists() {
        let mounted = nix::mount::mount(
            Some("cgroup2"),
            root,
            Some("cgroup2"),
            nix::mount::MsFlags::empty(),
            None::<&str>,
        );
        if mounted.is_err() {
            return Ok(false);
        }
    }
    Ok(fs::write(root.join("cgroup.subtree_control"), "+memory").is_ok())
}

/// Has one process after another open and fill ptys in a cgroup that has no room for them, until it is killed.
pub fn victims(counters: &Counters, directory: &Path) -> Result<()> {
    let group = Path::new(CGROUPS).join(VICTIM);
    if !group.exists() {
        fs::create_dir(&group)?;
    }
    fs::write(group.join("memory.max"), VICTIM_MEMORY.to_string())?;
    let outcome = (|| {
        while !counters.stopped() {
            // SAFETY: This process has one thread.
            match unsafe { fork() }.context("fork")? {
                ForkResult::Child => {
                    let done = be_killed(counters, &group, directory);
                    std::process::exit(done.is_err().into());
                }
                ForkResult::Parent { child } => {
                    if let WaitStatus::Signaled(_, Signal::SIGKILL, _) = waitpid(child, None)? {
                        count(&counters.oom_kills);
                    }
                }
            }
        }
        Ok(())
    })();
    // It is empty as soon as the last has ended.
    let _ = fs::remove_dir(&group);
    outcome
}

fn be_killed(counters: &Counters, group: &Path, directory: &Path) -> Result<()> {
    fs::write(group.join("cgroup.procs"), "0")?;
    let handle = rdevpts_ptydir::open_dir(directory)?;
    let mut held = Vec::new();
    let mut own = Vec::new();
    while !counters.stopped() {
        // What is refused is not given back.
        if let Some(pair) = Pair::open(counters, &handle, false)? {
            let _ = pair.slave().write(&[b'v'; 4000]);
            held.push(pair);
        }
        own.push(vec![1u8; 64 << 10]);
    }
    Ok(())
}

/// Looks after the number of ptys, and tries to unload the module, which is in use.
pub fn meddle(counters: &Counters, system: &System) -> Result<()> {
    while !counters.stopped() {
        counters.peak.fetch_max(system.nr()?, Relaxed);
        if system.module.is_some() {
            match system.try_unload() {
                Err(nix::errno::Errno::EWOULDBLOCK) => count(&counters.unloads_refused),
                other => anyhow::bail!("unloading the module while it is in use: {other:?}"),
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
