// SPDX-License-Identifier: GPL-2.0
//! One operation, again and again, with each of its chances to fail taken once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::mman::{mlockall, MlockAllFlags};
use nix::sys::signal::{kill, signal, SigHandler, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, pipe2, setsid, ForkResult};

use crate::attempt::{Attempt, Seen};
use crate::inject::FailNth;
use crate::ops::Operation;
use crate::world::World;

/// How many chances an operation had, and what became of them.
#[derive(Default)]
struct Tally {
    points: u32,
    failed: BTreeMap<String, u32>,
    went_on: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<_> = self
            .failed
            .iter()
            .map(|(errno, count)| format!("{errno} {count}"))
            .collect();
        if self.went_on > 0 {
            parts.push(format!("went on {}", self.went_on));
        }
        write!(f, "survived {} points", self.points)?;
        if !parts.is_empty() {
            write!(f, " ({})", parts.join(", "))?;
        }
        Ok(())
    }
}

/// Walks through the chances of `operation`, `most` at most.
fn walk(world: &World, operation: &Operation, most: u32) -> Result<Tally> {
    // SAFETY: ignoring a signal runs no handler.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    setsid().context("setsid")?;
    // A page that is missing would be allocated in the call, by chance.
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).context("mlockall")?;
    let fail_nth = FailNth::open()?;
    let mut tally = Tally::default();
    let before = world.snapshot()?;
    for nth in 1..=most {
        let mut attempt = Attempt::new(world, &fail_nth, operation.errnos, nth);
        (operation.run)(world, &mut attempt).with_context(|| format!("point {nth}"))?;
        let after = world.snapshot()?;
        if before != after {
            bail!("point {nth}: something is left:\nbefore {before:?}\nafter  {after:?}");
        }
        match attempt.seen()? {
            Seen::NoChance => return Ok(tally),
            Seen::Failed(errno) => *tally.failed.entry(format!("{errno:?}")).or_default() += 1,
            Seen::WentOn => tally.went_on += 1,
        }
        tally.points = nth;
    }
    bail!("{most} points, and no end of it");
}

/// The same in a process of its own, which leads a session and is given `timeout`. The text says how it went.
pub fn run(
    world: &World,
    operation: &Operation,
    most: u32,
    timeout: Duration,
) -> Result<Result<String, String>> {
    let (output, input) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
    // SAFETY: this program has one thread here.
    let child = match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(output);
            let (text, status) = match walk(world, operation, most) {
                Ok(tally) => (tally.to_string(), 0),
                Err(e) => (format!("{e:#}"), 1),
            };
            let _ = File::from(input).write_all(text.as_bytes());
            // SAFETY: it has no preconditions.
            unsafe { libc::_exit(status) }
        }
    };
    drop(input);
    let start = Instant::now();
    loop {
        use std::os::fd::AsFd;
        poll(
            &mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(100u16),
        )
        .context("poll")?;
        match waitpid(child, Some(WaitPidFlag::WNOHANG)).context("waitpid")? {
            WaitStatus::StillAlive if start.elapsed() < timeout => {}
            WaitStatus::StillAlive => {
                let read = |file: &str| {
                    std::fs::read_to_string(format!("/proc/{child}/{file}")).unwrap_or_default()
                };
                let stack = read("stack");
                kill(child, Signal::SIGKILL).context("kill")?;
                return Ok(Err(format!(
                    "it does not end; it is in\n{stack}{}",
                    read("syscall")
                )));
            }
            WaitStatus::Exited(_, status) => {
                let mut text = String::new();
                File::from(output).read_to_string(&mut text)?;
                return Ok(if status == 0 { Ok(text) } else { Err(text) });
            }
            other => return Ok(Err(format!("{other:?}"))),
        }
    }
}
