// SPDX-License-Identifier: GPL-2.0
//! Sessions, controlling terminals and process groups.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGTTIN, SIGTTOU};
use nix::unistd::getpid;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPGRP, TIOCGSID, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child, own_group, session, Child, Gate};
use crate::fixture::{io, signals, term, Fs, Pty};

cases! { "job_control":
    open_gives_ctty => "a session leader without a terminal gets the slave that it opens, readers only",
    open_gives_none => "not with O_NOCTTY, not write-only, not to another than the leader, not a second one",
    taken_terminal_is_not_given => "a slave that controls one session is not given to another by open",
    tiocsctty => "TIOCSCTTY gives the terminal to a leader without one, and is EPERM to others",
    tiocsctty_on_master => "TIOCSCTTY on the master gives the slave as controlling terminal",
    tiocsctty_steals => "TIOCSCTTY with 1 takes the terminal from another session, with CAP_SYS_ADMIN only",
    tiocnotty_by_leader => "TIOCNOTTY by the leader sends SIGHUP and SIGCONT to the foreground group",
    tiocnotty_by_others => "TIOCNOTTY by another process of the session parts that process only",
    tiocnotty_elsewhere => "TIOCNOTTY on what is not the caller's terminal, or the master, is ENOTTY",
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
    child_inherits => "a forked child has the same terminal, a new session has none",
}

fn tty() -> nix::Result<OwnedFd> {
    open_at("/dev/tty".as_ref(), OFlag::O_RDWR)
}

fn no_tty(what: &str) -> Outcome {
    check_errno(tty(), Errno::ENXIO, what)
}

fn open(ctx: &Ctx) -> Result<Pty> {
    Pty::open(&Fs::with(ctx, "ptmxmode=666,mode=666")?)
}

const RW: OFlag = OFlag::O_RDWR;

fn open_gives_ctty(ctx: &Ctx) -> Outcome {
    for (flags, index) in [(RW, 0), (OFlag::O_RDONLY, 1)] {
        let pty = Pty::open(&Fs::at(ctx, &index.to_string(), "")?)?;
        session(|| {
            no_tty("/dev/tty at first")?;
            let slave = pty.try_slave(flags).context("open")?;
            tty().with_context(|| format!("/dev/tty after open {flags:?}"))?;
            drop(slave);
            tty().context("/dev/tty after the slave was closed")?;
            Ok(())
        })?
        .succeed()?;
    }
    Ok(())
}

fn open_gives_none(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let (pty, other) = (Pty::open(&fs)?, Pty::open(&fs)?);
    session(|| {
        let _a = pty.try_slave(RW | OFlag::O_NOCTTY).context("O_NOCTTY")?;
        no_tty("after O_NOCTTY")?;
        let _b = pty.try_slave(OFlag::O_WRONLY).context("O_WRONLY")?;
        no_tty("after O_WRONLY")?;
        child(|| {
            let _c = pty.try_slave(RW).context("open")?;
            no_tty("after open by a process that leads no session")
        })?
        .succeed()?;
        let _d = pty.try_slave(RW).context("open")?;
        let first = ioctl::get(&tty().context("/dev/tty")?, ioctl::TIOCGDEV)?;
        let _e = other.try_slave(RW).context("open another")?;
        check_eq!(first, ioctl::get(&tty()?, ioctl::TIOCGDEV)?, "the controlling terminal after opening another");
        Ok(())
    })?
    .succeed()
}

/// A session that holds the pty as its terminal until told to go.
fn holder(pty: &Pty, go: &Gate) -> Result<Child> {
    let ready = Gate::new()?;
    let holder = session(|| {
        signals::block(&[SIGHUP])?;
        let _slave = pty.try_slave(RW).context("open")?;
        ready.open()?;
        go.pass()
    })?;
    ready.pass()?;
    Ok(holder)
}

fn taken_terminal_is_not_given(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let go = Gate::new()?;
    let first = holder(&pty, &go)?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        no_tty("/dev/tty in the second session")?;
        check_errno(ioctl::call(&slave, TIOCSCTTY, 0), Errno::EPERM, "TIOCSCTTY")
    })?
    .succeed()?;
    go.open()?;
    first.succeed()
}

fn tiocsctty(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        let slave = pty.try_slave(RW | OFlag::O_NOCTTY).context("open")?;
        child(|| check_errno(ioctl::call(&slave, TIOCSCTTY, 0), Errno::EPERM, "by a process that leads no session"))?.succeed()?;
        ioctl::call(&slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
        tty().context("/dev/tty")?;
        ioctl::call(&slave, TIOCSCTTY, 0).context("TIOCSCTTY again")?;
        let other = Pty::open(&Fs::at(ctx, "other", "")?)?;
        let second = other.slave()?;
        check_errno(ioctl::call(&second, TIOCSCTTY, 0), Errno::EPERM, "with a terminal already")
    })?
    .succeed()
}

