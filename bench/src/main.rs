// SPDX-License-Identifier: GPL-2.0

//! Measures what the ptys of rdevpts cost, side by side with those of C devpts, and with a pipe.
//!
//! Each file system is mounted afresh, in a mount namespace of the program's own. Rounds of all of them take turns, in
//! one boot and in one process; what counts is the ratio of their medians. No figure changes the exit status.

mod limits;
mod link;
mod meminfo;
mod peer;
mod pty;
mod report;
mod rounds;
mod sandbox;
mod settle;
mod stats;
mod watchdog;
mod workload;

use anyhow::{bail, Context, Result};
use clap::Parser;
use link::Subject;
use report::{Outcome, Place};
use rounds::Plan;
use sandbox::Sandbox;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measure what the ptys of rdevpts cost, side by side with those of C devpts, and with a pipe.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Rounds of each subject.
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Milliseconds that one round takes, about.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    round_ms: u64,
    /// Only workloads whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out workloads whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Name the workloads, and do nothing.
    #[arg(long)]
    list: bool,
    /// Write the results to FILE, as a list of objects.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What the results say of the clock: wall, or icount where an emulator makes time of instructions.
    #[arg(long, default_value = "wall")]
    clock: String,
    /// What the results say of the machine.
    #[arg(long, default_value = "host")]
    machine: String,
    /// What to measure as rdevpts: with devpts, all ratios should be 1, and how far they are not is the error.
    #[arg(long, default_value = "rdevpts")]
    fstype: String,
    /// Wait that many seconds at most, until the machine has nothing else to do.
    #[arg(long, default_value_t = 10)]
    settle: u64,
    /// A round that takes that many seconds got stuck.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    stuck: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rdevpts-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let is_wanted = |name: &str| {
        let is_named = |parts: &[String]| parts.iter().any(|part| name.contains(part));
        (args.only.is_empty() || is_named(&args.only)) && !is_named(&args.skip)
    };
    let mut workloads = workload::all();
    workloads.retain(|workload| is_wanted(&workload.name));
    if args.list {
        let mut out = std::io::stdout();
        return Ok(workloads
            .iter()
            .try_for_each(|w| writeln!(out, "{}", w.name))?);
    }
    if workloads.is_empty() {
        bail!("--only, --skip: no workload has such a name (see --list)");
    }

    let kernel = nix::sys::utsname::uname().context("uname")?;
    let kernel = kernel.release().to_string_lossy();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = limits::raise().context("limit of open files")?;
    watchdog::install().context("sigaction")?;
    let sandbox = Sandbox::new()?;
    let devpts = sandbox.mount("c", "devpts")?;
    let rdevpts = sandbox.mount("r", &args.fstype)?;
    let subjects = [
        ("devpts", Subject::Pty(&devpts)),
        (&*args.fstype, Subject::Pty(&rdevpts)),
        ("pipe", Subject::Pipe),
    ];
    let place = Place {
        kernel: &kernel,
        machine: &args.machine,
        clock: &args.clock,
        cpus,
    };
    let plan = Plan {
        rounds: args.rounds.into(),
        round: Duration::from_millis(args.round_ms),
        stuck: Duration::from_secs(args.stuck),
    };

    if !settle::wait(Duration::from_secs(args.settle))? {
        eprintln!("rdevpts-bench: the machine is busy with other things: expect a large spread");
    }
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for (i, workload) in workloads.iter().enumerate() {
        eprintln!(
            "[{:2}/{} {:4.0} s] {}",
            i + 1,
            workloads.len(),
            start.elapsed().as_secs_f64(),
            workload.name
        );
        let series = rounds::measure(workload, &subjects, &plan)?;
        let series = series.try_into().expect("one for each subject");
        outcomes.extend(Outcome::new(&workload.name, workload.figure, series));
    }
    devpts.unmount()?;
    rdevpts.unmount()?;
    drop(limits);

    if let Some(path) = &args.json {
        let records: Vec<_> = outcomes.iter().map(|o| o.record(&place)).collect();
        let mut json = serde_json::to_string_pretty(&records)?;
        json.push('\n');
        std::fs::write(path, json).with_context(|| path.display().to_string())?;
    }
    writeln!(
        std::io::stdout(),
        "\n{} against devpts, Linux {kernel}, {cpus} CPU(s), {} rounds of {} ms, {:.0} s in all\n\n{}\n\n{}",
        args.fstype,
        args.rounds,
        args.round_ms,
        start.elapsed().as_secs_f64(),
        report::table(&outcomes),
        report::LEGEND
    )?;
    Ok(())
}
