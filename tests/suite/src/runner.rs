// SPDX-License-Identifier: GPL-2.0
//! Runs cases, several at once where they allow it, each under a watchdog.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{pipe2, Pid};

use crate::applicability;
use crate::case::{Case, Mode, Target};
use crate::report::{Reporter, Verdict};
use crate::sandbox::{self, WorkRoot, EXIT_SKIPPED};

/// How long the kernel may take to end a case that was killed.
const GRACE: Duration = Duration::from_secs(15);

/// What bounds a run.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Cases at once.
    pub jobs: usize,
    /// Time for one case.
    pub timeout: Duration,
}

/// A case under way.
struct Running {
    case: &'static Case,
    pid: Pid,
    pidfd: OwnedFd,
    output: File,
    log: Vec<u8>,
    started: Instant,
    killed: Option<Instant>,
}

/// Runs the cases: first those that may run side by side, then the others one by one.
pub fn run(
    cases: &[&'static Case],
    target: &Target,
    limits: Limits,
    reporter: &mut Reporter,
) -> Result<()> {
    let root = WorkRoot::new()?;
    let mut waiting = VecDeque::new();
    for case in cases {
        match applicability::reason(target.fstype, case) {
            Some(why) => {
                reporter.case(
                    case,
                    Duration::ZERO,
                    &Verdict::Skipped(format!("not applicable to {}: {why}", target.fstype)),
                );
            }
            None => waiting.push_back(*case),
        }
    }
    let (mut parallel, alone): (VecDeque<_>, VecDeque<_>) =
        waiting.into_iter().partition(|c| c.mode == Mode::Parallel);

    let start = |case: &'static Case| start(case, target, &root);
    let mut running = Vec::new();
    while !parallel.is_empty() || !running.is_empty() {
        while running.len() < limits.jobs {
            let Some(case) = parallel.pop_front() else {
                break;
            };
            running.push(start(case)?);
        }
        step(&mut running, limits.timeout, reporter)?;
    }
    for case in alone {
        running.push(start(case)?);
        while !running.is_empty() {
            step(&mut running, limits.timeout, reporter)?;
        }
        root.unmount_leftovers();
    }
    Ok(())
}

fn start(case: &'static Case, target: &Target, root: &WorkRoot) -> Result<Running> {
    let work = root.of(case)?;
    let (output, log) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).context("pipe")?;
    // The case's end blocks, as the standard streams that it becomes do.
    nix::fcntl::fcntl(&log, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty())).context("fcntl")?;
    let started = Instant::now();
    let pid = sandbox::spawn(case, target, &work, log)?;
    // SAFETY: pidfd_open takes no pointers, and returns a descriptor that nothing else owns.
    let pidfd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error()).context("pidfd_open");
        }
        OwnedFd::from_raw_fd(i32::try_from(fd)?)
    };
    Ok(Running {
        case,
        pid,
        pidfd,
        output: File::from(output),
        log: Vec::new(),
        started,
        killed: None,
    })
}

/// Waits for something to happen, then reports what ended and kills what is late.
fn step(running: &mut Vec<Running>, timeout: Duration, reporter: &mut Reporter) -> Result<()> {
    let wait = running
        .iter()
        .map(|r| r.time_left(timeout))
        .min()
        .unwrap_or_default();
    let mut fds = Vec::new();
    for r in running.iter() {
        fds.push(PollFd::new(r.pidfd.as_fd(), PollFlags::POLLIN));
        fds.push(PollFd::new(r.output.as_fd(), PollFlags::POLLIN));
    }
    let millis = u16::try_from(wait.as_millis().clamp(1, 1000)).unwrap_or(1000);
    match poll(&mut fds, PollTimeout::from(millis)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(e) => return Err(e).context("poll"),
    }

    let mut index = 0;
    while index < running.len() {
        running[index].read_log();
        match running[index].verdict(timeout)? {
            Some(verdict) => {
                let done = running.remove(index);
                reporter.case(done.case, done.started.elapsed(), &verdict);
            }
            None => index += 1,
        }
    }
    Ok(())
}

impl Running {
    fn time_left(&self, timeout: Duration) -> Duration {
        let (since, allowed) = match self.killed {
            Some(when) => (when, GRACE),
            None => (self.started, timeout),
        };
        allowed.saturating_sub(since.elapsed())
    }

    fn read_log(&mut self) {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = self.output.read(&mut chunk) {
            self.log.extend_from_slice(&chunk[..n]);
        }
    }

    /// How the case ended, if it did; kills it if it is late.
    fn verdict(&mut self, timeout: Duration) -> Result<Option<Verdict>> {
        let status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).context("waitpid")?;
        self.read_log();
        let log = String::from_utf8_lossy(&self.log).into_owned();
        Ok(Some(match status {
            WaitStatus::Exited(_, 0) => Verdict::Passed,
            WaitStatus::Exited(_, EXIT_SKIPPED) => Verdict::Skipped(log),
            WaitStatus::StillAlive if self.time_left(timeout).is_zero() => {
                if self.killed.is_some() {
                    // Closing its pipe and forgetting it is all that is left to do.
                    return Ok(Some(Verdict::Failed(format!(
                        "timed out, and cannot be killed\n{log}"
                    ))));
                }
                self.killed = Some(Instant::now());
                self.log.extend_from_slice(self.where_it_hangs().as_bytes());
                kill(self.pid, Signal::SIGKILL).context("kill")?;
                return Ok(None);
            }
            WaitStatus::StillAlive => return Ok(None),
            _ if self.killed.is_some() => {
                Verdict::Failed(format!("timed out after {} s\n{log}", timeout.as_secs()))
            }
            WaitStatus::Exited(_, _) => Verdict::Failed(log),
            other => Verdict::Failed(format!("{other:?}\n{log}")),
        }))
    }

    /// The processes of a case that is late, with where each sleeps.
    fn where_it_hangs(&self) -> String {
        let mut text = String::new();
        let mut pids = vec![self.pid.as_raw()];
        while let Some(pid) = pids.pop() {
            let read = |name: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
            };
            let children = read(&format!("task/{pid}/children"));
            pids.extend(
                children
                    .split_whitespace()
                    .filter_map(|p| p.parse::<i32>().ok()),
            );
            let state = read("stat")
                .rsplit(')')
                .next()
                .unwrap_or("")
                .trim()
                .chars()
                .next()
                .unwrap_or('?');
            text += &format!(
                "process {pid} ({}): {state} {} syscall {}\n",
                read("comm").trim(),
                read("wchan"),
                read("syscall").trim()
            );
        }
        text
    }
}