fn tiocsctty_on_master(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let _slave = pty.slave()?;
    session(|| {
        ioctl::call(&pty.master, TIOCSCTTY, 0).context("TIOCSCTTY on the master")?;
        let tty = tty().context("/dev/tty")?;
        io::write_all(&tty, b"x")?;
        io::expect(&pty.master, b"x")
    })?
    .succeed()
}

fn tiocsctty_steals(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let go = Gate::new()?;
    let ready = Gate::new()?;
    let victim = session(|| {
        signals::block(&[SIGHUP])?;
        let _slave = pty.try_slave(RW).context("open")?;
        ready.open()?;
        go.pass()?;
        no_tty("/dev/tty of the first session")?;
        check!(!signals::pending(SIGHUP)?, "the first session got SIGHUP");
        Ok(())
    })?;
    ready.pass()?;
    session(|| {
        become_user(1000)?;
        let slave = pty.slave()?;
        check_errno(ioctl::call(&slave, TIOCSCTTY, 1), Errno::EPERM, "without the capability")
    })?
    .succeed()?;
    session(|| {
        let slave = pty.slave()?;
        ioctl::call(&slave, TIOCSCTTY, 1).context("TIOCSCTTY 1")?;
        check_eq!(Ok(getpid().as_raw()), ioctl::get(&slave, TIOCGSID), "session");
        go.open()?;
        victim_done(&victim)
    })?
    .succeed()?;
    victim.succeed()
}

/// Waits, from another child, until a sibling has ended.
fn victim_done(victim: &Child) -> Outcome {
    crate::fixture::wait::until("the first session to end", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", victim.pid)).unwrap_or_default();
        Ok(stat.is_empty() || stat.contains(") Z "))
    })
}

fn tiocnotty_by_leader(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        signals::block(&[SIGHUP, SIGCONT, SIGTTOU])?;
        let slave = pty.try_slave(RW).context("open")?;
        let ready = Gate::new()?;
        let job = child(|| {
            own_group()?;
            ioctl::set(&slave, TIOCSPGRP, getpid().as_raw()).context("TIOCSPGRP")?;
            ready.open()?;
            signals::expect(SIGHUP)?;
            signals::expect(SIGCONT)?;
            crate::fixture::wait::until("the terminal to go", || Ok(tty().is_err()))?;
            no_tty("/dev/tty of the job")
        })?;
        ready.pass()?;
        ioctl::call(&slave, TIOCNOTTY, 0).context("TIOCNOTTY")?;
        no_tty("/dev/tty of the leader")?;
        check!(!signals::pending(SIGHUP)?, "the leader, not in the foreground, got SIGHUP");
        job.succeed()?;
        io::write_all(&slave, b"open\n")?;
        io::expect(&pty.master, b"open\r\n")
    })?
    .succeed()?;
    // Free for another session.
    session(|| pty.try_slave(RW).map(drop).context("open").and_then(|()| tty().map(drop).context("/dev/tty")))?.succeed()
}

fn tiocnotty_by_others(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        signals::block(&[SIGHUP])?;
        let slave = pty.try_slave(RW).context("open")?;
        child(|| {
            ioctl::call(&slave, TIOCNOTTY, 0).context("TIOCNOTTY")?;
            no_tty("/dev/tty of the child")
        })?
        .succeed()?;
        tty().context("/dev/tty of the leader")?;
        check!(!signals::pending(SIGHUP)?, "SIGHUP");
        Ok(())
    })?
    .succeed()
}

fn tiocnotty_elsewhere(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let other = Pty::open(&Fs::at(ctx, "other", "")?)?;
    session(|| {
        let _slave = pty.try_slave(RW).context("open")?;
        let stranger = other.slave()?;
        check_errno(ioctl::call(&stranger, TIOCNOTTY, 0), Errno::ENOTTY, "another slave")?;
        check_errno(ioctl::call(&pty.master, TIOCNOTTY, 0), Errno::ENOTTY, "the master")?;
        tty().map(drop).context("/dev/tty")
    })?
    .succeed()
}

