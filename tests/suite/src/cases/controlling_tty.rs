// SPDX-License-Identifier: GPL-2.0
//! Controlling terminals: who gets one, and who loses it.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGTTOU};
use nix::unistd::getpid;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ctty::{holder, no_tty, open, tty, RW};
use crate::fixture::ioctl::{self, TIOCGDEV, TIOCGSID, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP};
use crate::fixture::process::{become_user, child, own_group, session, Child, Gate};
use crate::fixture::{io, signals, Fs, Pty};

cases! { "controlling_tty":
    open_gives_ctty => "a session leader without a terminal gets the slave that it opens, readers only",
    open_gives_none => "not with O_NOCTTY, not write-only, not to another than the leader, not a second one",
    taken_terminal_is_not_given => "a slave that controls one session is not given to another by open",
    tiocsctty => "TIOCSCTTY gives the terminal to a leader without one, and is EPERM to others",
    tiocsctty_on_master => "TIOCSCTTY on the master gives the slave as controlling terminal",
    tiocsctty_steals => "TIOCSCTTY with 1 takes the terminal from another session, with CAP_SYS_ADMIN only",
    tiocnotty_by_leader => "TIOCNOTTY by the leader sends SIGHUP and SIGCONT to the foreground group",
    tiocnotty_by_others => "TIOCNOTTY by another process of the session parts that process only",
    tiocnotty_elsewhere => "TIOCNOTTY on what is not the caller's terminal, or the master, is ENOTTY",
    child_inherits => "a forked child has the same terminal, a new session has none",
}

fn open_gives_ctty(ctx: &Ctx) -> Outcome {
    for (flags, index) in [(RW, 0), (OFlag::O_RDONLY, 1)] {
        let pty = Pty::open(&Fs::at(ctx, &index.to_string(), "")?)?;
        session(|| {
            no_tty("/dev/tty at first")?;
            let slave = pty.try_slave(flags).context("open")?;
            let ctty = tty().with_context(|| format!("/dev/tty after open {flags:?}"))?;
            check_eq!(
                ioctl::get(&slave, TIOCGDEV)?,
                ioctl::get(&ctty, TIOCGDEV)?,
                "device of /dev/tty"
            );
            check_eq!(
                Ok(getpid().as_raw()),
                ioctl::get(&slave, TIOCGSID),
                "session"
            );
            drop(ctty);
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
        let first = ioctl::get(&tty().context("/dev/tty")?, TIOCGDEV)?;
        let _e = other.try_slave(RW).context("open another")?;
        check_eq!(
            first,
            ioctl::get(&tty()?, TIOCGDEV)?,
            "the controlling terminal after opening another"
        );
        Ok(())
    })?
    .succeed()
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
        child(|| {
            check_errno(
                ioctl::call(&slave, TIOCSCTTY, 0),
                Errno::EPERM,
                "by a process that leads no session",
            )
        })?
        .succeed()?;
        ioctl::call(&slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
        tty().context("/dev/tty")?;
        ioctl::call(&slave, TIOCSCTTY, 0).context("TIOCSCTTY again")?;
        let other = Pty::open(&Fs::at(ctx, "other", "")?)?;
        let second = other.slave()?;
        check_errno(
            ioctl::call(&second, TIOCSCTTY, 0),
            Errno::EPERM,
            "with a terminal already",
        )
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
        check_errno(
            ioctl::call(&slave, TIOCSCTTY, 1),
            Errno::EPERM,
            "without the capability",
        )
    })?
    .succeed()?;
    session(|| {
        let slave = pty.slave()?;
        ioctl::call(&slave, TIOCSCTTY, 1).context("TIOCSCTTY 1")?;
        check_eq!(
            Ok(getpid().as_raw()),
            ioctl::get(&slave, TIOCGSID),
            "session"
        );
        go.open()?;
        victim_done(&victim)
    })?
    .succeed()?;
    victim.succeed()
}

/// Waits, from another child, until a sibling has ended.
fn victim_done(victim: &Child) -> Outcome {
    crate::fixture::wait::until("the first session to end", || {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", victim.pid)).unwrap_or_default();
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
        check!(
            !signals::pending(SIGHUP)?,
            "the leader, not in the foreground, got SIGHUP"
        );
        job.succeed()?;
        io::write_all(&slave, b"open\n")?;
        io::expect(&pty.master, b"open\r\n")
    })?
    .succeed()?;
    // Free for another session.
    session(|| {
        pty.try_slave(RW)
            .map(drop)
            .context("open")
            .and_then(|()| tty().map(drop).context("/dev/tty"))
    })?
    .succeed()
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
        check_errno(
            ioctl::call(&stranger, TIOCNOTTY, 0),
            Errno::ENOTTY,
            "another slave",
        )?;
        check_errno(
            ioctl::call(&pty.master, TIOCNOTTY, 0),
            Errno::ENOTTY,
            "the master",
        )?;
        tty().map(drop).context("/dev/tty")
    })?
    .succeed()
}

fn child_inherits(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        let slave = pty.try_slave(RW).context("open")?;
        let device = ioctl::get(&slave, TIOCGDEV).context("TIOCGDEV")?;
        child(|| {
            let tty = tty().context("/dev/tty in a child")?;
            check_eq!(
                Ok(device),
                ioctl::get(&tty, TIOCGDEV),
                "device of /dev/tty in a child"
            );
            Ok(())
        })?
        .succeed()?;
        session(|| no_tty("/dev/tty in a new session"))?.succeed()
    })?
    .succeed()
}
