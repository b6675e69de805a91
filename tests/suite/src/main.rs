// SPDX-License-Identifier: GPL-2.0
//! Behaviour suite for pty file systems.
//!
//! Every case states one behaviour that programs can see, and the same cases run on the kernel's devpts and on rdevpts. A
//! case runs as root in its own process, with its own PID namespace, session and (unless it says otherwise) mount
//! namespace, under a watchdog: a hang or a crash fails that case and no other.

mod applicability;
mod case;
mod cases;
mod check;
mod fixture;
mod report;
mod runner;
mod sandbox;

use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::{Parser, ValueEnum};
use regex::Regex;

use case::{Case, Target};
use report::{Format, Reporter};

/// Command line.
#[derive(Parser)]
#[command(version, about = "Behaviour suite for pty file systems")]
struct Args {
    /// The file system to test.
    #[arg(long)]
    fstype: FsType,
    /// Print the cases that would run, and run none.
    #[arg(long)]
    list: bool,
    /// Run only the cases whose name matches this regular expression.
    #[arg(long, value_name = "REGEX", default_value = "")]
    filter: String,
    /// Print in the Test Anything Protocol.
    #[arg(long, conflicts_with = "json")]
    tap: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// How many cases may run at once.
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: usize,
    /// Seconds after which a case is killed and counted as failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Run cases that fail, crash and hang, for the test of the runner.
    #[arg(long, hide = true)]
    selftest: bool,
}

/// The file systems that the suite knows.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FsType {
    /// The kernel's own, in C.
    Devpts,
    /// This project's, in Rust.
    Rdevpts,
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("rdevpts-suite: {e:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what the command line asks for; true if nothing failed.
fn run(args: &Args) -> Result<bool> {
    let target = match args.fstype {
        FsType::Devpts => Target::devpts(),
        FsType::Rdevpts => Target::rdevpts(),
    };
    let filter = Regex::new(&args.filter).context("--filter")?;
    let mut selected: Vec<&'static Case> = if args.selftest {
        cases::selftest().collect()
    } else {
        cases::all().collect()
    };
    selected.retain(|c| filter.is_match(&c.full_name()));
    applicability::check_table()?;

    if args.list {
        for case in &selected {
            println!("{:<44} {}", case.full_name(), case.about);
        }
        return Ok(true);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("must be run as root");
    }
    if selected.is_empty() {
        bail!("no case matches {:?}", args.filter);
    }
    target.check_present()?;

    let format = match (args.tap, args.json) {
        (true, _) => Format::Tap,
        (_, true) => Format::Json,
        _ => Format::Human,
    };
    let mut reporter = Reporter::new(format, selected.len());
    let limits = runner::Limits {
        jobs: args.jobs.max(1),
        timeout: std::time::Duration::from_secs(args.timeout),
    };
    runner::run(&selected, &target, limits, &mut reporter)?;
    Ok(reporter.finish())
}
