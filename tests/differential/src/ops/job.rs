// SPDX-License-Identifier: GPL-2.0
//! What a child does that is a job of its maker's session, or leads one.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::child::{exit_now, fork, reap, Offspring, Page};
use super::files::open;
use super::flags::OpenFlags;
use crate::outcome::Outcome;
use crate::world::DEV_TTY;

/// What a job does with the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Deed {
    /// read(2) of a line or so.
    Read,
    /// write(2).
    Write,
    /// tcgetattr(3), and sets what it got.
    Settings,
    /// `TCFLSH` of the input.
    Flush,
    /// `TIOCSPGRP` of the job itself.
    TakeForeground,
    /// `TIOCSWINSZ`.
    Size,
    /// tcdrain(3).
    Drain,
    /// `TIOCNOTTY`.
    NoTty,
    /// `TIOCSCTTY` without force.
    TakeTty,
    /// `TIOCGSID`.
    Session,
    /// Opens [`DEV_TTY`] and asks for its foreground group.
    DevTty,
}

/// Which group and session a job is in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// The actor's.
    Same,
    /// A group of its own in the actor's session.
    Background,
    /// A session of its own, without a terminal.
    Alone,
    /// A session of its own, with the terminal, if that can be had.
    Leader,
    /// As `Leader`, and a child has the foreground.
    LeaderBehind,
}

/// What a job does about `SIGTTIN` and `SIGTTOU`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Manner {
    /// Stops.
    Default,
    /// Ignores them.
    Ignore,
    /// Blocks them.
    Block,
    /// Counts them.
    Catch,
}

/// An ioctl whose argument is a number; the result, or the negative error number.
fn ioctl(fd: i32, request: u64, value: i64) -> i64 {
    // SAFETY: requests whose argument is a number.
    Outcome::from_ret(unsafe { libc::ioctl(fd, request, value) }.into()).ret
}

/// `TIOCSCTTY`, if `wanted`.
pub fn take_tty(fd: i32, wanted: bool) -> i64 {
    if wanted {
        ioctl(fd, libc::TIOCSCTTY, 0)
    } else {
        0
    }
}

/// `TIOCSPGRP`.
pub fn set_group(fd: i32, group: i32) -> i64 {
    // SAFETY: reads an int.
    Outcome::from_ret(unsafe { libc::ioctl(fd, libc::TIOCSPGRP, &group) }.into()).ret
}

impl Place {
    /// All of them, the background most.
    pub fn any() -> BoxedStrategy<Self> {
        prop_oneof![
            2 => Just(Place::Same),
            5 => Just(Place::Background),
            1 => Just(Place::Alone),
            2 => Just(Place::Leader),
            2 => Just(Place::LeaderBehind),
        ]
        .boxed()
    }

    /// Puts the calling child there.
    fn take(self, fd: i32) {
        // SAFETY: no pointers.
        unsafe {
            match self {
                Self::Same => {}
                Self::Background => {
                    libc::setpgid(0, 0);
                }
                Self::Alone => {
                    libc::setsid();
                }
                Self::Leader => {
                    libc::setsid();
                    ioctl(fd, libc::TIOCSCTTY, 0);
                }
                Self::LeaderBehind => {
                    libc::setsid();
                    ioctl(fd, libc::TIOCSCTTY, 0);
                    if let Some(pid) = fork(|| loop {
                        libc::pause();
                    }) {
                        libc::setpgid(pid, pid);
                        set_group(fd, pid);
                    }
                }
            }
        }
    }
}

impl Manner {
    /// All of them.
    pub fn any() -> BoxedStrategy<Self> {
        prop_oneof![
            4 => Just(Manner::Default),
            1 => Just(Manner::Ignore),
            1 => Just(Manner::Block),
            1 => Just(Manner::Catch),
        ]
        .boxed()
    }

