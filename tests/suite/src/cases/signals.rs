// SPDX-License-Identifier: GPL-2.0
//! Signals that the terminal sends: TIOCSIG, and the characters for interrupt, quit and suspend.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::{self, SIGCONT, SIGINT, SIGQUIT, SIGTSTP, SIGTTOU};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCINQ, TIOCSIG, TIOCSPGRP};
use crate::fixture::process::{child, own_group, session, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, signals, term, Fs, Pty};

cases! { "signals":
    tiocsig => "TIOCSIG sends SIGINT, SIGQUIT and SIGTSTP to the foreground group",
    tiocsig_others_are_invalid => "TIOCSIG with any other signal is EINVAL",
    tiocsig_without_group => "TIOCSIG without a foreground group sends nothing and succeeds",
    tiocsig_on_slave => "TIOCSIG on the slave is ENOTTY",
    interrupt_character => "^C sends SIGINT to the foreground group, echoes ^C and is not read",
    quit_character => "^\\ sends SIGQUIT",
    suspend_character => "^Z sends SIGTSTP, and stops the foreground job",
    other_characters => "VINTR, VQUIT and VSUSP may be other characters, or none",
    not_without_isig => "without ISIG the characters are data",
    flushes_input_and_output => "an interrupt drops unread input, unless NOFLSH",
    background_is_spared => "^C does not reach a group in the background",
    without_controlling_terminal => "^C on a pty that controls no session harms nobody",
}

/// Runs `body` as the leader of a session on the pty, with the three signals blocked.
fn on_terminal(ctx: &Ctx, body: impl FnOnce(&Pty, &std::os::fd::OwnedFd) -> Outcome) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGINT, SIGQUIT, SIGTSTP, SIGTTOU])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        body(&pty, &slave)
    })?
    .succeed()
}

fn none_pending() -> Outcome {
    for signal in [SIGINT, SIGQUIT, SIGTSTP] {
        check!(!signals::pending(signal)?, "{signal} is pending");
    }
    Ok(())
}

fn tiocsig(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, _| {
        for signal in [SIGINT, SIGQUIT, SIGTSTP] {
            ioctl::call(&pty.master, TIOCSIG, signal as libc::c_ulong)
                .with_context(|| format!("TIOCSIG {signal}"))?;
            signals::expect(signal)?;
        }
        none_pending()
    })
}

fn tiocsig_others_are_invalid(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, _| {
        for signal in
            (0..=65).filter(|s| ![SIGINT as u64, SIGQUIT as u64, SIGTSTP as u64].contains(s))
        {
            check_errno(
                ioctl::call(&pty.master, TIOCSIG, signal),
                Errno::EINVAL,
                &format!("TIOCSIG {signal}"),
            )?;
        }
        Ok(())
    })
}

fn tiocsig_without_group(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGINT, SIGQUIT, SIGTSTP])?;
    let pty = Pty::locked(&Fs::new(ctx)?)?;
    let send = || ioctl::call(&pty.master, TIOCSIG, SIGINT as libc::c_ulong);
    check_eq!(Ok(0), send(), "TIOCSIG before the slave was opened");
    pty.unlock()?;
    let _slave = pty.slave()?;
    check_eq!(Ok(0), send(), "TIOCSIG");
    none_pending()
}

fn tiocsig_on_slave(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    check_errno(
        ioctl::call(&slave, TIOCSIG, SIGINT as libc::c_ulong),
        Errno::ENOTTY,
        "TIOCSIG",
    )
}

/// A control character sends its signal, echoes `echo`, and leaves the line after it whole.
fn character(ctx: &Ctx, c: u8, signal: Signal, echo: &str) -> Outcome {
    on_terminal(ctx, |pty, slave| {
        io::write_all(&pty.master, [c])?;
        signals::expect(signal)?;
        io::expect(&pty.master, echo)?;
        io::write_all(&pty.master, b"line\n")?;
        io::expect(&pty.master, b"line\r\n")?;
        io::expect_read(slave, b"line\n")?;
        none_pending()
    })
}

