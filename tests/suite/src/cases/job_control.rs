// SPDX-License-Identifier: GPL-2.0
//! Process groups: the foreground, and what the background may not do.

use std::os::fd::OwnedFd;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGTTIN, SIGTTOU};
use nix::unistd::getpid;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::ctty::{holder, open, RW};
use crate::fixture::ioctl::{self, TIOCGPGRP, TIOCGSID, TIOCSPGRP};
use crate::fixture::process::{child, own_group, session, Child, Gate};
use crate::fixture::{io, signals, term, Fs, Pty};

cases! { "job_control":
    pgrp_and_session_from_slave => "TIOCGPGRP and TIOCGSID on the slave give the session's, to its members only",
    pgrp_and_session_from_master => "TIOCGPGRP and TIOCGSID on the master answer anyone, 0 and ENOTTY when there is none",
    set_pgrp => "TIOCSPGRP sets the foreground group, from slave and master",
    set_pgrp_errors => "TIOCSPGRP: a negative group EINVAL, none such ESRCH, of another session EPERM, no terminal ENOTTY",
    background_read_stops => "a read from the background stops the job by SIGTTIN, and goes on in the foreground",
    background_read_ignored => "a read from the background is EIO when SIGTTIN is ignored, or blocked, or nobody could resume",
    background_write_passes => "a write from the background passes without TOSTOP",
    background_write_stops => "a write from the background stops the job by SIGTTOU with TOSTOP",
    background_write_ignored => "with SIGTTOU ignored or blocked the write passes despite TOSTOP",
    background_settings => "tcsetattr, TCFLSH and the like from the background stop the job by SIGTTOU, unless it is ignored",
    master_is_exempt => "the master's ioctls and reads are not bound to the foreground",
}

fn pgrp_and_session_from_slave(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let outside = pty.slave()?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        check_eq!(
            Ok(getpid().as_raw()),
            ioctl::get(&slave, TIOCGPGRP),
            "TIOCGPGRP"
        );
        check_eq!(
            Ok(getpid().as_raw()),
            ioctl::get(&slave, TIOCGSID),
            "TIOCGSID"
        );
        session(|| {
            check_errno(
                ioctl::get(&slave, TIOCGPGRP),
                Errno::ENOTTY,
                "TIOCGPGRP in another session",
            )?;
            check_errno(
                ioctl::get(&slave, TIOCGSID),
                Errno::ENOTTY,
                "TIOCGSID in another session",
            )
        })?
        .succeed()
    })?
    .succeed()?;
    check_errno(
        ioctl::get(&outside, TIOCGPGRP),
        Errno::ENOTTY,
        "TIOCGPGRP with no terminal",
    )
}

fn pgrp_and_session_from_master(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    check_eq!(
        Ok(0),
        ioctl::get(&pty.master, TIOCGPGRP),
        "TIOCGPGRP with no session"
    );
    check_errno(
        ioctl::get(&pty.master, TIOCGSID),
        Errno::ENOTTY,
        "TIOCGSID with no session",
    )?;
    let go = Gate::new()?;
    let leader = holder(&pty, &go)?;
    check_eq!(
        Ok(leader.pid.as_raw()),
        ioctl::get(&pty.master, TIOCGPGRP),
        "TIOCGPGRP"
    );
    check_eq!(
        Ok(leader.pid.as_raw()),
        ioctl::get(&pty.master, TIOCGSID),
        "TIOCGSID"
    );
    go.open()?;
    leader.succeed()?;
    check_errno(
        ioctl::get(&pty.master, TIOCGSID),
        Errno::ENOTTY,
        "TIOCGSID after the leader's end",
    )
}

fn set_pgrp(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        signals::block(&[SIGTTOU])?;
        let slave = pty.try_slave(RW).context("open")?;
        let (ready, go) = (Gate::new()?, Gate::new()?);
        let job = child(|| {
            own_group()?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        ioctl::set(&slave, TIOCSPGRP, job.pid.as_raw()).context("TIOCSPGRP on the slave")?;
        check_eq!(
            Ok(job.pid.as_raw()),
            ioctl::get(&slave, TIOCGPGRP),
            "from the slave"
        );
        check_eq!(
            Ok(job.pid.as_raw()),
            ioctl::get(&pty.master, TIOCGPGRP),
            "from the master"
        );
        ioctl::set(&pty.master, TIOCSPGRP, getpid().as_raw()).context("TIOCSPGRP on the master")?;
        check_eq!(
            Ok(getpid().as_raw()),
            ioctl::get(&slave, TIOCGPGRP),
            "set on the master"
        );
        go.open()?;
        job.succeed()
    })?
    .succeed()
}

fn set_pgrp_errors(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let outside = getpid().as_raw();
    let stranger = pty.slave()?;
    check_errno(
        ioctl::set(&stranger, TIOCSPGRP, outside),
        Errno::ENOTTY,
        "without a controlling terminal",
    )?;
    check_errno(
        ioctl::set(&pty.master, TIOCSPGRP, outside),
        Errno::ENOTTY,
        "the master, without a controlling terminal",
    )?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        check_errno(
            ioctl::set(&slave, TIOCSPGRP, -5),
            Errno::EINVAL,
            "a negative group",
        )?;
        check_errno(
            ioctl::set(&slave, TIOCSPGRP, 4_000_000),
            Errno::ESRCH,
            "no such group",
        )?;
        check_errno(
            ioctl::set(&slave, TIOCSPGRP, outside),
            Errno::EPERM,
            "a group of another session",
        )?;
        check_errno(
            ioctl::call(&slave, TIOCSPGRP, 0),
            Errno::EFAULT,
            "a bad address",
        )
    })?
    .succeed()
}

