// SPDX-License-Identifier: GPL-2.0
//! io_uring on both ends: requests that wait, and what ends the wait.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use io_uring::squeue::Flags;
use io_uring::{opcode, types};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::Signal::{SIGTTIN, SIGTTOU};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::ctty::{open, RW};
use crate::fixture::ioctl::{self, TIOCSPGRP, TIOCVHANGUP};
use crate::fixture::process::{child, own_group, session, Gate};
use crate::fixture::uring::{fd, Ring};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, signals, Fs, Pty};

cases! { "uring_wait":
    read_completes => "a read waits for data, at both ends, also in a worker",
    line_completes => "a read of a line waits for its end",
    nonblock_waits => "a read waits although the file is O_NONBLOCK",
    empty_read => "a read of no bytes waits for data, too, but on a master of rdevpts, and leaves it there",
    several_reads => "each byte goes to one of several reads that wait",
    write_completes => "a write waits for room, both ways",
    large_write => "100000 bytes arrive whole when someone reads",
    other_end_closes => "a read that waits is EIO when the other end closes (at the slave also end of file)",
    hangup => "a read that waits ends with 0 bytes at TIOCVHANGUP",
    cancelled => "a cancelled read is ECANCELED and takes nothing",
    timed_out => "a read with a linked timeout is ECANCELED and takes nothing",
    keeps_file => "a read that waits keeps its master open, and the ring's end lets it go",
    background => "a read from the background is EINTR and stops the job by SIGTTIN",
}

/// Starts a read that is handed to a worker at once.
fn start_async(ring: &mut Ring, from: &OwnedFd, max: usize) -> Result<u64> {
    ring.start(vec![0; max], |p, n| {
        opcode::Read::new(fd(from), p, n)
            .build()
            .flags(Flags::ASYNC)
    })
}

fn read_completes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        for start in [
            |r: &mut Ring, f| r.start_read(f, 100),
            |r: &mut Ring, f| start_async(r, f, 100),
        ] {
            let read = start(&mut ring, from)?;
            ring.still_waits(read)?;
            io::write_all(to, b"late")?;
            check_eq!(Ok(b"late".to_vec()), ring.wait(read)?.bytes(), "read");
        }
    }
    Ok(())
}

fn line_completes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let mut ring = Ring::new()?;
    let read = ring.start_read(&slave, 100)?;
    io::write_all(&pty.master, b"a li")?;
    io::expect(&pty.master, b"a li")?;
    ring.still_waits(read)?;
    io::write_all(&pty.master, b"ne\n")?;
    check_eq!(Ok(b"a line\n".to_vec()), ring.wait(read)?.bytes(), "line");
    let read = ring.start_read(&slave, 100)?;
    io::write_all(&pty.master, b"\x04")?;
    check_eq!(Ok(Vec::new()), ring.wait(read)?.bytes(), "end of file");
    Ok(())
}

fn nonblock_waits(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        io::set_nonblock(from, true)?;
        let read = ring.start_read(from, 100)?;
        ring.still_waits(read)?;
        io::write_all(to, b"late")?;
        check_eq!(Ok(b"late".to_vec()), ring.wait(read)?.bytes(), "read");
        io::set_nonblock(from, false)?;
    }
    Ok(())
}

fn empty_read(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let read = ring.start_read(from, 0)?;
        if !(ctx.target.nowait && from.as_raw_fd() == pty.master.as_raw_fd()) {
            ring.still_waits(read)?;
        }
        io::write_all(to, b"data")?;
        check_eq!(Ok(Vec::new()), ring.wait(read)?.bytes(), "read");
        io::expect(from, b"data")?;
    }
    Ok(())
}

fn several_reads(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let reads = (0..4)
            .map(|_| ring.start_read(from, 1))
            .collect::<Result<Vec<_>>>()?;
        io::write_all(to, b"abcd")?;
        let mut got = Vec::new();
        for read in reads {
            got.extend(ring.wait(read)?.bytes()?);
        }
        got.sort_unstable();
        check_eq!(b"abcd".to_vec(), got, "the bytes of all reads");
    }
    Ok(())
}

/// Fills the way to the other end until there is no room; gives the count.
fn fill(to: &OwnedFd) -> Result<usize> {
    io::set_nonblock(to, true)?;
    let mut total = 0;
    until("the way to be full", || {
        loop {
            match io::write_now(to, [b'f'; 1024]) {
                Ok(n) => total += n,
                Err(Errno::EAGAIN) => break,
                Err(e) => return Err(e).context("write"),
            }
        }
        Ok(!io::events(to, PollFlags::POLLOUT)?.contains(PollFlags::POLLOUT))
    })?;
    io::set_nonblock(to, false)?;
    Ok(total)
}

fn write_completes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let n = fill(to)?;
        let go = Gate::new()?;
        let reader = child(|| {
            go.pass()?;
            let all = io::read_n(from, n + 3)?;
            check!(all.ends_with(b"ffend"), "the write came out of order");
            Ok(())
        })?;
        let write = ring.start_write(to, b"end")?;
        ring.still_waits(write)?;
        go.open()?;
        match ring.wait(write)?.result {
            Err(Errno::EINTR) => check_eq!(Ok(3), ring.write(to, b"end")?, "write again"),
            result => check_eq!(Ok(3), result, "write"),
        }
        reader.succeed()?;
    }
    Ok(())
}