fn interrupt_character(ctx: &Ctx) -> Outcome {
    character(ctx, 3, SIGINT, "^C")
}

fn quit_character(ctx: &Ctx) -> Outcome {
    character(ctx, 28, SIGQUIT, "^\\")
}

fn suspend_character(ctx: &Ctx) -> Outcome {
    character(ctx, 26, SIGTSTP, "^Z")?;
    let pty = Pty::open(&Fs::at(ctx, "job", "")?)?;
    session(|| {
        signals::block(&[SIGTTOU])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        let ready = Gate::new()?;
        let job = child(|| {
            own_group()?;
            ioctl::set(&slave, TIOCSPGRP, nix::unistd::getpid().as_raw()).context("TIOCSPGRP")?;
            ready.open()?;
            loop {
                nix::unistd::pause();
            }
        })?;
        ready.pass()?;
        io::write_all(&pty.master, [26])?;
        job.stopped_by(SIGTSTP)?;
        job.signal(SIGCONT)?;
        io::write_all(&pty.master, [3])?;
        job.killed_by(SIGINT)
    })?
    .succeed()
}

fn other_characters(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, slave| {
        term::modify(slave, |t| {
            t.c_cc[libc::VINTR] = b'i';
            t.c_cc[libc::VQUIT] = b'q';
            t.c_cc[libc::VSUSP] = 0;
            t.c_lflag &= !libc::ECHO;
        })?;
        io::write_all(&pty.master, b"i")?;
        signals::expect(SIGINT)?;
        io::write_all(&pty.master, b"q")?;
        signals::expect(SIGQUIT)?;
        io::write_all(&pty.master, b"\x03\x1c\x1a\n")?;
        io::expect_read(slave, b"\x03\x1c\x1a\n")?;
        none_pending()
    })
}

fn not_without_isig(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, slave| {
        term::modify(slave, |t| t.c_lflag &= !(libc::ISIG | libc::ECHO))?;
        io::write_all(&pty.master, b"\x03\x1c\x1a\n")?;
        io::expect_read(slave, b"\x03\x1c\x1a\n")?;
        none_pending()
    })
}

fn unread(slave: &std::os::fd::OwnedFd, n: i32) -> Result<()> {
    until("input to arrive", || Ok(ioctl::get(slave, TIOCINQ)? == n))
}

fn flushes_input_and_output(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, slave| {
        term::no_echo(slave)?;
        io::write_all(&pty.master, b"dropped\n")?;
        unread(slave, 8)?;
        io::write_all(&pty.master, b"\x03kept\n")?;
        signals::expect(SIGINT)?;
        unread(slave, 5)?;
        io::expect_read(slave, b"kept\n")?;
        term::modify(slave, |t| t.c_lflag |= libc::NOFLSH)?;
        io::write_all(&pty.master, b"stays\n")?;
        unread(slave, 6)?;
        io::write_all(&pty.master, b"\x03")?;
        signals::expect(SIGINT)?;
        check_eq!(Ok(6), ioctl::get(slave, TIOCINQ), "unread input");
        io::expect_read(slave, b"stays\n")
    })
}

fn background_is_spared(ctx: &Ctx) -> Outcome {
    on_terminal(ctx, |pty, _| {
        let done = Gate::new()?;
        let (ready, job) = {
            let ready = Gate::new()?;
            let job = child(|| {
                own_group()?;
                ready.open()?;
                done.pass()?;
                none_pending()
            })?;
            (ready, job)
        };
        ready.pass()?;
        io::write_all(&pty.master, [3])?;
        signals::expect(SIGINT)?;
        done.open()?;
        job.succeed()
    })
}

fn without_controlling_terminal(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGINT, SIGQUIT])?;
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"\x03\x1cok\n")?;
    io::expect_read(&slave, b"ok\n")?;
    none_pending()
}