/// Runs `job` in a background group of a session on the pty; `leader` runs meanwhile in the foreground.
fn background(
    ctx: &Ctx,
    settings: impl FnOnce(&mut term::Termios),
    job: impl FnOnce(&Pty, &OwnedFd) -> Outcome,
    leader: impl FnOnce(&Pty, &OwnedFd, &Child) -> Outcome,
) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        term::modify(&slave, settings)?;
        let job = child(|| {
            own_group()?;
            job(&pty, &slave)
        })?;
        leader(&pty, &slave, &job)
    })?
    .succeed()
}

/// Puts a stopped job into the foreground and lets it go on.
fn resume(slave: &OwnedFd, job: &Child) -> Outcome {
    signals::block(&[SIGTTOU])?;
    ioctl::set(slave, TIOCSPGRP, job.pid.as_raw()).context("TIOCSPGRP")?;
    job.signal(SIGCONT)
}

fn background_read_stops(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |_| (),
        |_, slave| {
            check_eq!(Ok(b"line\n".to_vec()), io::read_now(slave, 100), "read");
            Ok(())
        },
        |pty, slave, job| {
            job.stopped_by(SIGTTIN)?;
            resume(slave, job)?;
            io::write_all(&pty.master, b"line\n")?;
            job.succeed()
        },
    )
}

fn background_read_ignored(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |_| (),
        |_, slave| {
            signals::ignore(SIGTTIN)?;
            check_errno(io::read_now(slave, 1), Errno::EIO, "SIGTTIN ignored")?;
            signals::block(&[SIGTTIN])?;
            check_errno(io::read_now(slave, 1), Errno::EIO, "SIGTTIN blocked")
        },
        |_, _, job| job.succeed(),
    )?;
    let pty = Pty::open(&Fs::at(ctx, "orphan", "")?)?;
    let told = Gate::new()?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        signals::block(&[SIGHUP])?;
        let parent_gone = Gate::new()?;
        // Once its parent has ended, nobody in the session could resume the group.
        child(|| {
            own_group()?;
            let orphan = child(|| {
                parent_gone.pass()?;
                let result = io::read_now(&slave, 1);
                told.send(result.err().map_or(0, |e| e as i64))
            })?;
            std::mem::forget(orphan);
            Ok(())
        })?
        .succeed()?;
        parent_gone.open()?;
        check_eq!(
            Errno::EIO as i64,
            told.receive()?,
            "errno of a read from an orphaned group"
        );
        Ok(())
    })?
    .succeed()
}

fn background_write_passes(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |_| (),
        |_, slave| io::write_all(slave, b"bg\n"),
        |pty, _, job| {
            job.succeed()?;
            io::expect(&pty.master, b"bg\r\n")
        },
    )
}

fn background_write_stops(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |t| t.c_lflag |= libc::TOSTOP,
        |_, slave| io::write_all(slave, b"bg\n"),
        |pty, slave, job| {
            job.stopped_by(SIGTTOU)?;
            resume(slave, job)?;
            io::expect(&pty.master, b"bg\r\n")?;
            job.succeed()
        },
    )
}

fn background_write_ignored(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |t| t.c_lflag |= libc::TOSTOP,
        |_, slave| {
            signals::block(&[SIGTTOU])?;
            io::write_all(slave, b"one\n")?;
            signals::ignore(SIGTTOU)?;
            signals::unblock(&[SIGTTOU])?;
            io::write_all(slave, b"two\n")
        },
        |pty, _, job| {
            io::expect(&pty.master, b"one\r\ntwo\r\n")?;
            job.succeed()
        },
    )
}

fn background_settings(ctx: &Ctx) -> Outcome {
    let steps: [fn(&OwnedFd) -> Outcome; 5] = [
        |slave| term::modify(slave, |t| t.c_lflag ^= libc::ECHO),
        |slave| {
            ioctl::call(slave, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)
                .map(drop)
                .context("TCFLSH")
        },
        |slave| {
            ioctl::call(slave, ioctl::TCXONC, libc::TCOON as libc::c_ulong)
                .map(drop)
                .context("TCXONC")
        },
        |slave| {
            ioctl::call(slave, ioctl::TCSBRK, 1)
                .map(drop)
                .context("TCSBRK")
        },
        |slave| ioctl::set(slave, TIOCSPGRP, getpid().as_raw()).context("TIOCSPGRP"),
    ];
    for step in steps {
        background(
            ctx,
            |_| (),
            |_, slave| step(slave),
            |_, slave, job| {
                job.stopped_by(SIGTTOU)?;
                resume(slave, job)?;
                job.succeed()
            },
        )?;
        background(
            ctx,
            |_| (),
            |_, slave| {
                signals::ignore(SIGTTOU)?;
                step(slave)
            },
            |_, _, job| job.succeed(),
        )?;
    }
    Ok(())
}

fn master_is_exempt(ctx: &Ctx) -> Outcome {
    background(
        ctx,
        |t| t.c_lflag |= libc::TOSTOP,
        |pty, _| {
            io::write_all(&pty.master, b"x\n")?;
            io::expect(&pty.master, b"x\r\n")?;
            ioctl::call(&pty.master, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)
                .context("TCFLSH")?;
            ioctl::set_winsize(&pty.master, [1, 1, 1, 1]).context("TIOCSWINSZ")
        },
        |_, _, job| job.succeed(),
    )
}
