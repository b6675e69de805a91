// SPDX-License-Identifier: GPL-2.0
//! The processes of a world: the first, which looks on, and the actors, which do one operation at a time.
//!
//! All share one table of descriptors, so that any actor can work on any; a call that blocks makes its actor busy, no more.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use nix::errno::Errno;

use super::proto::{receive, send, Command, Observation, Request};
use super::shared::{count_signals, Shared};
use super::{Target, ACTORS};
use crate::ops::Cx;

/// The actor that is not root.
pub const UNPRIVILEGED: usize = ACTORS - 1;
/// Its user and group.
const NOBODY: u32 = 1000;

/// What the processes of a world know.
pub struct Inside<'a> {
    /// The file system.
    pub target: &'a Target,
    /// The memory shared with the driver.
    pub shared: Shared,
    /// The actors' ends of their sockets, then the first process's.
    pub sockets: [RawFd; ACTORS + 1],
}

impl Inside<'_> {
    /// Runs as the first process until the driver goes or kills it.
    pub fn first(&self) -> Result<()> {
        let socket = self.sockets[ACTORS];
        let mut buf = Vec::new();
        send(socket, &Observation::default())?;
        loop {
            match receive(socket, &mut buf, true)?.context("request")? {
                Request::Spawn(slot) => {
                    self.spawn(slot.into())?;
                    send(socket, &Observation::default())?;
                }
                Request::Observe { fds, busy } => send(socket, &self.observe(&fds, &busy))?,
                Request::Interrupt(slot) => {
                    let pid = self.shared.actor(slot.into()).pid.load(Ordering::Acquire);
                    // SAFETY: no pointers.
                    unsafe { libc::kill(pid, libc::SIGUSR2) };
                    send(socket, &Observation::default())?;
                }
            }
        }
    }

    /// Makes an actor that leads a session of its own.
    fn spawn(&self, slot: usize) -> Result<()> {
        // SAFETY: without CLONE_VM this is a fork; there is one thread. The table of descriptors is shared, and nothing here
        // closes one on drop.
        let pid = Errno::result(unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::CLONE_FILES | libc::SIGCHLD,
                0,
                0,
                0,
                0,
            )
        })
        .context("clone")?;
        if pid != 0 {
            self.shared
                .actor(slot)
                .pid
                .store(pid as i32, Ordering::Release);
            return Ok(());
        }
        super::schedule(libc::SCHED_FIFO)?;
        // SAFETY: plain calls of a process with one thread.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::setsid();
            if slot == UNPRIVILEGED {
                libc::setgroups(0, std::ptr::null());
                libc::setresgid(NOBODY, NOBODY, NOBODY);
                libc::setresuid(NOBODY, NOBODY, NOBODY);
            }
        }
        count_signals(self.shared, slot);
        if let Err(e) = self.act(slot) {
            eprintln!("actor {slot}: {e:#}");
        }
        // SAFETY: ends this process, without the parent's exit handlers.
        unsafe { libc::_exit(1) }
    }

    /// Does what the driver says, for good.
    fn act(&self, slot: usize) -> Result<()> {
        let (state, socket) = (self.shared.actor(slot), self.sockets[slot]);
        let cx = Cx {
            target: self.target,
        };
        let mut buf = Vec::new();
        loop {
            let command: Command = receive(socket, &mut buf, true)?.context("command")?;
            state.started.store(command.number, Ordering::Release);
            let outcome = command.op.run(&cx);
            send(socket, &outcome)?;
            state.done.store(command.number, Ordering::Release);
        }
    }

    /// Looks at descriptors and actors, and buries the dead.
    fn observe(&self, fds: &[i32], busy: &[u8]) -> Observation {
        let mut polls: Vec<libc::pollfd> = fds
            .iter()
            .map(|fd| libc::pollfd {
                fd: *fd,
                events: !0,
                revents: 0,
            })
            .collect();
        // SAFETY: as many as said.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 0) };
        let int = |fd: i32, request| {
            let mut value = -1;
            // SAFETY: requests that write an int.
            unsafe { libc::ioctl(fd, request, &mut value) };
            value
        };
        let fds = polls
            .iter()
            .map(|p| {
                (
                    p.fd,
                    p.revents,
                    int(p.fd, libc::TIOCINQ),
                    int(p.fd, libc::TIOCOUTQ),
                )
            })
            .collect();
        let states = busy
            .iter()
            .map(|slot| (*slot, self.state(usize::from(*slot))))
            .collect();
        let mut ended = Vec::new();
        loop {
            let mut status = 0;
            // SAFETY: writes an int.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                break;
            }
            for slot in 0..ACTORS {
                let _ = self.shared.actor(slot).pid.compare_exchange(
                    pid,
                    0,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
            }
            ended.push((pid, status));
        }
        Observation { fds, states, ended }
    }

    /// The state of an actor, as `/proc` has it; `X` where it is gone.
    fn state(&self, slot: usize) -> char {
        let pid = self.shared.actor(slot).pid.load(Ordering::Acquire);
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.trim_start().chars().next())
            .unwrap_or('X')
    }
}
