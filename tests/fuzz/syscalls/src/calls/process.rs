// SPDX-License-Identifier: GPL-2.0
//! Signals, sessions, processes, memory.

use std::sync::atomic::Ordering::Relaxed;

use super::{sys, Call};
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("kill", 8, |w| {
        let who = w.rng.usize(..w.plan.processes);
        let pid = w.shared.pids[who].load(Relaxed);
        if pid <= 1 {
            return 0;
        }
        let pid = if w.percent(5) { -pid } else { pid };
        let signal = w.of(SIGNALS);
        sys!(SYS_kill, pid, signal)
    }),
    Call::new("kill all", 1, |w| {
        let signal = w.of(&[
            libc::SIGHUP,
            libc::SIGIO,
            libc::SIGCONT,
            libc::SIGWINCH,
            libc::SIGTSTP,
            0,
        ]);
        sys!(SYS_kill, -1, signal)
    }),
    Call::new("sigaction", 4, |w| {
        let signal = w.of(SIGNALS);
        let old = match w.rng.u8(..4) {
            // SAFETY: these are ways of a signal's taking that need no handler of ours.
            0 => unsafe { libc::signal(signal, libc::SIG_IGN) },
            // SAFETY: As above.
            1 => unsafe { libc::signal(signal, libc::SIG_DFL) },
            _ => crate::crew::handle(signal),
        };
        if old == libc::SIG_ERR {
            -1
        } else {
            0
        }
    }),
    Call::new("setsid", 2, |_| sys!(SYS_setsid)),
    Call::new("setpgid", 3, |w| {
        let who = w.rng.usize(..w.plan.processes);
        let pid = w.shared.pids[who].load(Relaxed);
        let (pid, group) = (w.of(&[0, 0, pid]), w.of(&[0, pid]));
        sys!(SYS_setpgid, pid, group)
    }),
    Call::new("vhangup", 1, |_| sys!(SYS_vhangup)),
    Call::new("fork", 6, fork),
    Call::new("session", 6, session),
    Call::new("hoard memory", 2, hoard),
    Call::new("yield", 3, |w| {
        if w.percent(50) {
            return sys!(SYS_sched_yield);
        }
        let time = [0i64, w.rng.i64(0..3_000_000)];
        sys!(SYS_nanosleep, time.as_ptr(), 0)
    }),
];

const SIGNALS: &[i32] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGIO,
    libc::SIGWINCH,
    libc::SIGSTOP,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGKILL,
];

/// Makes a child that does what `run` says, and may be killed any time.
fn child(w: &mut Worker, run: impl FnOnce(&mut Worker)) -> i64 {
    // SAFETY: of the threads only this one goes on in the child; it makes system calls and allocates.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: the child's own settings, and its end.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::alarm(1);
            run(w);
            libc::_exit(0);
        }
    }
    // Its status is taken by a later call, or by who is left with it.
    // SAFETY: a system call without memory.
    unsafe { while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {} };
    pid.into()
}

fn fork(w: &mut Worker) -> i64 {
    let pid = child(w, |w| {
        w.rng = fastrand::Rng::with_seed(w.rng.u64(..) ^ 1);
        w.ring = None;
        for _ in 0..w.rng.u8(..20) {
            w.step();
        }
    });
    w.rng.u64(..);
    pid
}

/// A session with a terminal, which ends, or has it taken away.
fn session(w: &mut Worker) -> i64 {
    let slave = w.fd(What::Slave);
    child(w, |w| {
        w.rng = fastrand::Rng::with_seed(w.rng.u64(..) ^ 2);
        sys!(SYS_setsid);
        sys!(SYS_ioctl, slave, libc::TIOCSCTTY, w.rng.i32(0..2));
        for signal in [libc::SIGHUP, libc::SIGTTOU] {
            if w.percent(50) {
                crate::crew::handle(signal);
            }
        }
        for _ in 0..w.rng.u8(..10) {
            w.step();
        }
        if w.percent(30) {
            let tty = sys!(
                SYS_openat,
                libc::AT_FDCWD,
                c"/dev/tty".as_ptr(),
                libc::O_RDWR
            );
            sys!(SYS_ioctl, tty, libc::TIOCNOTTY, 0);
        }
    })
}

/// Takes some memory, or gives it back.
fn hoard(w: &mut Worker) -> i64 {
    if let Some((at, len)) = w.hoard.take() {
        return sys!(SYS_munmap, at, len);
    }
    let len = (1 << 20) * w.rng.usize(1..12);
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    let at = sys!(
        SYS_mmap,
        0,
        len,
        libc::PROT_READ | libc::PROT_WRITE,
        kind,
        -1,
        0
    );
    if at > 0 {
        w.hoard = Some((at as usize, len));
    }
    at
}
