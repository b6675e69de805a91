// SPDX-License-Identifier: GPL-2.0
//! The window's size, and SIGWINCH.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::{SIGTTOU, SIGWINCH};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGWINSZ, TIOCSPGRP, TIOCSWINSZ};
use crate::fixture::process::{child, own_group, session, Gate};
use crate::fixture::{pair, signals, Fs, Pty};

cases! { "winsize":
    starts_at_zero => "a fresh pty's size is 0 by 0 at both ends",
    set_at_master => "a size set at the master is read at the slave",
    set_at_slave => "a size set at the slave is read at the master",
    before_the_slave_opens => "a size can be set before the slave was ever opened, and survives its close",
    sigwinch_from_master => "a change at the master sends SIGWINCH to the foreground group",
    sigwinch_from_slave => "a change at the slave sends SIGWINCH to the foreground group",
    no_signal_without_change => "setting the same size sends nothing",
    only_the_foreground_group => "SIGWINCH goes to the foreground group alone",
    bad_address => "TIOCGWINSZ and TIOCSWINSZ with a bad address are EFAULT",
}

fn starts_at_zero(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok([0; 4]), ioctl::winsize(&pty.master), "master");
    check_eq!(Ok([0; 4]), ioctl::winsize(&slave), "slave");
    Ok(())
}

fn set_at_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::set_winsize(&pty.master, [24, 80, 640, 480]).context("TIOCSWINSZ")?;
    check_eq!(Ok([24, 80, 640, 480]), ioctl::winsize(&slave), "slave");
    check_eq!(
        Ok([24, 80, 640, 480]),
        ioctl::winsize(&pty.master),
        "master"
    );
    Ok(())
}

fn set_at_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::set_winsize(&slave, [65535, 1, 2, 3]).context("TIOCSWINSZ")?;
    check_eq!(Ok([65535, 1, 2, 3]), ioctl::winsize(&pty.master), "master");
    check_eq!(Ok([65535, 1, 2, 3]), ioctl::winsize(&slave), "slave");
    Ok(())
}

fn before_the_slave_opens(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    ioctl::set_winsize(&pty.master, [50, 132, 0, 0]).context("TIOCSWINSZ")?;
    check_eq!(
        Ok([50, 132, 0, 0]),
        ioctl::winsize(&pty.slave()?),
        "at the first open"
    );
    check_eq!(
        Ok([50, 132, 0, 0]),
        ioctl::winsize(&pty.slave()?),
        "at the second"
    );
    Ok(())
}

fn sigwinch_from_master(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGWINCH])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        ioctl::set_winsize(&pty.master, [1, 2, 3, 4])?;
        signals::expect(SIGWINCH)?;
        check_eq!(Ok([1, 2, 3, 4]), ioctl::winsize(&slave), "size");
        Ok(())
    })?
    .succeed()
}

fn sigwinch_from_slave(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGWINCH])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        ioctl::set_winsize(&slave, [1, 2, 3, 4])?;
        signals::expect(SIGWINCH)
    })?
    .succeed()
}

fn no_signal_without_change(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGWINCH])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        ioctl::set_winsize(&pty.master, [1, 2, 3, 4])?;
        signals::expect(SIGWINCH)?;
        ioctl::set_winsize(&pty.master, [1, 2, 3, 4])?;
        ioctl::set_winsize(&slave, [1, 2, 3, 4])?;
        check!(!signals::pending(SIGWINCH)?, "SIGWINCH without a change");
        ioctl::set_winsize(&slave, [1, 2, 3, 5])?;
        signals::expect(SIGWINCH)
    })?
    .succeed()
}

fn only_the_foreground_group(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGWINCH, SIGTTOU])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        let ready = Gate::new()?;
        let job = child(|| {
            own_group()?;
            ioctl::set(&slave, TIOCSPGRP, nix::unistd::getpid().as_raw()).context("TIOCSPGRP")?;
            ready.open()?;
            signals::expect(SIGWINCH)
        })?;
        ready.pass()?;
        ioctl::set_winsize(&pty.master, [9, 9, 9, 9])?;
        job.succeed()?;
        check!(
            !signals::pending(SIGWINCH)?,
            "the background leader got SIGWINCH"
        );
        Ok(())
    })?
    .succeed()
}

fn bad_address(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        check_errno(ioctl::call(fd, TIOCGWINSZ, 0), Errno::EFAULT, "TIOCGWINSZ")?;
        check_errno(ioctl::call(fd, TIOCSWINSZ, 0), Errno::EFAULT, "TIOCSWINSZ")?;
    }
    Ok(())
}
