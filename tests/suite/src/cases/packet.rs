// SPDX-License-Identifier: GPL-2.0
//! Packet mode.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TCFLSH, TCXONC, TIOCGPKT, TIOCPKT};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, term, Pty};

cases! { "packet":
    on_and_off => "TIOCPKT turns packet mode on and off, and TIOCGPKT says so",
    on_slave => "TIOCPKT and TIOCGPKT on the slave are ENOTTY, a bad address EFAULT",
    data => "a read gives a zero byte, then data",
    small_reads => "a read of one byte gives the zero byte alone and takes no data, longer ones go on with the data",
    status_comes_alone => "a status is a read of one byte, before the data that waits",
    flush_read => "a flush of the slave's input is TIOCPKT_FLUSHREAD",
    flush_write => "a flush of the slave's output is TIOCPKT_FLUSHWRITE, of both both bits",
    interrupt_flushes => "an interrupt character is FLUSHREAD and FLUSHWRITE, not with NOFLSH",
    stop_and_start => "stopping the slave's output is TIOCPKT_STOP, starting it TIOCPKT_START",
    stop_and_start_by_character => "so are ^S and ^Q from the master",
    start_replaces_stop => "a start before the stop was read replaces it, and the other way round",
    nostop_and_dostop => "clearing IXON is TIOCPKT_NOSTOP, setting it TIOCPKT_DOSTOP",
    nostop_by_characters => "other characters than ^S and ^Q for stop and start are TIOCPKT_NOSTOP too",
    ioctl_with_extproc => "a change of settings with EXTPROC is TIOCPKT_IOCTL",
    several_in_one => "statuses that come together are one byte",
    poll_priority => "a status is POLLPRI and POLLIN, and select's exceptional condition, until it is read",
    status_wakes_a_reader => "a blocked read of the master ends with a status",
    old_status_is_forgotten => "what happened before packet mode was turned on is not reported",
    survives_slave_close => "packet mode stays on while the slave is closed and opened again",
    echo_is_data => "echo is data in packet mode too",
    writes_are_plain => "what the master writes is not changed by packet mode",
}

const DATA: u8 = 0;
const FLUSHREAD: u8 = 1;
const FLUSHWRITE: u8 = 2;
const STOP: u8 = 4;
const START: u8 = 8;
const NOSTOP: u8 = 16;
const DOSTOP: u8 = 32;
const IOCTL: u8 = 64;

/// A raw pty in packet mode.
fn packet_pair(ctx: &Ctx) -> Result<(Pty, OwnedFd)> {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    ioctl::set(&pty.master, TIOCPKT, 1).context("TIOCPKT")?;
    Ok((pty, slave))
}

/// A pty with the default settings but echo, in packet mode.
fn cooked_pair(ctx: &Ctx) -> Result<(Pty, OwnedFd)> {
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    ioctl::set(&pty.master, TIOCPKT, 1).context("TIOCPKT")?;
    Ok((pty, slave))
}

fn status(pty: &Pty, want: u8, what: &str) -> Outcome {
    io::expect_read(&pty.master, [want]).with_context(|| what.to_owned())
}

fn nothing_to_read(pty: &Pty) -> Outcome {
    io::set_nonblock(&pty.master, true)?;
    let result = io::read_now(&pty.master, 10);
    io::set_nonblock(&pty.master, false)?;
    check_errno(result, Errno::EAGAIN, "read")
}

fn on_and_off(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCGPKT), "at first");
    for on in [1, 77, -1] {
        ioctl::set(&pty.master, TIOCPKT, on).context("TIOCPKT")?;
        check_eq!(
            Ok(1),
            ioctl::get(&pty.master, TIOCGPKT),
            "after TIOCPKT {on}"
        );
    }
    ioctl::set(&pty.master, TIOCPKT, 0).context("TIOCPKT")?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCGPKT), "after TIOCPKT 0");
    io::write_all(&slave, b"plain")?;
    io::expect(&pty.master, b"plain")
}

