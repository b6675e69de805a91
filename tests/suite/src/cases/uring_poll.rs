// SPDX-License-Identifier: GPL-2.0
//! io_uring: poll, polled rings, multishot requests, provided buffers, splice.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use io_uring::opcode;
use io_uring::squeue::Flags;
use nix::errno::Errno;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::uring::{fd, Ring};
use crate::fixture::wait::until;
use crate::fixture::{io, raw_pair};

cases! { "uring_poll":
    poll => "poll waits for data, says what is there, and can be removed",
    poll_multishot => "multishot poll tells of data each time, and of the hangup",
    multishot_at_master => "multishot read at the master gives data each time, until it is cancelled, or on rdevpts the slave closed",
    multishot_at_slave => "multishot read at the slave gives data each time, and ends with the hangup",
    provided_buffers => "a read takes a provided buffer, and is ENOBUFS when there is none",
    splice => "splice from one end into a pipe and out of it to the other waits for data",
    sqpoll => "a ring that a kernel thread polls",
    iopoll => "a ring that polls for completions is EOPNOTSUPP",
}

/// IORING_OP_POLL_ADD.
fn start_poll(ring: &mut Ring, end: &OwnedFd, events: PollFlags, multi: bool) -> Result<u64> {
    ring.start(Vec::new(), |_, _| {
        opcode::PollAdd::new(fd(end), events.bits() as u32)
            .multi(multi)
            .build()
    })
}

fn events(result: nix::Result<usize>) -> Result<PollFlags> {
    Ok(PollFlags::from_bits_truncate(result? as i16))
}

fn poll(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let id = start_poll(&mut ring, to, PollFlags::POLLIN | PollFlags::POLLOUT, false)?;
        let seen = events(ring.wait(id)?.result)?;
        check_eq!(PollFlags::POLLOUT, seen, "idle");
        let id = start_poll(&mut ring, from, PollFlags::POLLIN, false)?;
        ring.still_waits(id)?;
        io::write_all(to, b"x")?;
        let seen = events(ring.wait(id)?.result)?;
        check_eq!(PollFlags::POLLIN, seen, "with data");
        io::expect(from, b"x")?;
        let id = start_poll(&mut ring, from, PollFlags::POLLIN, false)?;
        let removed = ring.call(opcode::PollRemove::new(id).build())?;
        check_eq!(Ok(0), removed, "remove");
        check_eq!(Err(Errno::ECANCELED), ring.wait(id)?.result, "removed");
    }
    let id = start_poll(&mut ring, &pty.master, PollFlags::POLLIN, false)?;
    drop(slave);
    let seen = events(ring.wait(id)?.result)?;
    check!(seen.contains(PollFlags::POLLHUP), "hangup: {seen:?}");
    Ok(())
}

fn poll_multishot(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let id = start_poll(&mut ring, &pty.master, PollFlags::POLLIN, true)?;
    ring.still_waits(id)?;
    for round in 0..5 {
        io::write_all(&slave, b"x")?;
        let done = ring.wait(id)?;
        check!(done.more(), "ended in round {round}");
        let seen = events(done.result)?;
        check!(seen.contains(PollFlags::POLLIN), "round {round}: {seen:?}");
        io::expect(&pty.master, b"x")?;
    }
    drop(slave);
    until("POLLHUP", || {
        Ok(events(ring.wait(id)?.result)?.contains(PollFlags::POLLHUP))
    })
}

const GROUP: u16 = 7;

/// Gives the ring `count` buffers of `size` bytes.
///
/// They are leaked, since the kernel may fill them as long as the ring is there.
fn provide(ring: &mut Ring, count: u16, size: usize) -> Result<*const u8> {
    let memory = vec![0u8; size * usize::from(count)].leak().as_mut_ptr();
    ring.call(opcode::ProvideBuffers::new(memory, i32::try_from(size)?, count, GROUP, 0).build())?
        .context("provide buffers")?;
    Ok(memory)
}

/// What a completion put into its provided buffer.
fn provided(memory: *const u8, size: usize, flags: u32, n: usize) -> Result<Vec<u8>> {
    let buffer = io_uring::cqueue::buffer_select(flags).context("no buffer was taken")?;
    let at = memory.wrapping_add(size * usize::from(buffer));
    // SAFETY: one of the buffers that `provide` leaked, which the kernel has filled and gives to nobody else.
    Ok(unsafe { std::slice::from_raw_parts(at, n) }.to_vec())
}

