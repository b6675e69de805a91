// SPDX-License-Identifier: GPL-2.0
//! Stopping and starting output.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TCXONC};
use crate::fixture::process::{child, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, term, Pty};

cases! { "flow_control":
    characters => "^S from the master stops the slave's output, ^Q starts it, and neither is read",
    blocked_writer_wakes => "a writer blocked by ^S goes on after ^Q",
    tcflow_output => "TCOOFF and TCOON on the slave stop and start its output",
    tcflow_input => "TCIOFF and TCION on the slave send ^S and ^Q to the master",
    tcflow_on_master => "TCOOFF and TCOON on the master stop and start what it writes",
    tcflow_input_on_master => "TCIOFF on the master stops the slave's output by a ^S, TCION starts it",
    tcflow_bad_action => "TCXONC with another action is EINVAL",
    start_character_does_not_undo_tcoff => "^Q does not start what TCOOFF has stopped, TCOON does",
    ixany => "with IXANY any character starts the output",
    without_ixon => "without IXON the characters are data",
    clearing_ixon_starts => "clearing IXON starts output that ^S has stopped",
    other_characters => "VSTOP and VSTART may be other characters",
    poll_when_stopped => "a stopped slave is not POLLOUT",
    echo_waits_too => "echo is held back while output is stopped, and comes when it starts",
    interrupt_starts => "an interrupt character starts stopped output",
}

/// A pty with the default settings but echo, and a slave that does not block.
fn quiet_pair(ctx: &Ctx) -> Result<(Pty, OwnedFd)> {
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    io::set_nonblock(&slave, true)?;
    Ok((pty, slave))
}

fn tcflow(fd: &OwnedFd, action: i32) -> nix::Result<i32> {
    ioctl::call(fd, TCXONC, action as libc::c_ulong)
}

/// Waits until the slave accepts no output.
fn stopped(slave: &OwnedFd) -> Outcome {
    until("output to stop", || {
        Ok(!io::events(slave, PollFlags::POLLOUT)?.contains(PollFlags::POLLOUT))
    })?;
    check_errno(
        io::write_now(slave, b"no"),
        Errno::EAGAIN,
        "write while stopped",
    )
}

/// Waits until the slave accepts output, and checks that it goes through.
fn runs(pty: &Pty, slave: &OwnedFd) -> Outcome {
    io::wait_for(slave, PollFlags::POLLOUT)?;
    io::write_all(slave, b"yes")?;
    io::expect(&pty.master, b"yes")
}

fn characters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    runs(&pty, &slave)?;
    io::write_all(&pty.master, b"\x13")?;
    stopped(&slave)?;
    io::write_all(&pty.master, b"a\x13b\x11c\n")?;
    runs(&pty, &slave)?;
    io::set_nonblock(&slave, false)?;
    io::expect_read(&slave, b"abc\n")
}

fn blocked_writer_wakes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    io::write_all(&pty.master, b"\x13")?;
    stopped(&slave)?;
    io::set_nonblock(&slave, false)?;
    let ready = Gate::new()?;
    let writer = child(|| {
        ready.open()?;
        check_eq!(Ok(5), io::write_now(&slave, b"after"), "write");
        Ok(())
    })?;
    ready.pass()?;
    writer.asleep()?;
    io::write_all(&pty.master, b"\x11")?;
    io::expect(&pty.master, b"after")?;
    writer.succeed()
}

fn tcflow_output(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    for _ in 0..2 {
        tcflow(&slave, libc::TCOOFF).context("TCOOFF")?;
        tcflow(&slave, libc::TCOOFF).context("TCOOFF again")?;
        stopped(&slave)?;
        tcflow(&slave, libc::TCOON).context("TCOON")?;
        runs(&pty, &slave)?;
    }
    Ok(())
}

fn tcflow_input(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    tcflow(&slave, libc::TCIOFF).context("TCIOFF")?;
    io::expect_read(&pty.master, b"\x13")?;
    tcflow(&slave, libc::TCION).context("TCION")?;
    io::expect_read(&pty.master, b"\x11")?;
    term::modify(&slave, |t| {
        t.c_cc[libc::VSTOP] = b's';
        t.c_cc[libc::VSTART] = 0;
    })?;
    tcflow(&slave, libc::TCIOFF).context("TCIOFF")?;
    io::expect_read(&pty.master, b"s")?;
    tcflow(&slave, libc::TCION).context("TCION without a character")?;
    io::write_all(&slave, b"x")?;
    io::expect_read(&pty.master, b"x")
}

