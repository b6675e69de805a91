// SPDX-License-Identifier: GPL-2.0
//! System-call fuzzer for pty file systems: see tests/fuzz/README.

use std::ffi::CString;
use std::fs;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use clap::Parser;
use nix::mount::{mount, MsFlags};

mod calls;
mod crew;
mod memory;
mod round;
mod shared;
mod worker;

use crew::Plan;
use shared::Shared;

/// Random calls from many processes at once on the ptys of one kind of file system.
#[derive(Parser)]
struct Options {
    /// What to mount; devpts is the control.
    #[arg(long, default_value = "rdevpts")]
    fstype: String,
    /// Chooses the calls; a number or `clock`. The same does the same as far as processes that run at once can.
    #[arg(long, default_value = "1")]
    seed: String,
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long one round is.
    #[arg(long, default_value_t = 10)]
    round: u64,
    /// How many processes make calls.
    #[arg(long, default_value_t = 8)]
    processes: usize,
}

/// That often.
const OFTEN: u64 = 300;

/// What must have worked if it was tried often, or the fuzzer did not do its work.
const MUST: &[&str] = &[
    "open ptmx",
    "open slave",
    "TIOCGPTPEER",
    "read",
    "write",
    "getdents",
    "mount",
    "umount",
    "splice",
    "SCM_RIGHTS receive",
    "session",
];

/// A directory of our own, which only this process and those that it makes see, with places to mount on.
fn base() -> Result<String> {
    let none = None::<&str>;
    let base = format!("/tmp/rdevpts-fuzz.{}", std::process::id());
    // SAFETY: one thread.
    ensure!(
        unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0,
        "unshare: {}",
        std::io::Error::last_os_error()
    );
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    fs::create_dir(&base)?;
    let tmpfs = Some("tmpfs");
    mount(
        tmpfs,
        base.as_str(),
        tmpfs,
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    for name in ["a", "b", "c", "cgroup", "debug"] {
        fs::create_dir(format!("{base}/{name}"))?;
    }
    fs::write(format!("{base}/file"), "")?;
    // Where the kernel has none, there is nothing to look at.
    let debugfs = Some("debugfs");
    let at = format!("{base}/debug");
    let _ = mount(debugfs, at.as_str(), debugfs, MsFlags::empty(), none);
    Ok(base)
}

/// A cgroup that limits memory, where the system has them.
fn cgroup(base: &str) -> Option<String> {
    let mut root = "/sys/fs/cgroup".to_string();
    if !fs::exists(format!("{root}/cgroup.controllers")).ok()? {
        root = format!("{base}/cgroup");
        let kind = Some("cgroup2");
        mount(kind, root.as_str(), kind, MsFlags::empty(), None::<&str>).ok()?;
    }
    fs::write(format!("{root}/cgroup.subtree_control"), "+memory").ok()?;
    let cgroup = format!("{root}/rdevpts-fuzz");
    fs::create_dir_all(&cgroup).ok()?;
    fs::exists(format!("{cgroup}/memory.max"))
        .ok()?
        .then_some(cgroup)
}

fn run(options: &Options) -> Result<bool> {
    ensure!(
        (1..=shared::WORKERS).contains(&options.processes),
        "--processes is out of range"
    );
    let mut seed = match options.seed.as_str() {
        "clock" => fastrand::u64(..),
        number => number.parse().context("--seed")?,
    };
    let sysctl = match options.fstype.as_str() {
        "devpts" => "/proc/sys/kernel/pty".to_string(),
        other => format!("/proc/sys/kernel/{other}"),
    };
    let shared = Shared::new()?;
    let base = base()?;
    let cgroup = cgroup(&base);
    if cgroup.is_none() {
        println!("# this system limits no cgroup's memory");
    }
    // What workers do where nothing is mounted must not last.
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(
        None::<&str>,
        base.as_str(),
        None::<&str>,
        read_only,
        None::<&str>,
    )?;

    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (mut rounds, mut good) = (0, true);
    while good && (rounds == 0 || Instant::now() < end) {
        rounds += 1;
        let (calls, _) = shared.totals();
        let (left, right) = UnixDatagram::pair()?;
        let sockets = [left.into_raw_fd(), right.into_raw_fd()];
        let left = end.saturating_duration_since(Instant::now());
        let plan = &*Box::leak(Box::new(Plan {
            base: base.clone(),
            fstype: CString::new(options.fstype.as_str())?,
            sysctl: sysctl.clone(),
            processes: options.processes,
            sockets,
            seed,
            time: left.clamp(
                Duration::from_secs(2),
                Duration::from_secs(options.round.max(2)),
            ),
            cgroup: cgroup.clone(),
        }));
        let before = round::Before::new(plan)?;
        let outcome = round::run(plan, shared, &before);
        let made = shared.totals().0 - calls;
        match outcome {
            Ok(()) => println!("ok {rounds} - seed {seed}: {made} calls, nothing left"),
            Err(error) => {
                good = false;
                println!("not ok {rounds} - seed {seed}: {made} calls");
                for line in format!("{error:#}").lines() {
                    println!("# {line}");
                }
            }
        }
        seed = seed.wrapping_add(1);
    }
    Ok(report(shared, rounds, good))
}

/// The last results, and all counts.
fn report(shared: &Shared, rounds: u32, good: bool) -> bool {
    let idle: Vec<&str> = calls::names()
        .enumerate()
        .filter(|(kind, name)| MUST.contains(name) && shared.in_vain(*kind) > OFTEN)
        .map(|(_, name)| name)
        .collect();
    let verdict = if idle.is_empty() { "ok" } else { "not ok" };
    println!(
        "{verdict} {} - no important kind of call was made in vain",
        rounds + 1
    );
    if !idle.is_empty() {
        println!("# never succeeded: {}", idle.join(", "));
    }
    println!("1..{}", rounds + 1);
    for line in shared.table() {
        println!("# {line}");
    }
    let (all, succeeded) = shared.totals();
    println!(
        "# {rounds} rounds, {all} calls, {succeeded} of them without an error; {} stalls; {} workers made anew",
        shared.stalls.load(std::sync::atomic::Ordering::Relaxed),
        shared.replaced.load(std::sync::atomic::Ordering::Relaxed),
    );
    good && idle.is_empty()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("Bail out! {error:#}");
            ExitCode::FAILURE
        }
    }
}
