// SPDX-License-Identifier: GPL-2.0
//! Blocking, O_NONBLOCK, backpressure and interruption.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::SIGUSR1;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::mount::open_at;
use crate::fixture::process::{child, Child, Gate};
use crate::fixture::{io, pair, raw_pair, signals, term, Fs};

cases! { "blocking":
    empty_read_nonblock => "an empty read with O_NONBLOCK is EAGAIN at both ends",
    nonblock_from_open => "O_NONBLOCK given to open counts, and belongs to the file, not the pty",
    fionbio => "FIONBIO turns it on and off",
    full_write_nonblock => "a write with O_NONBLOCK takes what fits, then is EAGAIN, both ways",
    nothing_lost_when_full => "what was taken before EAGAIN arrives whole and in order, both ways",
    reader_blocks_and_wakes => "a blocking read waits for data, at both ends",
    writer_blocks_and_wakes => "a blocking write waits for room, and completes, both ways",
    read_is_interrupted => "a signal ends a blocked read with EINTR",
    write_is_interrupted => "a signal ends a blocked write with what was written so far, or EINTR",
    empty_requests => "reads and writes of no bytes return 0",
    bad_buffer => "a bad buffer is EFAULT",
    several_readers => "each byte goes to one of several blocked readers",
    readers_in_order => "blocked readers are served in the order in which they came, though one is interrupted",
    reader_becomes_nonblocking => "a read that waits for another's end sees O_NONBLOCK set meanwhile",
    what_fits_is_taken => "a blocking write of what fits returns though nobody reads, both ways",
    large_write_in_one_call => "a write of 200000 bytes returns 200000 when someone reads",
    interactive_read_returns_early => "a read returns what is there, not what it asked for",
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 253) as u8).collect()
}

fn empty_read_nonblock(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        io::set_nonblock(fd, true)?;
        check_errno(io::read_now(fd, 1), Errno::EAGAIN, "canonical")?;
    }
    term::raw(&slave)?;
    for fd in [&pty.master, &slave] {
        check_errno(io::read_now(fd, 1), Errno::EAGAIN, "raw")?;
    }
    Ok(())
}

fn nonblock_from_open(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let nonblock = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let master = open_at(&fs.join("ptmx"), nonblock).context("open ptmx")?;
    check_errno(io::read_now(&master, 1), Errno::EAGAIN, "master")?;
    crate::fixture::ioctl::set(&master, crate::fixture::ioctl::TIOCSPTLCK, 0)?;
    let first = open_at(&fs.join(0), nonblock).context("open the slave")?;
    let second =
        open_at(&fs.join(0), OFlag::O_RDWR | OFlag::O_NOCTTY).context("open the slave again")?;
    check_errno(io::read_now(&first, 1), Errno::EAGAIN, "slave")?;
    let reader = child(|| {
        check_eq!(
            Ok(b"x\n".to_vec()),
            io::read_now(&second, 9),
            "the other file's read"
        );
        Ok(())
    })?;
    reader.asleep()?;
    io::write_all(&master, b"x\n")?;
    reader.succeed()
}

fn fionbio(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        crate::fixture::ioctl::set(fd, libc::FIONBIO, 1).context("FIONBIO")?;
        check_errno(io::read_now(fd, 1), Errno::EAGAIN, "read")?;
        let flags = OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
        check!(flags.contains(OFlag::O_NONBLOCK), "F_GETFL says {flags:?}");
        crate::fixture::ioctl::set(fd, libc::FIONBIO, 0).context("FIONBIO")?;
    }
    Ok(())
}

/// Writes until EAGAIN comes and stays; gives how many bytes were taken.
fn fill(from: &OwnedFd, bytes: &[u8]) -> Result<usize> {
    io::set_nonblock(from, true)?;
    let mut taken = 0;
    let mut refused = 0;
    // What was taken may move on and make room once more.
    while refused < 20 {
        match io::write_now(from, &bytes[taken..]) {
            Ok(n) => {
                taken += n;
                refused = 0;
            }
            Err(Errno::EAGAIN) => {
                refused += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(e) => return Err(e).context("write"),
        }
        check!(taken < bytes.len(), "{taken} bytes were taken, and no end");
    }
    io::set_nonblock(from, false)?;
    Ok(taken)
}

fn full_write_nonblock(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let taken = fill(from, &pattern(1_000_000))?;
        check!(taken >= 4096, "only {taken} bytes were taken");
        io::set_nonblock(from, true)?;
        check_errno(io::write_now(from, b"x"), Errno::EAGAIN, "write when full")?;
        check!(
            !io::events(from, nix::poll::PollFlags::POLLOUT)?
                .contains(nix::poll::PollFlags::POLLOUT),
            "POLLOUT when full"
        );
        io::read_n(to, taken)?;
        io::wait_for(from, nix::poll::PollFlags::POLLOUT)?;
        check_eq!(Ok(1), io::write_now(from, b"x"), "write after it was read");
    }
    Ok(())
}