fn on_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_errno(ioctl::set(&slave, TIOCPKT, 1), Errno::ENOTTY, "TIOCPKT")?;
    check_errno(ioctl::get(&slave, TIOCGPKT), Errno::ENOTTY, "TIOCGPKT")?;
    check_errno(
        ioctl::call(&pty.master, TIOCPKT, 0),
        Errno::EFAULT,
        "TIOCPKT",
    )?;
    check_errno(
        ioctl::call(&pty.master, TIOCGPKT, 0),
        Errno::EFAULT,
        "TIOCGPKT",
    )
}

fn data(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    for _ in 0..2 {
        io::write_all(&slave, b"hello")?;
        io::expect_read(&pty.master, b"\0hello")?;
    }
    nothing_to_read(&pty)
}

fn small_reads(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    io::write_all(&slave, b"abcdef")?;
    until("the data", || {
        Ok(ioctl::get(&pty.master, ioctl::TIOCINQ)? == 6)
    })?;
    check_eq!(Ok(vec![DATA]), io::read_now(&pty.master, 1), "read of 1");
    check_eq!(
        Ok(vec![DATA]),
        io::read_now(&pty.master, 1),
        "read of 1 again"
    );
    check_eq!(
        Ok(b"\0ab".to_vec()),
        io::read_now(&pty.master, 3),
        "read of 3"
    );
    check_eq!(
        Ok(b"\0c".to_vec()),
        io::read_now(&pty.master, 2),
        "read of 2"
    );
    check_eq!(
        Ok(b"\0def".to_vec()),
        io::read_now(&pty.master, 10),
        "read of 10"
    );
    check_eq!(Ok(Vec::new()), io::read_now(&pty.master, 0), "read of 0");
    Ok(())
}

fn status_comes_alone(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    io::write_all(&slave, b"abc")?;
    until("the data", || {
        Ok(ioctl::get(&pty.master, ioctl::TIOCINQ)? == 3)
    })?;
    ioctl::call(&slave, TCXONC, libc::TCOOFF as libc::c_ulong).context("TCOOFF")?;
    check_eq!(Ok(vec![STOP]), io::read_now(&pty.master, 100), "first read");
    check_eq!(
        Ok(b"\0abc".to_vec()),
        io::read_now(&pty.master, 100),
        "second read"
    );
    nothing_to_read(&pty)
}

fn flush_read(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    ioctl::call(&slave, TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCIFLUSH")?;
    status(&pty, FLUSHREAD, "TCIFLUSH")?;
    let t = term::get(&slave)?;
    term::set(&slave, libc::TCSAFLUSH, &t).context("TCSAFLUSH")?;
    status(&pty, FLUSHREAD, "TCSAFLUSH")?;
    nothing_to_read(&pty)
}

fn flush_write(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    ioctl::call(&slave, TCFLSH, libc::TCOFLUSH as libc::c_ulong).context("TCOFLUSH")?;
    status(&pty, FLUSHWRITE, "TCOFLUSH")?;
    ioctl::call(&slave, TCFLSH, libc::TCIOFLUSH as libc::c_ulong).context("TCIOFLUSH")?;
    status(&pty, FLUSHREAD | FLUSHWRITE, "TCIOFLUSH")?;
    nothing_to_read(&pty)
}

fn interrupt_flushes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = cooked_pair(ctx)?;
    io::write_all(&pty.master, b"\x03")?;
    // The line discipline says the one and then the other: who looks between the two reads twice.
    let first = io::read_some(&pty.master, 100)??;
    if first == [FLUSHWRITE] {
        status(&pty, FLUSHREAD, "^C, second read")?;
    } else {
        check_eq!(vec![FLUSHREAD | FLUSHWRITE], first, "^C");
    }
    term::modify(&slave, |t| t.c_lflag |= libc::NOFLSH)?;
    // The line that follows shows that the interrupt was taken in.
    io::write_all(&pty.master, b"\x03x\n")?;
    io::expect_read(&slave, b"x\n")?;
    nothing_to_read(&pty)
}