fn tcflow_on_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    io::set_nonblock(&pty.master, true)?;
    tcflow(&pty.master, libc::TCOOFF).context("TCOOFF")?;
    check_errno(
        io::write_now(&pty.master, b"no"),
        Errno::EAGAIN,
        "write while stopped",
    )?;
    check!(
        !io::events(&pty.master, PollFlags::POLLOUT)?.contains(PollFlags::POLLOUT),
        "POLLOUT while stopped"
    );
    tcflow(&pty.master, libc::TCOON).context("TCOON")?;
    io::write_all(&pty.master, b"yes")?;
    io::expect(&slave, b"yes")
}

fn tcflow_input_on_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    tcflow(&pty.master, libc::TCIOFF).context("TCIOFF")?;
    stopped(&slave)?;
    tcflow(&pty.master, libc::TCION).context("TCION")?;
    runs(&pty, &slave)
}

fn tcflow_bad_action(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        check_errno(tcflow(fd, 4), Errno::EINVAL, "action 4")?;
        check_errno(tcflow(fd, -1), Errno::EINVAL, "action -1")?;
    }
    Ok(())
}

fn start_character_does_not_undo_tcoff(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    tcflow(&slave, libc::TCOOFF).context("TCOOFF")?;
    // The line shows that the ^Q before it was taken in.
    io::write_all(&pty.master, b"\x11line\n")?;
    io::expect_read(&slave, b"line\n")?;
    stopped(&slave)?;
    tcflow(&slave, libc::TCOON).context("TCOON")?;
    runs(&pty, &slave)
}

fn ixany(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    io::write_all(&pty.master, b"\x13one\n")?;
    io::expect_read(&slave, b"one\n")?;
    stopped(&slave)?;
    term::modify(&slave, |t| t.c_iflag |= libc::IXANY)?;
    io::write_all(&pty.master, b"x")?;
    runs(&pty, &slave)?;
    io::write_all(&pty.master, b"\n")?;
    io::expect_read(&slave, b"x\n")
}

fn without_ixon(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    term::modify(&slave, |t| t.c_iflag &= !libc::IXON)?;
    io::write_all(&pty.master, b"\x13\x11\n")?;
    io::expect_read(&slave, b"\x13\x11\n")?;
    runs(&pty, &slave)
}

fn clearing_ixon_starts(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    io::write_all(&pty.master, b"\x13")?;
    stopped(&slave)?;
    term::modify(&slave, |t| t.c_iflag &= !libc::IXON)?;
    runs(&pty, &slave)
}

fn other_characters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    term::modify(&slave, |t| {
        t.c_cc[libc::VSTOP] = b's';
        t.c_cc[libc::VSTART] = b'q';
    })?;
    io::write_all(&pty.master, b"s")?;
    stopped(&slave)?;
    io::write_all(&pty.master, b"\x11")?;
    io::write_all(&pty.master, b"q\n")?;
    io::expect_read(&slave, b"\x11\n")?;
    runs(&pty, &slave)
}

fn poll_when_stopped(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&slave, PollFlags::POLLOUT)?,
        "at first"
    );
    tcflow(&slave, libc::TCOOFF).context("TCOOFF")?;
    check_eq!(
        PollFlags::empty(),
        io::events(&slave, PollFlags::POLLOUT)?,
        "stopped"
    );
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&pty.master, PollFlags::POLLOUT)?,
        "the master"
    );
    tcflow(&slave, libc::TCOON).context("TCOON")?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&slave, PollFlags::POLLOUT)?,
        "started"
    );
    Ok(())
}

fn echo_waits_too(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"\x13held\n")?;
    io::expect_read(&slave, b"held\n")?;
    io::set_nonblock(&pty.master, true)?;
    check_errno(
        io::read_now(&pty.master, 10),
        Errno::EAGAIN,
        "read while stopped",
    )?;
    io::write_all(&pty.master, b"\x11")?;
    io::expect(&pty.master, b"held\r\n")
}

fn interrupt_starts(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx)?;
    io::write_all(&pty.master, b"\x13")?;
    stopped(&slave)?;
    io::write_all(&pty.master, b"\x03")?;
    runs(&pty, &slave)
}