fn large_write(ctx: &Ctx) -> Outcome {
    const TOTAL: usize = 100_000;
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let bytes: Vec<u8> = (0..TOTAL).map(|i| (i % 251) as u8).collect();
        let reader = child(|| {
            check!(io::read_n(from, TOTAL)? == bytes, "other bytes came");
            Ok(())
        })?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // What wakes the ring ends a write that sleeps early, as a signal would.
            let n = ring.write(to, rest)??;
            check!(n > 0, "wrote nothing");
            rest = &rest[n..];
        }
        reader.succeed()?;
    }
    Ok(())
}

fn other_end_closes(ctx: &Ctx) -> Outcome {
    let mut ring = Ring::new()?;
    for worker in [false, true] {
        let start = |ring: &mut Ring, from| {
            if worker {
                start_async(ring, from, 100)
            } else {
                ring.start_read(from, 100)
            }
        };
        let (pty, slave) = raw_pair(ctx)?;
        let read = start(&mut ring, &pty.master)?;
        io::write_all(&slave, b"last")?;
        check_eq!(Ok(b"last".to_vec()), ring.wait(read)?.bytes(), "data");
        let read = start(&mut ring, &pty.master)?;
        ring.still_waits(read)?;
        drop(slave);
        check_eq!(Err(Errno::EIO), ring.wait(read)?.result, "at the master");

        let slave = pty.slave()?;
        let read = start(&mut ring, &slave)?;
        ring.still_waits(read)?;
        drop(pty);
        // The slave's files are hung up a moment after the master is closed.
        let ended = ring.wait(read)?.result;
        check!(
            matches!(ended, Ok(0) | Err(Errno::EIO)),
            "at the slave: {ended:?}"
        );
        until(
            "end of file",
            || Ok(ring.read(&slave, 1)? == Ok(Vec::new())),
        )?;
        check_eq!(Err(Errno::EIO), ring.write(&slave, b"x")?, "write");
    }
    Ok(())
}

fn hangup(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let read = ring.start_read(&slave, 100)?;
    ring.still_waits(read)?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    check_eq!(Ok(Vec::new()), ring.wait(read)?.bytes(), "read");
    drop(pty);
    Ok(())
}

fn cancelled(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let read = ring.start_read(from, 100)?;
        check_eq!(Ok(0), ring.cancel(read)?, "cancel");
        check_eq!(Err(Errno::ECANCELED), ring.wait(read)?.result, "read");
        check_eq!(Err(Errno::ENOENT), ring.cancel(read)?, "cancel again");
        io::write_all(to, b"kept")?;
        io::expect_read(from, b"kept")?;
    }
    Ok(())
}

fn timed_out(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let time = types::Timespec::new().nsec(1_000_000);
    for (to, from) in pty.directions(&slave) {
        let read = ring.push(vec![0; 100], |p, n| {
            opcode::Read::new(fd(from), p, n)
                .build()
                .flags(Flags::IO_LINK)
        })?;
        let timeout = ring.push(Vec::new(), |_, _| opcode::LinkTimeout::new(&time).build())?;
        ring.submit()?;
        check_eq!(Err(Errno::ECANCELED), ring.wait(read)?.result, "read");
        check_eq!(Err(Errno::ETIME), ring.wait(timeout)?.result, "timeout");
        io::write_all(to, b"kept")?;
        io::expect_read(from, b"kept")?;
    }
    Ok(())
}

fn keeps_file(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    for (cancel, index) in [(true, 0), (false, 1)] {
        let mut ring = Ring::new()?;
        let pty = Pty::open(&fs)?;
        // The first of the two is still there.
        let _slave = pty.slave()?;
        check_eq!(index, pty.index, "index");
        let read = ring.start_read(&pty.master, 100)?;
        drop(pty.master);
        check!(fs.has(index), "the node is gone while a read waits");
        if cancel {
            check_eq!(Ok(0), ring.cancel(read)?, "cancel");
            check_eq!(Err(Errno::ECANCELED), ring.wait(read)?.result, "read");
        } else {
            drop(ring);
        }
        until("the node to go", || Ok(!fs.has(index)))?;
        std::mem::forget(_slave);
    }
    Ok(())
}

fn background(ctx: &Ctx) -> Outcome {
    let pty = open(ctx)?;
    session(|| {
        signals::block(&[SIGTTOU])?;
        let slave = pty.try_slave(RW).context("open")?;
        io::write_all(&pty.master, b"line\n")?;
        io::wait_for(&slave, PollFlags::POLLIN)?;
        let job = child(|| {
            own_group()?;
            let mut ring = Ring::new()?;
            check_eq!(Err(Errno::EINTR), ring.read(&slave, 100)?, "background");
            check_eq!(
                Ok(b"line\n".to_vec()),
                ring.read(&slave, 100)?,
                "foreground"
            );
            Ok(())
        })?;
        job.stopped_by(SIGTTIN)?;
        ioctl::set(&slave, TIOCSPGRP, job.pid.as_raw()).context("TIOCSPGRP")?;
        job.signal(nix::sys::signal::Signal::SIGCONT)?;
        job.succeed()
    })?
    .succeed()
}
