// SPDX-License-Identifier: GPL-2.0

//! Reads a pty directory while ptys in it are opened and closed, and checks what readdir says.
//!
//! Some threads open and close `DIR/ptmx` (and slaves), others read the directory with `getdents64` and stat what they find.
//! If the kernel survives, each pass over the directory is held against what is known of the ptys: see `judge.rs` for the
//! checks and `ledger.rs` for why none can fail on a correct directory.

mod dents;
mod judge;
mod ledger;
mod report;
mod work;

use anyhow::{bail, Context, Result};
use clap::{Parser, ValueEnum};
use judge::{Kind, Violation};
use ledger::Ledger;
use nix::sched::{unshare, CloneFlags};
use rdevpts_ptydir as pty;
use report::{tell, Count, Counters, Report, Totals};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use work::Shared;

/// Read a pty directory while ptys in it are opened and closed, and check what readdir says.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The directory: a mounted devpts, rdevpts or racypts.
    #[arg(long, default_value = "/dev/pts")]
    dir: PathBuf,
    /// How long to go on.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Go on until there were at least that many open/close pairs as well.
    #[arg(long, default_value_t = 0)]
    pairs: u64,
    /// Threads that read the directory [default: one per CPU].
    #[arg(long)]
    readers: Option<usize>,
    /// Threads that open and close ptys [default: one per CPU].
    #[arg(long)]
    openers: Option<usize>,
    /// Ptys that are held open all the time, and must be in every pass.
    #[arg(long, default_value_t = 8)]
    hold: usize,
    /// Open slaves as well, by name and by TIOCGPTPEER.
    #[arg(long)]
    slaves: bool,
    /// Buffer sizes for getdents64, used in turn; small ones make a pass of several calls.
    #[arg(long, value_delimiter = ',', default_values_t = [32768, 1024, 96])]
    buffer: Vec<usize>,
    /// Stat what is found in one of that many passes of each buffer size; 0 is never.
    #[arg(long, default_value_t = 2)]
    stat_every: u64,
    /// Whether nobody else opens ptys in the directory: only then is a name that nobody explains a violation.
    /// `auto` takes it so if there are none at first and the directory is not the system's /dev/pts.
    #[arg(long, value_enum, default_value_t = Exclusive::Auto)]
    exclusive: Exclusive,
    /// Milliseconds between progress lines.
    #[arg(long, default_value_t = 1000)]
    progress_ms: u64,
    /// A thread that gets nowhere for that many seconds is a violation.
    #[arg(long, default_value_t = 60)]
    stuck: u64,
    /// Print the summary as one line of JSON; progress then goes to standard error.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Exclusive {
    Auto,
    Yes,
    No,
}

/// A smaller buffer could not hold an entry with a name of a pty's length.
const MIN_BUFFER: usize = 32;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(
                std::io::stderr(),
                &format!("rdevpts-reproducer: {error:#}\n"),
            );
            ExitCode::from(2)
        }
    }
}

/// Runs it all; whether there was no violation.
fn run(args: &Args) -> Result<bool> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = args.readers.unwrap_or(cpus);
    let openers = args.openers.unwrap_or(cpus);
    if args.buffer.is_empty() || args.buffer.iter().any(|&size| size < MIN_BUFFER) {
        bail!("--buffer: each size must be at least {MIN_BUFFER}");
    }
    if args.pairs > 0 && openers == 0 {
        bail!("--pairs: there is nobody to open any");
    }
    let seconds = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // The second one ends the program at once.
        signal_hook::flag::register_conditional_default(signal, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }

    let is_exclusive = match args.exclusive {
        Exclusive::Yes => true,
        Exclusive::No => false,
        Exclusive::Auto => looks_exclusive(&args.dir),
    };
    let threads = readers + openers;
    let shared = Arc::new(Shared {
        dir: args.dir.clone(),
        buffers: args.buffer.clone(),
        stat_every: args.stat_every,
        slaves: args.slaves,
        exclusive: AtomicBool::new(is_exclusive),
        insist: args.exclusive == Exclusive::Yes,
        stop: stop.clone(),
        // The last log is of the ptys that are held.
        ledger: Ledger::new(openers + 1, readers),
        report: Report::default(),
        counters: (0..=threads).map(|_| Counters::default()).collect(),
    });

    // Each thread gets a table of descriptors of its own, before any has a pty in it: they meet in the directory alone.
    let unshared = Arc::new(Barrier::new(threads + 1));
    let ready = Arc::new(Barrier::new(threads + 1));
    let mut workers = Vec::new();
    for thread in 0..threads {
        let (shared, unshared, ready) = (shared.clone(), unshared.clone(), ready.clone());
        let body = move || {
            // Where that is forbidden, they share one: slower, but as good.
            let _ = unshare(CloneFlags::CLONE_FILES);
            unshared.wait();
            ready.wait();
            if shared.stop.load(Relaxed) {
                return;
            }
            let done = match thread.checked_sub(readers) {
                None => work::read(&shared, thread),
                Some(log) => work::open_and_close(&shared, log, &shared.counters[thread]),
            };
            if let Err(errno) = done {
                let what = format!("{}: {}", shared.dir.display(), errno.desc());
                shared.report.violation(Violation::new(Kind::Readdir, what));
                shared.stop.store(true, Relaxed);
            }
        };
        workers.push(std::thread::Builder::new().spawn(body)?);
    }
    unshared.wait();
    let held = hold(args, &shared, openers, threads);
    let held = match held {
        Ok(held) => held,
        Err(error) => {
            stop.store(true, Relaxed);
            ready.wait();
            return Err(error);
        }
    };
    ready.wait();

    let start = Instant::now();
    let alive = watch(args, &shared, seconds, start);
    stop.store(true, Relaxed);
    let finished = alive && join(workers, Duration::from_secs(args.stuck));
    if alive && !finished {
        let what = "a thread did not come back at the end".to_string();
        shared.report.violation(Violation::new(Kind::Stuck, what));
    }
    let elapsed = start.elapsed();
    let totals = Totals::of(&shared.counters);
    let dir = args.dir.display().to_string();
    if args.json {
        tell(
            std::io::stdout(),
            &shared.report.json(&dir, elapsed, totals),
        );
    } else {
        tell(
            std::io::stdout(),
            &shared.report.summary(&dir, elapsed, totals),
        );
    }
    // Not if anything hangs: this would hang as well, and leaves the ptys to the end of the process.
    if finished {
        for pty in held {
            work::close_pty(&shared, openers, pty);
        }
    } else {
        std::mem::forget(held);
    }
    Ok(shared.report.violations() == 0)
}

