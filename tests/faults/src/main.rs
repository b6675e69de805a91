// SPDX-License-Identifier: GPL-2.0
//! Systematic fault injection.
//!
//! Every operation is done again and again, the first time with its first chance to fail taken, then with its second, until it has
//! no more. See README.

mod attempt;
mod inject;
mod leaks;
mod module;
mod ops;
mod pty;
mod stream;
mod walk;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use clap::{Parser, ValueEnum};
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sched::{unshare, CloneFlags};

use inject::Kinds;
use module::Module;
use ops::{Operation, When};
use world::World;

/// Command line.
#[derive(Parser)]
#[command(
    version,
    about = "Every operation, with every allocation that it makes failing once"
)]
struct Args {
    /// The file system to test.
    #[arg(long, default_value = "rdevpts")]
    fstype: FsType,
    /// The module's file; without it, loading and unloading are left out.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Only the operations whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// How many points an operation may have.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    points: u32,
    /// Seconds that an operation with all its points may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

/// The file systems that are known.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FsType {
    /// The kernel's own, in C.
    Devpts,
    /// This project's, in Rust.
    Rdevpts,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("Bail out! {e:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs and prints all; true if nothing failed.
fn run(args: &Args) -> Result<bool> {
    if !inject::is_available() {
        println!("1..0 # SKIP this kernel cannot fail on demand (CONFIG_FAULT_INJECTION)");
        return Ok(true);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("must be run as root");
    }
    inject::mount_debugfs()?;
    let ours = args.fstype == FsType::Rdevpts;
    let work = Work::new()?;
    let world = World {
        fstype: if ours { "rdevpts" } else { "devpts" },
        sysctl: if ours {
            "/proc/sys/kernel/rdevpts"
        } else {
            "/proc/sys/kernel/pty"
        },
        ours,
        module: args.module.clone().filter(|_| ours).map(Module::new),
        point: work.point(),
        kinds: Kinds::enable()?,
    };
    let selected: Vec<_> = ops::all()
        .filter(|operation| operation.name.contains(&args.filter))
        .filter(|operation| operation.when == When::Always || world.module.is_some())
        .collect();
    let leaks = leaks::are_found();
    println!("1..{}", selected.len() + usize::from(leaks));
    if leaks {
        leaks::forget()?;
    }
    let mut good = true;
    for (number, operation) in (1..).zip(&selected) {
        if let Some(why) = operation.not_on_devpts.filter(|_| !ours) {
            println!("ok {number} - {} # SKIP {why}", operation.name);
            continue;
        }
        good &= one(&world, operation, args, number)?;
    }
    if leaks {
        good &= nothing_leaked(&world, selected.len() + 1)?;
    }
    Ok(good)
}

/// Walks through one operation, with the module loaded or not as it wants it, and prints how it went.
fn one(world: &World, operation: &Operation, args: &Args, number: usize) -> Result<bool> {
    if world.module.is_some() {
        let loaded = !Module::traces()?.is_empty();
        match (&world.module, operation.when) {
            (Some(module), When::Always) if !loaded => module.load()?,
            (_, When::Unloaded | When::Loaded) if loaded => module::unload()?,
            _ => {}
        }
    }
    let start = Instant::now();
    let outcome = walk::run(
        world,
        operation,
        args.points,
        Duration::from_secs(args.timeout),
    )?;
    match &outcome {
        Ok(text) => println!(
            "ok {number} - {}: {text}, {:.1} s",
            operation.name,
            start.elapsed().as_secs_f32()
        ),
        Err(text) => {
            println!("not ok {number} - {}", operation.name);
            for line in text.lines() {
                println!("# {line}");
            }
        }
    }
    Ok(outcome.is_ok())
}

/// First with the module loaded, so that kmemleak knows its functions by name, then without it.
fn nothing_leaked(world: &World, number: usize) -> Result<bool> {
    let mut report = leaks::find()?;
    if report.is_empty() && world.module.is_some() {
        module::unload()?;
        report = leaks::find()?;
    }
    println!(
        "{} {number} - nothing leaked",
        if report.is_empty() { "ok" } else { "not ok" }
    );
    for line in report.lines() {
        println!("# {line}");
    }
    Ok(report.is_empty())
}

/// A directory in a mount namespace of its own.
struct Work(PathBuf);

impl Work {
    fn new() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS).context("unshare")?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("private")?;
        let path = Path::new("/tmp").join(format!("rdevpts-faults.{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), none).context("tmpfs")?;
        let work = Self(path);
        fs::create_dir(work.point())?;
        Ok(work)
    }

    /// Where instances are mounted.
    fn point(&self) -> PathBuf {
        self.0.join("pts")
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.0);
    }
}