fn stop_and_start(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    ioctl::call(&slave, TCXONC, libc::TCOOFF as libc::c_ulong).context("TCOOFF")?;
    status(&pty, STOP, "TCOOFF")?;
    ioctl::call(&slave, TCXONC, libc::TCOOFF as libc::c_ulong).context("TCOOFF again")?;
    nothing_to_read(&pty)?;
    ioctl::call(&slave, TCXONC, libc::TCOON as libc::c_ulong).context("TCOON")?;
    status(&pty, START, "TCOON")?;
    ioctl::call(&slave, TCXONC, libc::TCOON as libc::c_ulong).context("TCOON again")?;
    nothing_to_read(&pty)
}

fn stop_and_start_by_character(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = cooked_pair(ctx)?;
    io::write_all(&pty.master, b"\x13")?;
    status(&pty, STOP, "^S")?;
    io::write_all(&pty.master, b"\x11")?;
    status(&pty, START, "^Q")
}

fn start_replaces_stop(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    let flow = |what: i32| ioctl::call(&slave, TCXONC, what as libc::c_ulong).context("TCXONC");
    flow(libc::TCOOFF)?;
    flow(libc::TCOON)?;
    status(&pty, START, "stop, start")?;
    flow(libc::TCOOFF)?;
    flow(libc::TCOON)?;
    flow(libc::TCOOFF)?;
    status(&pty, STOP, "stop, start, stop")
}

fn nostop_and_dostop(ctx: &Ctx) -> Outcome {
    let (pty, slave) = cooked_pair(ctx)?;
    term::modify(&slave, |t| t.c_iflag &= !libc::IXON)?;
    status(&pty, NOSTOP, "IXON off")?;
    term::modify(&slave, |t| t.c_iflag |= libc::IXON)?;
    status(&pty, DOSTOP, "IXON on")?;
    term::modify(&slave, |t| t.c_lflag ^= libc::ECHO)?;
    nothing_to_read(&pty)?;
    term::modify(&pty.master, |t| t.c_iflag &= !libc::IXON)?;
    status(&pty, NOSTOP, "IXON off through the master")?;
    term::modify(&slave, |t| t.c_iflag |= libc::IXON)?;
    term::modify(&slave, |t| t.c_iflag &= !libc::IXON)?;
    status(&pty, NOSTOP, "on and off before it was read")
}

fn nostop_by_characters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = cooked_pair(ctx)?;
    term::modify(&slave, |t| t.c_cc[libc::VSTOP] = b's')?;
    status(&pty, NOSTOP, "another VSTOP")?;
    term::modify(&slave, |t| t.c_cc[libc::VSTOP] = 0x13)?;
    status(&pty, DOSTOP, "VSTOP as it was")?;
    term::modify(&slave, |t| t.c_cc[libc::VSTART] = b'q')?;
    status(&pty, NOSTOP, "another VSTART")
}

fn ioctl_with_extproc(ctx: &Ctx) -> Outcome {
    let (pty, slave) = cooked_pair(ctx)?;
    term::modify(&slave, |t| t.c_lflag |= libc::EXTPROC)?;
    status(&pty, IOCTL, "EXTPROC on")?;
    term::modify(&slave, |t| t.c_cc[libc::VERASE] = b'#')?;
    status(&pty, IOCTL, "a change under EXTPROC")?;
    term::modify(&slave, |t| t.c_lflag &= !libc::EXTPROC)?;
    status(&pty, IOCTL, "EXTPROC off")?;
    term::modify(&slave, |t| t.c_cc[libc::VERASE] = b'%')?;
    nothing_to_read(&pty)
}