/// Opens the ptys that are held all the time.
fn hold(args: &Args, shared: &Shared, log: usize, counters: usize) -> Result<Vec<work::Pty>> {
    let at = || args.dir.display().to_string();
    let dir = pty::open_dir(&args.dir).with_context(at)?;
    // A first open that fails is worth a plain message, not a storm of violations.
    let first = pty::open_master(dir.as_fd()).with_context(|| format!("{}/ptmx", at()))?;
    let index = pty::index(&first).with_context(|| format!("{}/ptmx: TIOCGPTN", at()))?;
    if index.is_none() && shared.insist {
        bail!(
            "{}/ptmx knows no TIOCGPTN: --exclusive yes could tell nothing",
            at()
        );
    }
    drop(first);
    let counters = &shared.counters[counters];
    let mut held = Vec::new();
    for _ in 0..args.hold {
        let pty = work::open_pty(shared, dir.as_fd(), log, counters);
        held.push(pty.with_context(|| format!("{}: no {} ptys to hold", at(), args.hold))?);
    }
    Ok(held)
}

/// Tells progress until it is time to stop; false if a thread is stuck.
fn watch(args: &Args, shared: &Shared, seconds: Duration, start: Instant) -> bool {
    let mut marks = vec![(Totals::default(), start); shared.counters.len() - 1];
    let period = Duration::from_millis(args.progress_ms.max(1));
    // The first line comes at once: the machine may not live to the second.
    let mut next = start;
    loop {
        std::thread::sleep(
            next.saturating_duration_since(Instant::now())
                .min(Duration::from_millis(50)),
        );
        let now = Instant::now();
        let elapsed = now - start;
        let totals = Totals::of(&shared.counters);
        let done = elapsed >= seconds && totals[Count::Pairs] >= args.pairs;
        if now >= next || done {
            let line = shared.report.progress(elapsed, totals);
            if args.json {
                tell(std::io::stderr(), &line);
            } else {
                tell(std::io::stdout(), &line);
            }
            next = now + period;
        }
        for (thread, (mark, since)) in marks.iter_mut().enumerate() {
            let progress = Totals::of(std::slice::from_ref(&shared.counters[thread]));
            if progress != *mark {
                (*mark, *since) = (progress, now);
            } else if now - *since > Duration::from_secs(args.stuck) {
                let what = format!("thread {thread} got nowhere for {} s", args.stuck);
                shared.report.violation(Violation::new(Kind::Stuck, what));
                return false;
            }
        }
        if done || shared.stop.load(Relaxed) {
            return true;
        }
    }
}

/// Waits for the threads, that long at most; whether all came back in order.
fn join(workers: Vec<std::thread::JoinHandle<()>>, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !workers.iter().all(|worker| worker.is_finished()) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    workers.into_iter().all(|worker| worker.join().is_ok())
}

/// Whether it looks as if nobody else opens ptys in `dir`: it has none, and is not where everybody gets theirs.
fn looks_exclusive(dir: &Path) -> bool {
    let device = |path: &Path| nix::sys::stat::stat(path).map(|stat| stat.st_dev);
    if device(dir) == device(Path::new("/dev/pts")) {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(dir) else {
        return false;
    };
    !entries.flatten().any(|entry| {
        let name = entry.file_name();
        matches!(
            dents::Name::parse(name.as_encoded_bytes()),
            dents::Name::Index(_)
        )
    })
}