    fn take(self) {
        // SAFETY: plain calls; the set is initialised.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in [libc::SIGTTIN, libc::SIGTTOU] {
                match self {
                    Self::Default => {
                        libc::signal(signal, libc::SIG_DFL);
                    }
                    Self::Ignore => {
                        libc::signal(signal, libc::SIG_IGN);
                    }
                    Self::Block => {
                        libc::sigaddset(&mut set, signal);
                    }
                    Self::Catch => {}
                }
            }
            libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            for signal in [libc::SIGHUP, libc::SIGCONT, libc::SIGINT, libc::SIGTSTP] {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

impl Deed {
    /// All of them.
    pub fn any() -> BoxedStrategy<Self> {
        prop_oneof![
            4 => Just(Deed::Read),
            3 => Just(Deed::Write),
            2 => Just(Deed::Settings),
            1 => Just(Deed::Flush),
            2 => Just(Deed::TakeForeground),
            1 => Just(Deed::Size),
            1 => Just(Deed::Drain),
            1 => Just(Deed::NoTty),
            1 => Just(Deed::TakeTty),
            1 => Just(Deed::Session),
            1 => Just(Deed::DevTty),
        ]
        .boxed()
    }

    /// Does it, and gives what the call returned and what it read.
    fn act(self, fd: i32) -> (i64, Vec<u8>) {
        let mut bytes = vec![0; 16];
        // SAFETY: buffers are as long as said, and outlive the calls.
        let ret = unsafe {
            match self {
                Self::Read => {
                    let n = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
                    let ret = Outcome::from_ret(n as i64).ret;
                    bytes.truncate(usize::try_from(ret).unwrap_or(0));
                    return (ret, bytes);
                }
                Self::Write => libc::write(fd, c"job\n".as_ptr().cast(), 4) as i64,
                Self::Settings => {
                    let mut termios: libc::termios = std::mem::zeroed();
                    if libc::tcgetattr(fd, &mut termios) < 0 {
                        -1
                    } else {
                        libc::tcsetattr(fd, libc::TCSANOW, &termios).into()
                    }
                }
                Self::Flush => return (ioctl(fd, libc::TCFLSH, libc::TCIFLUSH.into()), Vec::new()),
                Self::TakeForeground => return (set_group(fd, libc::getpgrp()), Vec::new()),
                Self::Size => {
                    let size = [7_u16, 7, 0, 0];
                    libc::ioctl(fd, libc::TIOCSWINSZ, &size).into()
                }
                Self::Drain => libc::tcdrain(fd).into(),
                Self::NoTty => return (ioctl(fd, libc::TIOCNOTTY, 0), Vec::new()),
                Self::TakeTty => return (ioctl(fd, libc::TIOCSCTTY, 0), Vec::new()),
                Self::Session => {
                    let mut session = 0;
                    if libc::ioctl(fd, libc::TIOCGSID, &mut session) < 0 {
                        -1
                    } else {
                        i64::from(session)
                    }
                }
                Self::DevTty => {
                    let tty = open(DEV_TTY, OpenFlags(libc::O_RDWR));
                    let ret = if tty < 0 {
                        -1
                    } else {
                        i64::from(libc::tcgetpgrp(tty))
                    };
                    let ret = Outcome::from_ret(ret).ret;
                    libc::close(tty);
                    return (ret, Vec::new());
                }
            }
        };
        (Outcome::from_ret(ret).ret, Vec::new())
    }
}

/// A child in its place does its deed. Values: what its call gave, how it ended and by what number, and what became of the foreground.
pub fn run(fd: i32, place: Place, manner: Manner, deed: Deed, resume: bool) -> Outcome {
    let Some(page) = Page::new() else {
        return Outcome::from_ret(-1);
    };
    let offspring = Offspring::adopt();
    let child = fork(|| {
        place.take(fd);
        manner.take();
        let (ret, bytes) = deed.act(fd);
        page.put(ret, &bytes);
        exit_now();
    });
    let Some(child) = child else {
        return Outcome::from_ret(-1);
    };
    let mut values = Vec::new();
    let mut end = reap(child, libc::WUNTRACED);
    if let (Ok((2, _)), true) = (end, resume) {
        values.push(set_group(fd, child));
        // SAFETY: no pointers.
        unsafe { libc::kill(child, libc::SIGCONT) };
        end = reap(child, libc::WUNTRACED);
        // SAFETY: no pointers.
        values.push(set_group(fd, unsafe { libc::getpgrp() }));
    }
    if !matches!(end, Ok((0 | 1, _))) {
        // SAFETY: no pointers.
        unsafe { libc::kill(child, libc::SIGKILL) };
        while reap(child, 0) == Err(libc::EINTR) {}
    }
    offspring.reap();
    match end {
        Ok((how, number)) => values.extend([how, number]),
        Err(errno) => values.extend([-1, errno.into()]),
    }
    let (ret, bytes) = page.get();
    Outcome {
        ret: 0,
        bytes,
        values: [vec![ret], values].concat(),
        text: Vec::new(),
    }
}

/// A session leader with a stopped job exits, or is hung up first. Values: what the leader's calls gave, how it ended, the
/// signals that the job found pending, and whether it still had the terminal.
pub fn leader_exits(fd: i32, foreground: bool, hang: bool) -> Outcome {
    let (Some(leader_says), Some(job_says)) = (Page::new(), Page::new()) else {
        return Outcome::from_ret(-1);
    };
    let offspring = Offspring::adopt();
    let leader = fork(|| {
        // SAFETY: plain calls; the sets are initialised.
        unsafe {
            libc::setsid();
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            let took = ioctl(fd, libc::TIOCSCTTY, 0);
            let job = fork(|| {
                // It outlives the leader.
                libc::prctl(libc::PR_SET_PDEATHSIG, 0);
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::sigfillset(&mut set);
                libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
                libc::setpgid(0, 0);
                libc::raise(libc::SIGSTOP);
                libc::sigpending(&mut set);
                let pending = (1..32)
                    .filter(|n| libc::sigismember(&set, *n) == 1 && *n != libc::SIGCONT)
                    .map(|n| n as u8)
                    .collect::<Vec<_>>();
                job_says.put(Deed::DevTty.act(-1).0, &pending);
                exit_now();
            });
            let Some(job) = job else {
                exit_now();
            };
            let mut set = 0;
            while reap(job, libc::WUNTRACED) == Err(libc::EINTR) {}
            if foreground {
                set = set_group(fd, job) as i32;
            }
            let hung = if hang { libc::vhangup() } else { 0 };
            leader_says.put(
                job.into(),
                &[took, set.into(), hung.into()].map(|n: i64| n as u8),
            );
            exit_now();
        }
    });
    let Some(leader) = leader else {
        return Outcome::from_ret(-1);
    };
    let mut end = reap(leader, 0);
    while end == Err(libc::EINTR) {
        end = reap(leader, 0);
    }
    let (job, calls) = leader_says.get();
    // Where nobody made it go on, this does.
    if let (1.., Ok(pid)) = (job, i32::try_from(job)) {
        // SAFETY: no pointers.
        unsafe { libc::kill(pid, libc::SIGCONT) };
    }
    offspring.reap();
    let (tty, pending) = job_says.get();
    let (how, number) = end.unwrap_or((-1, -1));
    Outcome {
        ret: 0,
        bytes: [calls, pending].concat(),
        values: vec![how, number, tty],
        text: Vec::new(),
    }
}
