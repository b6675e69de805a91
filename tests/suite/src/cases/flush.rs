// SPDX-License-Identifier: GPL-2.0
//! TCFLSH, and how much is queued.

use std::os::fd::OwnedFd;

use anyhow::Context;
use nix::errno::Errno;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TCFLSH, TIOCINQ, TIOCOUTQ};
use crate::fixture::process::{child, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, term, Pty};

cases! { "flush":
    input_of_slave => "TCIFLUSH on the slave drops what it has not read",
    input_of_master => "TCIFLUSH on the master drops what it has not read",
    input_of_master_drops_all => "TCIFLUSH on the master drops what has not arrived, too",
    output_of_slave_keeps_arrived => "TCOFLUSH on the slave keeps the 4095 bytes that have arrived, and drops what is queued behind",
    output_of_master_keeps_arrived => "TCOFLUSH on the master keeps the 4095 bytes that have arrived, and drops what is queued behind",
    both_of_slave => "TCIOFLUSH on the slave drops its unread input, and its queued output",
    bad_argument => "TCFLSH with another argument is EINVAL",
    works_afterwards => "after every flush, bytes pass both ways",
    wakes_a_blocked_writer => "a flush of the reader's input wakes a writer that was blocked",
    partial_line => "TCIFLUSH drops a line that is not complete",
    inq_of_slave => "TIOCINQ on the slave counts complete lines in canonical mode, all bytes without",
    inq_of_master => "TIOCINQ on the master counts what the slave wrote",
    inq_skips_end_of_file => "TIOCINQ does not count an end-of-file character",
    room_at_once => "a writer has room as soon as TCOFLUSH returns",
    outq => "TIOCOUTQ is 0 at both ends, whatever waits",
}

fn flush(fd: &OwnedFd, which: i32) -> Outcome {
    ioctl::call(fd, TCFLSH, which as libc::c_ulong)
        .map(drop)
        .with_context(|| format!("TCFLSH {which}"))
}

fn arrived(fd: &OwnedFd, n: i32) -> Outcome {
    until("bytes to arrive", || Ok(ioctl::get(fd, TIOCINQ)? == n))
        .with_context(|| format!("{n} bytes, not {:?}", ioctl::get(fd, TIOCINQ)))
}

fn works(pty: &Pty, slave: &OwnedFd) -> Outcome {
    io::write_all(slave, b"to master")?;
    io::expect_read(&pty.master, b"to master")?;
    io::write_all(&pty.master, b"to slave\n")?;
    io::expect_read(slave, b"to slave\n")
}

fn input_of_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&pty.master, b"dropped")?;
    arrived(&slave, 7)?;
    flush(&slave, libc::TCIFLUSH)?;
    check_eq!(Ok(0), ioctl::get(&slave, TIOCINQ), "TIOCINQ");
    works(&pty, &slave)
}

fn input_of_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&slave, b"dropped")?;
    arrived(&pty.master, 7)?;
    flush(&pty.master, libc::TCIFLUSH)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCINQ), "TIOCINQ");
    works(&pty, &slave)
}

fn input_of_master_drops_all(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&slave, vec![b'd'; 7000])?;
    until("bytes to arrive", || {
        Ok(ioctl::get(&pty.master, TIOCINQ)? >= 4095)
    })?;
    flush(&pty.master, libc::TCIFLUSH)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCINQ), "TIOCINQ");
    works(&pty, &slave)
}

/// Fills the way from `from` to `to`, waits until 4095 bytes are there, flushes `from`'s output, and checks that those
/// bytes are read and no others.
fn keeps_arrived(from: &OwnedFd, to: &OwnedFd) -> Outcome {
    io::set_nonblock(from, true)?;
    let pattern: Vec<u8> = (0..200_000u32).map(|i| (i % 241) as u8).collect();
    let mut written = 0;
    until("the way to fill", || {
        while let Ok(n) = io::write_now(from, &pattern[written..]) {
            written += n;
        }
        Ok(ioctl::get(to, TIOCINQ)? >= 4095
            && io::write_now(from, &pattern[written..])
                .map(|n| written += n)
                .is_err())
    })?;
    check!(written > 4095 + 1000, "only {written} bytes fit");
    flush(from, libc::TCOFLUSH)?;
    let kept = ioctl::get(to, TIOCINQ)? as usize;
    check!(
        (4095..written).contains(&kept),
        "{kept} bytes kept of {written}"
    );
    check!(
        io::read_n(to, kept)? == pattern[..kept],
        "the bytes kept are not the first ones"
    );
    io::set_nonblock(to, true)?;
    check_errno(
        io::read_now(to, 1),
        Errno::EAGAIN,
        "read of more than was kept",
    )?;
    io::set_nonblock(to, false)?;
    io::set_nonblock(from, false)
}

