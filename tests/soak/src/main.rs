// SPDX-License-Identifier: GPL-2.0

//! Thousands of ptys for a long time, in rounds: held, opened, closed, hung up, listed and carrying bytes, on several mounts and in
//! user namespaces, while processors go, memory runs out, processes are killed for it, and the module is asked to go. At the end
//! of each round all counters are zero, and the module goes.

mod counters;
mod round;
mod strain;
mod system;
mod work;

use anyhow::{ensure, Context, Result};
use clap::Parser;
use counters::{count, Counters};
use nix::sys::resource::{setrlimit, Resource};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use system::System;

/// Wear a pty file system out.
#[derive(Parser)]
#[command(version)]
pub struct Args {
    /// How long to go on, in seconds; a round that is under way is ended.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long a round takes, once its ptys are open.
    #[arg(long, default_value_t = 60)]
    round: u64,
    /// Ptys that are held open in each round.
    #[arg(long, default_value_t = 4000)]
    ptys: usize,
    /// The file system under test.
    #[arg(long, default_value = "rdevpts")]
    fstype: String,
    /// The module, which is loaded for each round.
    #[arg(long)]
    module: Option<PathBuf>,
    /// Where to mount.
    #[arg(long, default_value = "/mnt/soak")]
    directory: PathBuf,
    /// Seconds without progress after which all is given up.
    #[arg(long, default_value_t = 120)]
    stuck: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("not ok - {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the program if nothing moves any more. Processes of a round end with their parent.
fn watch(counters: &'static Counters, stuck: Duration) {
    std::thread::spawn(move || {
        let (mut seen, mut since) = (counters.progress(), Instant::now());
        while since.elapsed() < stuck {
            std::thread::sleep(Duration::from_secs(1));
            if counters.progress() != seen {
                (seen, since) = (counters.progress(), Instant::now());
            }
        }
        println!("not ok - nothing has moved for {} s", stuck.as_secs());
        // Where they all are.
        let _ = std::fs::write("/proc/sysrq-trigger", "w");
        std::process::exit(3);
    });
}

fn run(args: &Args) -> Result<()> {
    let files = 4 * args.ptys as u64 + 4096;
    setrlimit(Resource::RLIMIT_NOFILE, files, files).context("RLIMIT_NOFILE")?;
    let system = System {
        fstype: args.fstype.clone(),
        module: args.module.clone(),
    };
    let counters = Counters::shared()?;
    let start = Instant::now();
    watch(counters, Duration::from_secs(args.stuck));
    let life = |size: round::Size| -> Result<()> {
        system.load()?;
        round::run(args, size, &system, counters)?;
        if system.module.is_some() {
            system.unload()?;
            count(&counters.reloads);
        }
        Ok(())
    };
    // What is allocated once is there after this one.
    life(round::Size::WARM_UP)?;
    let first = system::slab()?;
    let size = round::Size {
        ptys: args.ptys,
        seconds: args.round,
    };
    let mut rounds = 0u64;
    while rounds == 0 || start.elapsed() < Duration::from_secs(args.seconds) {
        life(size)?;
        rounds += 1;
        let seconds = start.elapsed().as_secs();
        println!("# round {rounds}, {seconds} s: {}", counters.line());
    }
    // Every round makes thousands; what is left of one in four of those held in a single one is a leak.
    let most = (args.ptys as u64 / 4).max(500);
    let last = system::slab()?;
    // KASAN keeps freed objects back, which count as in use; such kernels have kmemleak.
    let counts = !system::has_symbol("kasan_quarantine_put");
    for (name, objects) in last.iter().filter(|_| counts) {
        // DEBUG_OBJECTS gives back what it has in its pools only while its use falls: free_obj_work() of lib/debugobjects.c.
        if name == "debug_objects_cache" {
            continue;
        }
        let before = first.get(name).copied().unwrap_or_default();
        ensure!(
            *objects < before + most,
            "{name}: {objects} objects, {before} before the first round"
        );
    }
    let made = counters.ptys.load(Relaxed);
    println!("ok - {rounds} rounds: {}", counters.line());
    println!(
        "# {} ptys a second; no pty, mount or module left; no more than {most} objects more in any slab cache",
        made / start.elapsed().as_secs().max(1)
    );
    Ok(())
}
