// SPDX-License-Identifier: GPL-2.0
//! O_ASYNC and SIGIO.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::Signal::{SIGIO, SIGKILL, SIGUSR1};
use nix::unistd::getpid;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::ioctl::{self, TIOCVHANGUP};
use crate::fixture::process::{child, session};
use crate::fixture::{io, pair, signals, term, Fs, Pty};

cases! { "sigio":
    data_at_master => "with O_ASYNC on the master, data from the slave sends SIGIO",
    data_at_slave => "with O_ASYNC on the slave, a line from the master sends SIGIO",
    not_without_owner_change => "O_ASYNC makes the caller the owner, F_SETOWN another",
    owner_is_the_foreground_group => "O_ASYNC on a controlling terminal makes the foreground group the owner",
    off_again => "without O_ASYNC nothing is sent",
    with_signal_and_descriptor => "F_SETSIG sends that signal, with descriptor and band",
    room_at_master => "a writer that found no room gets SIGIO when there is room again",
    driven_by_room [alone] => "a writer that goes on when SIGIO says so, and at no other time, does not come to a stop",
    fioasync => "FIOASYNC turns it on",
    not_after_hangup => "O_ASYNC on a hung-up file is ENOTTY",
}

fn set_async(fd: &OwnedFd, on: bool) -> nix::Result<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_ASYNC, on);
    fcntl(fd, FcntlArg::F_SETFL(flags)).map(drop)
}

/// The command that chooses the signal.
const F_SETSIG: i32 = 10;

/// si_code: data to read.
const POLL_IN: i32 = 1;

/// fcntl(2) commands that nix has not.
fn own(fd: &OwnedFd, command: i32, arg: i32) -> Result<i32> {
    // SAFETY: used for commands with an int argument, or none.
    Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), command, arg) }).context("fcntl")
}

fn data_at_master(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    set_async(&pty.master, true).context("O_ASYNC")?;
    io::write_all(&slave, b"x")?;
    signals::expect(SIGIO)
}

fn data_at_slave(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    set_async(&slave, true).context("O_ASYNC")?;
    io::write_all(&pty.master, b"part")?;
    io::expect(&pty.master, b"part")?;
    check!(!signals::pending(SIGIO)?, "SIGIO for a part of a line");
    io::write_all(&pty.master, b"\n")?;
    signals::expect(SIGIO)?;
    term::raw(&slave)?;
    io::expect_read(&slave, b"part\n")?;
    io::write_all(&pty.master, b"r")?;
    signals::expect(SIGIO)
}

fn not_without_owner_change(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    check_eq!(0, own(&pty.master, libc::F_GETOWN, 0)?, "owner at first");
    set_async(&pty.master, true).context("O_ASYNC")?;
    check_eq!(
        getpid().as_raw(),
        own(&pty.master, libc::F_GETOWN, 0)?,
        "owner"
    );
    let ready = crate::fixture::process::Gate::new()?;
    let other = crate::fixture::process::child(|| {
        own(&pty.master, libc::F_SETOWN, getpid().as_raw())?;
        ready.open()?;
        signals::expect(SIGIO)
    })?;
    ready.pass()?;
    io::write_all(&slave, b"x")?;
    other.succeed()?;
    check!(!signals::pending(SIGIO)?, "the former owner got SIGIO");
    Ok(())
}

fn owner_is_the_foreground_group(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGIO])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        set_async(&slave, true).context("O_ASYNC")?;
        check_eq!(-getpid().as_raw(), own(&slave, libc::F_GETOWN, 0)?, "owner");
        io::write_all(&pty.master, b"line\n")?;
        signals::expect(SIGIO)
    })?
    .succeed()
}

fn off_again(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    set_async(&pty.master, true).context("O_ASYNC")?;
    set_async(&pty.master, false).context("no O_ASYNC")?;
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")?;
    check!(!signals::pending(SIGIO)?, "SIGIO");
    Ok(())
}

fn with_signal_and_descriptor(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGUSR1])?;
    let (pty, slave) = pair(ctx)?;
    set_async(&pty.master, true).context("O_ASYNC")?;
    own(&pty.master, F_SETSIG, SIGUSR1 as i32)?;
    io::write_all(&slave, b"x")?;
    let (_, info) = signals::take(&[SIGUSR1])?;
    check_eq!(POLL_IN, info.si_code, "si_code");
    // SAFETY: of a signal from F_SETSIG the kernel fills si_band and si_fd, in this order, after the three ints and padding.
    let (band, fd) = unsafe {
        let fields = std::ptr::from_ref(&info).cast::<u8>().add(16);
        (
            fields.cast::<libc::c_long>().read_unaligned(),
            fields.add(8).cast::<i32>().read_unaligned(),
        )
    };
    check_eq!(pty.master.as_raw_fd(), fd, "si_fd");
    check!(
        band & libc::c_long::from(libc::POLLIN) != 0,
        "si_band is {band:#x}"
    );
    Ok(())
}

fn room_at_master(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        set_async(from, true).context("O_ASYNC")?;
        io::set_nonblock(from, true)?;
        let mut taken = 0;
        // The last write must have found less room than it wanted, with no signal for room since.
        loop {
            while let Ok(n) = io::write_now(from, [b'x'; 4000]) {
                taken += n;
            }
            if !signals::pending(SIGIO)? {
                break;
            }
            signals::expect(SIGIO)?;
        }
        check!(taken > 4000, "only {taken} bytes were taken");
        io::read_n(to, taken)?;
        signals::expect(SIGIO).context("after all was read")?;
        set_async(from, false)?;
        while signals::pending(SIGIO)? {
            signals::expect(SIGIO)?;
        }
    }
    Ok(())
}

fn driven_by_room(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    for of_master in [true, false] {
        let (pty, slave) = pair(ctx)?;
        term::raw(&slave)?;
        let (from, to) = if of_master {
            (&pty.master, &slave)
        } else {
            (&slave, &pty.master)
        };
        let writer = child(|| {
            set_async(from, true).context("O_ASYNC")?;
            io::set_nonblock(from, true)?;
            loop {
                while io::write_now(from, [b'x'; 5000]).is_ok() {}
                signals::expect(SIGIO).with_context(|| {
                    format!("no room, and no signal for it; at the master: {of_master}")
                })?;
            }
        })?;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            // All that is there in one go, so that nothing is left that a later read could tell of.
            let read = io::read_some(to, 1 << 17)?;
            check!(read.is_ok_and(|bytes| !bytes.is_empty()), "no bytes");
        }
        writer.signal(SIGKILL)?;
        writer.killed_by(SIGKILL)?;
    }
    Ok(())
}

fn fioasync(ctx: &Ctx) -> Outcome {
    signals::block(&[SIGIO])?;
    let (pty, slave) = pair(ctx)?;
    ioctl::set(&pty.master, libc::FIOASYNC, 1).context("FIOASYNC")?;
    io::write_all(&slave, b"x")?;
    signals::expect(SIGIO)
}

fn not_after_hangup(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    crate::check::check_errno(set_async(&slave, true), Errno::ENOTTY, "O_ASYNC")
}