fn several_in_one(ctx: &Ctx) -> Outcome {
    let (pty, slave) = cooked_pair(ctx)?;
    ioctl::call(&slave, TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCIFLUSH")?;
    ioctl::call(&slave, TCXONC, libc::TCOOFF as libc::c_ulong).context("TCOOFF")?;
    term::modify(&slave, |t| {
        t.c_iflag &= !libc::IXON;
        t.c_lflag |= libc::EXTPROC;
    })?;
    status(&pty, FLUSHREAD | STOP | NOSTOP | IOCTL, "all together")?;
    nothing_to_read(&pty)
}

fn poll_priority(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    let all = PollFlags::POLLIN | PollFlags::POLLPRI;
    check_eq!(
        PollFlags::empty(),
        io::events(&pty.master, all)?,
        "at first"
    );
    io::write_all(&slave, b"x")?;
    io::wait_for(&pty.master, PollFlags::POLLIN)?;
    check_eq!(
        PollFlags::POLLIN,
        io::events(&pty.master, all)?,
        "with data"
    );
    io::expect_read(&pty.master, b"\0x")?;
    ioctl::call(&slave, TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCIFLUSH")?;
    check_eq!(all, io::events(&pty.master, all)?, "with a status");
    check_eq!(
        PollFlags::POLLPRI,
        io::wait_for(&pty.master, PollFlags::POLLPRI)?,
        "asked for POLLPRI alone"
    );
    let mut except = nix::sys::select::FdSet::new();
    except.insert(std::os::fd::AsFd::as_fd(&pty.master));
    let mut timeout = nix::sys::time::TimeVal::new(0, 0);
    check_eq!(
        Ok(1),
        nix::sys::select::select(None, None, None, &mut except, &mut timeout),
        "select"
    );
    status(&pty, FLUSHREAD, "TCIFLUSH")?;
    check_eq!(
        PollFlags::empty(),
        io::events(&pty.master, all)?,
        "after the status was read"
    );
    Ok(())
}

fn status_wakes_a_reader(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    let reader = crate::fixture::process::child(|| {
        check_eq!(Ok(vec![FLUSHREAD]), io::read_now(&pty.master, 100), "read");
        Ok(())
    })?;
    reader.asleep()?;
    ioctl::call(&slave, TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCIFLUSH")?;
    reader.succeed()
}

fn old_status_is_forgotten(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let events = || -> Outcome {
        term::modify(&slave, |t| t.c_iflag ^= libc::IXON)?;
        ioctl::call(&slave, TCFLSH, libc::TCIOFLUSH as libc::c_ulong).context("TCIOFLUSH")?;
        Ok(())
    };
    events()?;
    ioctl::set(&pty.master, TIOCPKT, 1)?;
    nothing_to_read(&pty)?;
    events()?;
    ioctl::set(&pty.master, TIOCPKT, 0)?;
    nothing_to_read(&pty)?;
    ioctl::set(&pty.master, TIOCPKT, 1)?;
    nothing_to_read(&pty)?;
    events()?;
    // Turning on what is on forgets nothing.
    ioctl::set(&pty.master, TIOCPKT, 1)?;
    check!(
        matches!(io::read_now(&pty.master, 9), Ok(s) if s.len() == 1 && s[0] & 3 == 3),
        "the status was forgotten"
    );
    Ok(())
}

fn survives_slave_close(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    io::write_all(&slave, b"bye")?;
    drop(slave);
    check_eq!(Ok(1), ioctl::get(&pty.master, TIOCGPKT), "while closed");
    io::expect_read(&pty.master, b"\0bye")?;
    check_errno(
        io::read_now(&pty.master, 9),
        Errno::EIO,
        "read while closed",
    )?;
    let slave = pty.slave()?;
    io::write_all(&slave, b"hi")?;
    io::expect_read(&pty.master, b"\0hi")
}

fn echo_is_data(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    ioctl::set(&pty.master, TIOCPKT, 1)?;
    io::write_all(&pty.master, b"e")?;
    io::expect_read(&pty.master, b"\0e")
}

fn writes_are_plain(ctx: &Ctx) -> Outcome {
    let (pty, slave) = packet_pair(ctx)?;
    io::write_all(&pty.master, b"\0in\0")?;
    io::expect(&slave, b"\0in\0")
}