fn output_of_slave_keeps_arrived(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    keeps_arrived(&slave, &pty.master)?;
    works(&pty, &slave)
}

fn output_of_master_keeps_arrived(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    keeps_arrived(&pty.master, &slave)?;
    works(&pty, &slave)
}

fn both_of_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&pty.master, b"in")?;
    arrived(&slave, 2)?;
    io::write_all(&slave, b"out")?;
    arrived(&pty.master, 3)?;
    flush(&slave, libc::TCIOFLUSH)?;
    check_eq!(Ok(0), ioctl::get(&slave, TIOCINQ), "TIOCINQ of the slave");
    io::expect_read(&pty.master, b"out")?;
    works(&pty, &slave)
}

fn bad_argument(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for arg in [3, 100, libc::c_ulong::MAX] {
            check_errno(
                ioctl::call(fd, TCFLSH, arg),
                Errno::EINVAL,
                &format!("TCFLSH {arg}"),
            )?;
        }
    }
    Ok(())
}

fn works_afterwards(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for which in [libc::TCIFLUSH, libc::TCOFLUSH, libc::TCIOFLUSH] {
            flush(fd, which)?;
            works(&pty, &slave)?;
        }
    }
    Ok(())
}

/// More than goes through with one flush: what fits is at most 64 KiB, and as much again while it is being looked for.
const MUCH: usize = 300_000;

fn wakes_a_blocked_writer(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let ready = Gate::new()?;
        let writer = child(|| {
            ready.open()?;
            io::write_all(from, vec![b'x'; MUCH])
        })?;
        ready.pass()?;
        let mut flushes = 0;
        while writer.alive()? {
            until("the writer to block or end", || {
                Ok(!writer.alive()? || ioctl::get(to, TIOCINQ)? >= 4095)
            })?;
            flush(to, libc::TCIFLUSH)?;
            flushes += 1;
        }
        writer.succeed()?;
        check!(
            flushes >= 2,
            "{MUCH} bytes went through after {flushes} flushes"
        );
        flush(to, libc::TCIFLUSH)?;
    }
    works(&pty, &slave)
}

fn partial_line(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"partial")?;
    io::expect(&pty.master, b"partial")?;
    flush(&slave, libc::TCIFLUSH)?;
    io::write_all(&pty.master, b" line\n")?;
    io::expect_read(&slave, b" line\n")
}

fn inq_of_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"one\ntwo")?;
    io::expect(&pty.master, b"one\r\ntwo")?;
    arrived(&slave, 4)?;
    term::raw(&slave)?;
    arrived(&slave, 7)?;
    io::write_all(&pty.master, b"xyz")?;
    arrived(&slave, 10)?;
    check_errno(
        ioctl::call(&slave, TIOCINQ, 0),
        Errno::EFAULT,
        "a bad address",
    )
}

fn inq_of_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCINQ), "at first");
    io::write_all(&slave, b"line\n")?;
    arrived(&pty.master, 6)?;
    io::expect(&pty.master, b"li")?;
    check_eq!(Ok(4), ioctl::get(&pty.master, TIOCINQ), "after reading two");
    check_errno(
        ioctl::call(&pty.master, TIOCINQ, 0),
        Errno::EFAULT,
        "a bad address",
    )
}

fn inq_skips_end_of_file(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    io::write_all(&pty.master, b"abc\x04")?;
    arrived(&slave, 3)?;
    io::write_all(&pty.master, b"\x04de\n")?;
    arrived(&slave, 6)
}

fn outq(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&slave, b"waiting")?;
    io::write_all(&pty.master, b"waiting")?;
    check_eq!(Ok(0), ioctl::get(&slave, TIOCOUTQ), "slave");
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCOUTQ), "master");
    check_errno(
        ioctl::call(&slave, TIOCOUTQ, 0),
        Errno::EFAULT,
        "a bad address",
    )
}

/// Writes until nothing has fitted for a while; gives how much did.
fn fill(fd: &OwnedFd) -> anyhow::Result<usize> {
    let (mut total, mut refusals) = (0, 0);
    while refusals < 5 {
        match io::write_now(fd, [b'x'; 4096]) {
            Ok(n) if n > 0 => (total, refusals) = (total + n, 0),
            Ok(_) | Err(Errno::EAGAIN) => {
                refusals += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(error) => return Err(error).context("fill"),
        }
    }
    Ok(total)
}

fn room_at_once(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = raw_pair(ctx)?;
    io::set_nonblock(&slave, true)?;
    for round in 0..50 {
        fill(&slave)?;
        flush(&slave, libc::TCOFLUSH)?;
        check_eq!(
            Ok(1),
            io::write_now(&slave, b"y"),
            "round {round}: a write after TCOFLUSH"
        );
    }
    Ok(())
}
