// SPDX-License-Identifier: GPL-2.0
//! The processes of a world: the first, which looks on, and the actors, which do one operation at a time.
//!
//! All share one table of descriptors, so that any actor can work on any; a call that blocks makes its actor busy, no more.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use nix::errno::Errno;

use super::proto::{receive, send, Command, Look, Observation, Reply, Request, LONGEST_ORDER};
use super::shared::{count_signals, Shared};
use super::{lower, mount_all, schedule, Target, ACTORS, SOCKETS};
use crate::departures;
use crate::ops::Cx;

/// The actor that is not root.
pub const UNPRIVILEGED: usize = ACTORS - 1;
/// An actor, and its children, which are in its session.
const PARENT: usize = 1;
const CHILDREN: [usize; 2] = [2, 3];
/// The user and group of the one without privileges.
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
        let mut buf = vec![0; LONGEST_ORDER];
        self.spawn_all()?;
        send(socket, &Observation::default())?;
        loop {
            match receive(socket, &mut buf, true)?.context("request")? {
                Request::Observe(look) => {
                    let mut seen = self.observe(&look);
                    seen.ended = self.bury();
                    send(socket, &seen)?;
                }
                Request::Interrupt(slot) => {
                    let pid = self.shared.actor(slot.into()).pid.load(Ordering::Acquire);
                    // SAFETY: no pointers.
                    unsafe { libc::kill(pid, libc::SIGUSR2) };
                    send(socket, &Observation::default())?;
                }
                Request::Reset => {
                    self.reset()?;
                    send(socket, &Observation::default())?;
                }
            }
        }
    }

    /// Ends all actors, closes all descriptors, mounts afresh, and makes actors anew.
    fn reset(&self) -> Result<()> {
        // SAFETY: no pointers. To a process of a PID namespace, -1 means all others in it; the descriptors are the case's.
        unsafe {
            libc::kill(-1, libc::SIGKILL);
            while libc::waitpid(-1, std::ptr::null_mut(), 0) > 0 {}
            libc::close_range(3, SOCKETS as u32 - 1, 0);
        }
        let mut buf = vec![0; LONGEST_ORDER];
        for slot in 0..ACTORS {
            let state = self.shared.actor(slot);
            state.pid.store(0, Ordering::Release);
            state.ready.store(false, Ordering::Release);
            // What an actor did not live to take.
            while receive::<Command>(self.sockets[slot], &mut buf, false)?.is_some() {}
        }
        mount_all(self.target, true)?;
        self.spawn_all()
    }

    /// Makes an actor. It leads a session of its own; the second has two children, actors too, in its session.
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
        if let Err(e) = self.live(slot) {
            eprintln!("actor {slot}: {e:#}");
        }
        // SAFETY: ends this process, without the parent's exit handlers.
        unsafe { libc::_exit(1) }
    }

    /// The life of an actor.
    fn live(&self, slot: usize) -> Result<()> {
        schedule(libc::SCHED_FIFO)?;
        // SAFETY: plain calls of a process with one thread.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if !CHILDREN.contains(&slot) {
                libc::setsid();
            }
            if slot == UNPRIVILEGED {
                // So that it may still change its scheduling policy.
                for resource in [libc::RLIMIT_RTPRIO, libc::RLIMIT_NICE] {
                    let limit = libc::rlimit {
                        rlim_cur: 40,
                        rlim_max: 40,
                    };
                    libc::setrlimit(resource, &limit);
                }
                libc::setgroups(0, std::ptr::null());
                libc::setresgid(NOBODY, NOBODY, NOBODY);
                libc::setresuid(NOBODY, NOBODY, NOBODY);
            }
        }
        if slot == PARENT {
            CHILDREN.iter().try_for_each(|slot| self.spawn(*slot))?;
        }
        count_signals(self.shared, slot);
        self.shared.actor(slot).ready.store(true, Ordering::Release);
        self.act(slot)
    }

    /// Makes all actors, in the same order in every world, since process ids depend on it, and waits until they are what others
    /// may ask about.
    fn spawn_all(&self) -> Result<()> {
        for slot in (0..ACTORS).filter(|slot| !CHILDREN.contains(slot)) {
            self.spawn(slot)?;
            let made = |slot: &usize| self.shared.actor(*slot).pid.load(Ordering::Acquire) != 0;
            while slot == PARENT && !CHILDREN.iter().all(made) {
                std::thread::yield_now();
            }
        }
        let ready = |slot| self.shared.actor(slot).ready.load(Ordering::Acquire);
        while !(0..ACTORS).all(ready) {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Does what the driver says, for good.
    fn act(&self, slot: usize) -> Result<()> {
        let (state, socket) = (self.shared.actor(slot), self.sockets[slot]);
        let cx = Cx {
            target: self.target,
            shared: self.shared,
        };
        let mut buf = vec![0; LONGEST_ORDER];
        loop {
            let command: Command = receive(socket, &mut buf, true)?.context("command")?;
            state.started.store(command.number, Ordering::Release);
            // As the kernel threads that do a part of it for devpts, so that what it wakes preempts it as it does them.
            if command.op.writes() {
                lower()?;
            }
            let outcome = command.op.run(&cx);
            if state.blocked.load(Ordering::Acquire) == command.number {
                schedule(libc::SCHED_FIFO)?;
                let seen = Observation::default();
                send(socket, &Reply { outcome, seen })?;
                state.done.store(command.number, Ordering::Release);
                continue;
            }
            // What it set off in kernel threads and other actors comes first.
            schedule(libc::SCHED_IDLE)?;
            let seen = self.observe(&command.look);
            send(socket, &Reply { outcome, seen })?;
            state.done.store(command.number, Ordering::Release);
            schedule(libc::SCHED_FIFO)?;
        }
    }

    /// Looks at descriptors and actors.
    fn observe(&self, look: &Look) -> Observation {
        let poll = |fd: &i32| libc::pollfd {
            fd: *fd,
            events: !0,
            revents: 0,
        };
        let mut polls: Vec<libc::pollfd> = look.fds.iter().map(poll).collect();
        // SAFETY: as many as said.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 0) };
        let int = |fd: i32, request| {
            let mut value = -1;
            // SAFETY: requests that write an int.
            unsafe { libc::ioctl(fd, request, &mut value) };
            value
        };
        let all = |p: &libc::pollfd| (p.fd, p.revents, departures::input(int(p.fd, libc::TIOCINQ)));
        let state = |slot: &u8| (*slot, self.state(usize::from(*slot)));
        Observation {
            fds: polls.iter().map(all).collect(),
            states: look.busy.iter().map(state).collect(),
            ended: Vec::new(),
        }
    }

    /// Waits for processes that have ended: their ids and statuses.
    fn bury(&self) -> Vec<(i32, i32)> {
        let mut ended = Vec::new();
        loop {
            let mut status = 0;
            // SAFETY: writes an int.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                return ended;
            }
            for slot in 0..ACTORS {
                let actor = &self.shared.actor(slot).pid;
                let _ = actor.compare_exchange(pid, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
            ended.push((pid, status));
        }
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