fn nothing_lost_when_full(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = pattern(1_000_000);
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        for _ in 0..3 {
            let taken = fill(from, &bytes)?;
            check!(
                io::read_n(to, taken)? == bytes[..taken],
                "the bytes read differ from those written"
            );
        }
        io::set_nonblock(to, true)?;
        check_errno(
            io::read_now(to, 1),
            Errno::EAGAIN,
            "read of more than was written",
        )?;
        io::set_nonblock(to, false)?;
    }
    Ok(())
}

fn reader_blocks_and_wakes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let ready = Gate::new()?;
        let reader = child(|| {
            ready.open()?;
            check_eq!(Ok(b"data".to_vec()), io::read_now(to, 100), "read");
            Ok(())
        })?;
        ready.pass()?;
        reader.asleep()?;
        io::write_all(from, b"data")?;
        reader.succeed()?;
    }
    Ok(())
}

fn writer_blocks_and_wakes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = pattern(100_000);
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let ready = Gate::new()?;
        let writer = child(|| {
            ready.open()?;
            check_eq!(Ok(bytes.len()), io::write_now(from, &bytes), "write");
            Ok(())
        })?;
        ready.pass()?;
        writer.asleep()?;
        check!(
            writer.alive()?,
            "100000 bytes were taken with nobody reading"
        );
        check!(
            io::read_n(to, bytes.len())? == bytes,
            "the bytes read differ from those written"
        );
        writer.succeed()?;
    }
    Ok(())
}

fn read_is_interrupted(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        let ready = Gate::new()?;
        let reader = child(|| {
            signals::interrupt_on(SIGUSR1)?;
            ready.open()?;
            check_errno(io::read_now(fd, 1), Errno::EINTR, "read")
        })?;
        ready.pass()?;
        reader.asleep()?;
        reader.signal(SIGUSR1)?;
        reader.succeed()?;
    }
    Ok(())
}

fn write_is_interrupted(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let result = Gate::new()?;
        let interrupted = |n: usize| -> Result<i64> {
            let ready = Gate::new()?;
            let writer = child(|| {
                signals::interrupt_on(SIGUSR1)?;
                ready.open()?;
                let n = io::write_now(from, pattern(n));
                result.send(n.map_or_else(|e| -(e as i64), |n| n as i64))
            })?;
            ready.pass()?;
            writer.asleep()?;
            writer.signal(SIGUSR1)?;
            writer.succeed()?;
            result.receive()
        };
        let first = interrupted(1_000_000)?;
        check!(
            (4096..1_000_000).contains(&first),
            "the first write gave {first}"
        );
        fill(from, &pattern(1_000_000))?;
        check_eq!(
            -(Errno::EINTR as i64),
            interrupted(10)?,
            "a write with no room"
        );
        check!(
            io::read_n(to, first as usize)? == pattern(first as usize),
            "the bytes read differ from those written"
        );
    }
    Ok(())
}

fn empty_requests(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for fd in [&pty.master, &slave] {
        check_eq!(Ok(0), io::write_now(fd, b""), "write");
        check_eq!(Ok(Vec::new()), io::read_now(fd, 0), "read");
    }
    Ok(())
}