fn pgrp_and_session_from_slave(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let outside = pty.slave()?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        check_eq!(Ok(getpid().as_raw()), ioctl::get(&slave, TIOCGPGRP), "TIOCGPGRP");
        check_eq!(Ok(getpid().as_raw()), ioctl::get(&slave, TIOCGSID), "TIOCGSID");
        session(|| {
            check_errno(ioctl::get(&slave, TIOCGPGRP), Errno::ENOTTY, "TIOCGPGRP in another session")?;
            check_errno(ioctl::get(&slave, TIOCGSID), Errno::ENOTTY, "TIOCGSID in another session")
        })?
        .succeed()
    })?
    .succeed()?;
    check_errno(ioctl::get(&outside, TIOCGPGRP), Errno::ENOTTY, "TIOCGPGRP with no terminal")
}

fn pgrp_and_session_from_master(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCGPGRP), "TIOCGPGRP with no session");
    check_errno(ioctl::get(&pty.master, TIOCGSID), Errno::ENOTTY, "TIOCGSID with no session")?;
    let go = Gate::new()?;
    let leader = holder(&pty, &go)?;
    check_eq!(Ok(leader.pid.as_raw()), ioctl::get(&pty.master, TIOCGPGRP), "TIOCGPGRP");
    check_eq!(Ok(leader.pid.as_raw()), ioctl::get(&pty.master, TIOCGSID), "TIOCGSID");
    go.open()?;
    leader.succeed()?;
    check_errno(ioctl::get(&pty.master, TIOCGSID), Errno::ENOTTY, "TIOCGSID after the leader's end")
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
        check_eq!(Ok(job.pid.as_raw()), ioctl::get(&slave, TIOCGPGRP), "from the slave");
        check_eq!(Ok(job.pid.as_raw()), ioctl::get(&pty.master, TIOCGPGRP), "from the master");
        ioctl::set(&pty.master, TIOCSPGRP, getpid().as_raw()).context("TIOCSPGRP on the master")?;
        check_eq!(Ok(getpid().as_raw()), ioctl::get(&slave, TIOCGPGRP), "set on the master");
        go.open()?;
        job.succeed()
    })?
    .succeed()
}

fn set_pgrp_errors(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    let outside = getpid().as_raw();
    let stranger = pty.slave()?;
    check_errno(ioctl::set(&stranger, TIOCSPGRP, outside), Errno::ENOTTY, "without a controlling terminal")?;
    check_errno(ioctl::set(&pty.master, TIOCSPGRP, outside), Errno::ENOTTY, "the master, without a controlling terminal")?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        check_errno(ioctl::set(&slave, TIOCSPGRP, -5), Errno::EINVAL, "a negative group")?;
        check_errno(ioctl::set(&slave, TIOCSPGRP, 4_000_000), Errno::ESRCH, "no such group")?;
        check_errno(ioctl::set(&slave, TIOCSPGRP, outside), Errno::EPERM, "a group of another session")?;
        check_errno(ioctl::call(&slave, TIOCSPGRP, 0), Errno::EFAULT, "a bad address")
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
        check_eq!(Errno::EIO as i64, told.receive()?, "errno of a read from an orphaned group");
        Ok(())
    })?
    .succeed()
}

fn background_write_passes(ctx: &Ctx) -> Outcome {
    background(ctx, |_| (), |_, slave| io::write_all(slave, b"bg\n"), |pty, _, job| {
        job.succeed()?;
        io::expect(&pty.master, b"bg\r\n")
    })
}

fn background_write_stops(ctx: &Ctx) -> Outcome {
    background(ctx, |t| t.c_lflag |= libc::TOSTOP, |_, slave| io::write_all(slave, b"bg\n"), |pty, slave, job| {
        job.stopped_by(SIGTTOU)?;
        resume(slave, job)?;
        io::expect(&pty.master, b"bg\r\n")?;
        job.succeed()
    })
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
        |slave| ioctl::call(slave, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong).map(drop).context("TCFLSH"),
        |slave| ioctl::call(slave, ioctl::TCXONC, libc::TCOON as libc::c_ulong).map(drop).context("TCXONC"),
        |slave| ioctl::call(slave, ioctl::TCSBRK, 1).map(drop).context("TCSBRK"),
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
            ioctl::call(&pty.master, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCFLSH")?;
            ioctl::set_winsize(&pty.master, [1, 1, 1, 1]).context("TIOCSWINSZ")
        },
        |_, _, job| job.succeed(),
    )
}

fn child_inherits(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        let _slave = pty.try_slave(RW).context("open")?;
        child(|| tty().map(drop).context("/dev/tty in a child"))?.succeed()?;
        session(|| no_tty("/dev/tty in a new session"))?.succeed()
    })?
    .succeed()
}