/// Starts a multishot read, and sees it give three pieces of data.
fn start_multishot(ring: &mut Ring, to: &OwnedFd, from: &OwnedFd) -> Result<u64> {
    const SIZE: usize = 64;
    let memory = provide(ring, 16, SIZE)?;
    let id = ring.start(Vec::new(), |_, _| {
        opcode::ReadMulti::new(fd(from), 0, GROUP).build()
    })?;
    ring.still_waits(id)?;
    for text in ["one", "two", "three"] {
        io::write_all(to, text)?;
        let done = ring.wait(id)?;
        let got = provided(memory, SIZE, done.flags, done.result?)?;
        check_eq!(text.as_bytes(), &got[..], "data");
        check!(done.more(), "ended after {text}");
    }
    Ok(id)
}

fn multishot_at_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let id = start_multishot(&mut ring, &slave, &pty.master)?;
    drop(slave);
    if ctx.target.nowait {
        let done = ring.wait(id)?;
        check_eq!(Err(Errno::EIO), done.result, "the slave closed");
        check!(!done.more(), "goes on after an error");
    } else {
        // It asks for POLLIN, and the close of a slave is POLLHUP alone.
        check_eq!(Ok(0), ring.cancel(id)?, "cancel");
        check_eq!(Err(Errno::ECANCELED), ring.wait(id)?.result, "cancelled");
    }
    let after = ring.read(&pty.master, 1)?;
    check_eq!(Err(Errno::EIO), after, "a read afterwards");
    Ok(())
}

fn multishot_at_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let id = start_multishot(&mut ring, &pty.master, &slave)?;
    drop(pty.master);
    let done = ring.wait(id)?;
    check!(!done.more(), "goes on after the master closed");
    // The slave's files are hung up a moment after the master is closed.
    let ended = done.result;
    check!(matches!(ended, Ok(0) | Err(Errno::EIO)), "{ended:?}");
    Ok(())
}

fn provided_buffers(ctx: &Ctx) -> Outcome {
    const SIZE: usize = 8;
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let mut ring = Ring::new()?;
        let memory = provide(&mut ring, 2, SIZE)?;
        let mut read = || {
            ring.run(Vec::new(), |_, _| {
                opcode::Read::new(fd(from), std::ptr::null_mut(), 0)
                    .buf_group(GROUP)
                    .build()
                    .flags(Flags::BUFFER_SELECT)
            })
        };
        io::write_all(to, b"sixteen bytes ok")?;
        let mut got = Vec::new();
        for _ in 0..2 {
            let done = read()?;
            got.extend(provided(memory, SIZE, done.flags, done.result?)?);
        }
        check!(
            b"sixteen bytes ok".starts_with(&got) && !got.is_empty(),
            "{got:?}"
        );
        io::write_all(to, b"x")?;
        check_eq!(Err(Errno::ENOBUFS), read()?.result, "no buffer left");
        io::read_n(from, 17 - got.len())?;
    }
    Ok(())
}

fn splice(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    for (to, from) in pty.directions(&slave) {
        let take = ring.start(Vec::new(), |_, _| {
            opcode::Splice::new(fd(from), -1, fd(&writer), -1, 100).build()
        })?;
        ring.still_waits(take)?;
        io::write_all(to, b"spliced")?;
        check_eq!(Ok(7), ring.wait(take)?.result, "into the pipe");
        let give = ring.call(opcode::Splice::new(fd(&reader), -1, fd(to), -1, 7).build())?;
        check_eq!(Ok(7), give, "out of the pipe");
        io::expect(from, b"spliced")?;
    }
    let tee = ring.call(opcode::Tee::new(fd(&slave), fd(&writer), 1).build())?;
    check_eq!(Err(Errno::EINVAL), tee, "tee from a terminal");
    Ok(())
}

fn sqpoll(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::with(|b| {
        b.setup_sqpoll(10);
    })?;
    for (to, from) in pty.directions(&slave) {
        let read = ring.start_read(from, 100)?;
        check_eq!(Ok(5), ring.write(to, b"bytes")?, "write");
        check_eq!(Ok(b"bytes".to_vec()), ring.wait(read)?.bytes(), "read");
    }
    Ok(())
}

fn iopoll(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::with(|b| {
        b.setup_iopoll();
    })?;
    for end in [&pty.master, &slave] {
        check_eq!(Err(Errno::EOPNOTSUPP), ring.write(end, b"x")?, "write");
        check_eq!(Err(Errno::EOPNOTSUPP), ring.read(end, 1)?, "read");
    }
    Ok(())
}