fn bad_buffer(ctx: &Ctx) -> Outcome {
    use std::os::fd::AsRawFd;
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        // SAFETY: the kernel must refuse the address, which nothing is mapped at.
        let wrote =
            Errno::result(unsafe { libc::write(from.as_raw_fd(), 16 as *const libc::c_void, 4) });
        check_errno(wrote, Errno::EFAULT, "write")?;
        io::write_all(from, b"data")?;
        io::wait_for(to, nix::poll::PollFlags::POLLIN)?;
        // SAFETY: as above.
        let read = Errno::result(unsafe { libc::read(to.as_raw_fd(), 16 as *mut libc::c_void, 4) });
        check_errno(read, Errno::EFAULT, "read")?;
        io::write_all(from, b"more")?;
        crate::fixture::ioctl::call(
            to,
            crate::fixture::ioctl::TCFLSH,
            libc::TCIFLUSH as libc::c_ulong,
        )?;
    }
    Ok(())
}

fn several_readers(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let counts = Gate::new()?;
    let readers = (0..3)
        .map(|_| {
            child(|| {
                let mut total = 0;
                loop {
                    let part = io::read_now(&slave, 16).context("read")?;
                    if let Some(digits) = part.strip_suffix(b".") {
                        return counts.send(total + digits.len() as i64);
                    }
                    total += part.len() as i64;
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..50 {
        io::write_all(&pty.master, b"0123456789")?;
    }
    let mut total = 0;
    for _ in 0..3 {
        // Ends the reader that it comes to.
        io::write_all(&pty.master, b".")?;
        total += counts.receive()?;
    }
    check_eq!(500, total, "bytes read in all");
    readers.iter().try_for_each(|r| r.succeed())
}

/// A child that blocks in a read, and then has `want`.
fn blocked_reader(fd: &OwnedFd, want: nix::Result<&'static [u8]>) -> Result<Child> {
    let ready = Gate::new()?;
    let reader = child(|| {
        signals::interrupt_on(SIGUSR1)?;
        ready.open()?;
        check_eq!(want.map(<[u8]>::to_vec), io::read_now(fd, 99), "read");
        Ok(())
    })?;
    ready.pass()?;
    reader.asleep()?;
    Ok(reader)
}

fn readers_in_order(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let directions = pty.directions(&slave);
    for (to, from) in directions.into_iter().cycle().take(10) {
        let first = blocked_reader(from, Ok(b"one"))?;
        let second = blocked_reader(from, Ok(b"two"))?;
        let third = blocked_reader(from, Err(Errno::EINTR))?;
        third.signal(SIGUSR1)?;
        third.succeed()?;
        io::write_all(to, b"one")?;
        first.succeed()?;
        io::write_all(to, b"two")?;
        second.succeed()?;
    }
    Ok(())
}

fn reader_becomes_nonblocking(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let first = blocked_reader(from, Ok(b"one"))?;
        let second = blocked_reader(from, Err(Errno::EAGAIN))?;
        io::set_nonblock(from, true)?;
        check_errno(io::read_now(from, 9), Errno::EAGAIN, "a third read")?;
        io::write_all(to, b"one")?;
        first.succeed()?;
        second.succeed()?;
        io::set_nonblock(from, false)?;
    }
    Ok(())
}

fn what_fits_is_taken(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    // With flow control, for which input is looked through before its turn, and with echo, with which it goes in small pieces.
    term::modify(&slave, |t| {
        t.c_iflag |= libc::IXON;
        t.c_lflag |= libc::ECHO;
    })?;
    let bytes: Vec<u8> = (0..7000).map(|i| b'a' + (i % 23) as u8).collect();
    let write = |to| -> Outcome {
        check_eq!(Ok(1000), io::write_now(to, &bytes[..1000]), "first write");
        check_eq!(Ok(6000), io::write_now(to, &bytes[1000..]), "second write");
        Ok(())
    };
    write(&pty.master)?;
    io::expect(&slave, &bytes)?;
    io::expect(&pty.master, &bytes).context("the echo")?;
    write(&slave)?;
    io::expect(&pty.master, &bytes)
}

fn large_write_in_one_call(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let bytes = pattern(200_000);
        let writer = child(|| {
            check_eq!(Ok(bytes.len()), io::write_now(from, &bytes), "write");
            Ok(())
        })?;
        check!(
            io::read_n(to, bytes.len())? == bytes,
            "the bytes read differ from those written"
        );
        writer.succeed()?;
    }
    Ok(())
}

fn interactive_read_returns_early(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        io::write_all(from, b"ab")?;
        let got = io::read_some(to, 65536)?.context("read")?;
        check!(!got.is_empty() && got.len() <= 2, "got {got:?}");
        io::read_n(to, 2 - got.len())?;
    }
    Ok(())
}
