// SPDX-License-Identifier: GPL-2.0
//! Differential tester for pty file systems.
//!
//! Random sequences of operations run on two file systems of the same kernel in lockstep, and every result is compared. See
//! README for how it is made.

mod departures;
mod lockstep;
mod model;
mod ops;
mod outcome;
mod plan;
mod run;
mod select;
mod stats;
mod trace;
mod under_way;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, Context, Result};
use clap::Parser;

use lockstep::Step;
use run::{Finding, Runner};
use stats::Stats;
use world::{Target, Workers};

/// Command line.
#[derive(Parser)]
#[command(version, about = "Differential tester for pty file systems")]
struct Args {
    /// The file system that is right.
    #[arg(long, default_value = "devpts")]
    left: String,
    /// The file system that is compared to it.
    #[arg(long, default_value = "rdevpts")]
    right: String,
    /// The first seed: a number, or `clock`. Several share the time, or the operations.
    #[arg(long, value_name = "SEED", default_value = "1")]
    seed: Vec<String>,
    /// How many seeds to run from each first one; without this, --operations or --seconds end the run.
    #[arg(long)]
    seeds: Option<u64>,
    /// End after this many operations.
    #[arg(long)]
    operations: Option<u64>,
    /// End after this time.
    #[arg(long)]
    seconds: Option<u64>,
    /// Operations in a case.
    #[arg(long, default_value_t = 200)]
    ops: usize,
    /// Make the kernel's unbound workers real-time: for a virtual machine of its own.
    #[arg(long)]
    real_time_workers: bool,
    /// Seconds that the worlds may take to come to the same rest.
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// How often shrinking may run a case.
    #[arg(long, default_value_t = 2000)]
    shrinks: u32,
    /// Seconds that shrinking may take.
    #[arg(long, default_value_t = 180)]
    shrink_seconds: u64,
    /// End after this many differences.
    #[arg(long, default_value_t = 3)]
    differences: usize,
    /// Fail for differences alone that come again when their case is run again; tell the others.
    #[arg(long)]
    again: bool,
    /// Where to save the smallest cases.
    #[arg(long, value_name = "DIRECTORY")]
    save: Option<PathBuf>,
    /// Run a saved case, and print all that happens.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Print the case of a seed as it is generated, and run nothing.
    #[arg(long)]
    print: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("rdevpts-differential: {e:#}");
            ExitCode::from(2)
        }
    }
}

/// The number that `--seed` means.
fn seed(text: &str) -> Result<u64> {
    if text == "clock" {
        return Ok(SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("clock")?
            .as_secs()
            * 1_000_000);
    }
    text.parse().with_context(|| format!("--seed {text}"))
}

fn run(args: &Args) -> Result<bool> {
    let seeds = args
        .seed
        .iter()
        .map(|text| seed(text))
        .collect::<Result<Vec<u64>>>()?;
    if args.print {
        for first in seeds {
            let mut runner = plan::runner(first);
            for step in plan::flatten(&plan::tree(first, args.ops, &mut runner)?.current()) {
                println!("{} {:?}", step.actor, step.op);
            }
        }
        return Ok(true);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("must be run as root");
    }
    let targets = [Target::new(&args.left)?, Target::new(&args.right)?];
    let mut runner = Runner {
        idle: [targets[0].ptys()?, targets[1].ptys()?],
        workers: args.real_time_workers.then(Workers::default),
        worlds: None,
        targets,
        patience: Duration::from_secs(args.patience),
        shrinks: args.shrinks,
        shrink_time: Duration::from_secs(args.shrink_seconds),
    };
    world::settle_on_one_cpu()?;
    world::schedule(libc::SCHED_IDLE)?;
    if let Some(path) = &args.replay {
        return replay(&mut runner, path);
    }
    println!("TAP version 13\n1..{}", seeds.len());
    let mut good = true;
    for (number, first) in seeds.iter().enumerate() {
        good &= session(args, &mut runner, number + 1, *first, seeds.len() as u64)?;
    }
    Ok(good)
}

/// Runs seed after seed, from the first one, and reports; true if there was no difference.
fn session(
    args: &Args,
    runner: &mut Runner,
    number: usize,
    first: u64,
    sessions: u64,
) -> Result<bool> {
    let begin = Instant::now();
    let mut stats = Stats::default();
    let mut found = Vec::new();
    let mut seed = first;
    let mut said = Instant::now();
    let over = |stats: &Stats, seed: u64| {
        let enough = |limit: Option<u64>, have: u64| limit.is_some_and(|limit| have >= limit);
        let all = (args.seeds, args.operations, args.seconds);
        enough(args.seeds, seed - first)
            || enough(args.operations.map(|n| n / sessions), stats.operations)
            || enough(
                args.seconds.map(|n| n / sessions),
                begin.elapsed().as_secs(),
            )
            || (all == (None, None, None) && seed > first)
    };
    while !over(&stats, seed) && found.len() < args.differences {
        if let Some(finding) = runner.seed(seed, args.ops, &mut stats)? {
            tell(args, &finding, &stats)?;
            if args.again && finding.again.1 == 0 {
                println!("# it never came again: told, not counted");
            } else {
                found.push(finding.seed);
            }
        }
        seed += 1;
        if said.elapsed() > Duration::from_secs(60) {
            said = Instant::now();
            println!(
                "# seed {seed}: {} operations, {:.0} s",
                stats.operations,
                begin.elapsed().as_secs_f64()
            );
        }
    }
    let verdict = if found.is_empty() { "ok" } else { "not ok" };
    println!(
        "{verdict} {number} - {} and {} do the same in {} operations from {} seeds, {first} and up",
        args.left,
        args.right,
        stats.operations,
        seed - first
    );
    for line in stats.lines(begin.elapsed().as_secs_f64()) {
        println!("# {line}");
    }
    Ok(found.is_empty())
}

/// Prints a difference, and how to see it again.
fn tell(args: &Args, finding: &Finding, stats: &Stats) -> Result<()> {
    let Finding {
        seed,
        steps,
        difference,
        again,
        shrinks,
    } = finding;
    println!(
        "# DIFFERENCE in seed {seed} ({}), after {} operations of this run",
        plan::theme(*seed),
        stats.operations
    );
    println!("# what differs: {}", difference.what);
    println!("# the case, run {} times more, showed a difference {} times; run {shrinks} times to make it smaller", again.0, again.1);
    println!("# smallest case, {} steps:", steps.len());
    let hidden = difference.trace.len().saturating_sub(60);
    if hidden > 0 {
        println!("#     ... {hidden} lines");
    }
    for line in &difference.trace[hidden..] {
        println!("#     {line}");
    }
    println!(
        "# again: rdevpts-differential --left {} --right {} --seed {seed} --ops {}",
        args.left, args.right, args.ops
    );
    if let Some(directory) = &args.save {
        let path = directory.join(format!("difference-{seed}.json"));
        std::fs::write(&path, serde_json::to_vec(steps)?)
            .with_context(|| path.display().to_string())?;
        println!(
            "# or: rdevpts-differential --left {} --right {} --replay {}",
            args.left,
            args.right,
            path.display()
        );
    }
    Ok(())
}

/// Runs a saved case; true if there is no difference.
fn replay(runner: &mut Runner, path: &PathBuf) -> Result<bool> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let steps: Vec<Step> =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let mut stats = Stats::default();
    match runner.case(&steps, &mut stats, runner.patience)? {
        None => println!("no difference in {} operations", stats.operations),
        Some(difference) => {
            for line in &difference.trace {
                println!("{line}");
            }
            println!("what differs: {}", difference.what);
            return Ok(false);
        }
    }
    Ok(true)
}
