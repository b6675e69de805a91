// SPDX-License-Identifier: GPL-2.0
//! What each end reads and writes once the other is closed.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::process::child;
use crate::fixture::wait::until;
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "eof_drain":
    master_read_before_slave_opens => "before the slave was ever opened, a master's read waits (EAGAIN), not EIO",
    slave_closed_master_gets_eio => "after the slave's last close the master reads EIO and polls POLLHUP",
    slave_closed_master_drains_first => "what the slave wrote before it closed is read before EIO",
    slave_closed_wakes_the_master => "a master blocked in read gets EIO when the slave closes",
    one_of_two_slaves_closed => "closing one of two slave files changes nothing",
    slave_reopened => "a slave that is opened again works, and EIO and POLLHUP are gone",
    input_survives_reopen => "what the master wrote while no slave was open is read by the next",
    master_write_without_slave => "a master may write while no slave is open",
    master_closed_slave_reads_eof => "after the master closed, the slave reads end of file",
    master_closed_slave_write_eio => "after the master closed, a write to the slave is EIO",
    master_closed_wakes_the_slave => "a slave blocked in read gets EIO when the master closes, and then end of file",
    master_closed_slave_open_enoent => "after the master closed, the slave's name is gone",
    master_closed_input_is_lost => "what the slave has not read is gone when the master closes",
    master_closed_wakes_a_writer => "a slave blocked in write gets what it wrote so far, then EIO, when the master closes",
    slave_closed_keeps_a_writer => "a master blocked in write goes on waiting when the slave closes, until the next reads",
    large_output_is_drained => "kilobytes that the slave wrote before it closed all reach the master",
}

fn master_read_before_slave_opens(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    io::set_nonblock(&pty.master, true)?;
    check_errno(io::read_now(&pty.master, 1), Errno::EAGAIN, "read")?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&pty.master, PollFlags::all())? & !PollFlags::POLLWRNORM,
        "poll"
    );
    Ok(())
}

fn slave_closed_master_gets_eio(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(slave);
    check_errno(io::read_now(&pty.master, 1), Errno::EIO, "read")?;
    check!(
        io::events(&pty.master, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
        "no POLLHUP"
    );
    check_errno(io::read_now(&pty.master, 1), Errno::EIO, "second read")
}

fn slave_closed_master_drains_first(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    io::write_all(&slave, b"last words")?;
    drop(slave);
    let (bytes, end) = io::read_to_end(&pty.master)?;
    check_eq!("last words", io::text(&bytes), "drained");
    check_eq!(Some(Errno::EIO), end, "end");
    Ok(())
}

fn slave_closed_wakes_the_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    // The reader must not hold the slave open.
    let raw = std::os::fd::AsRawFd::as_raw_fd(&slave);
    let reader = child(|| {
        // SAFETY: the child's copy; its owner in this process is never dropped, since the child exits without unwinding.
        unsafe { libc::close(raw) };
        check_errno(io::read_now(&pty.master, 1), Errno::EIO, "read")
    })?;
    reader.asleep()?;
    drop(slave);
    reader.succeed()
}

fn one_of_two_slaves_closed(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(pty.slave()?);
    io::set_nonblock(&pty.master, true)?;
    check_errno(io::read_now(&pty.master, 1), Errno::EAGAIN, "read")?;
    check!(
        !io::events(&pty.master, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
        "POLLHUP"
    );
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")
}

fn slave_reopened(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(slave);
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EIO,
        "read while closed",
    )?;
    let slave = pty.slave()?;
    check!(
        !io::events(&pty.master, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
        "POLLHUP after reopening"
    );
    io::write_all(&slave, b"again\n")?;
    io::expect(&pty.master, b"again\r\n")
}

fn input_survives_reopen(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    term::no_echo(&pty.master)?;
    io::write_all(&pty.master, b"early\n")?;
    let slave = pty.slave()?;
    io::expect_read(&slave, b"early\n")?;
    drop(slave);
    io::write_all(&pty.master, b"between\n")?;
    io::expect_read(&pty.slave()?, b"between\n")
}

fn master_write_without_slave(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    check_eq!(
        Ok(3),
        io::write_now(&pty.master, b"abc"),
        "before the first open"
    );
    io::expect(&pty.master, b"abc")?;
    drop(pty.slave()?);
    check_eq!(
        Ok(3),
        io::write_now(&pty.master, b"def"),
        "after the last close"
    );
    Ok(())
}

fn master_closed_slave_reads_eof(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(pty);
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "read");
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "second read");
    let seen = io::events(&slave, PollFlags::POLLIN | PollFlags::POLLOUT)?;
    let want = PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLERR | PollFlags::POLLHUP;
    check_eq!(want, seen, "poll");
    Ok(())
}

fn master_closed_slave_write_eio(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(pty);
    check_errno(io::write_now(&slave, b"x"), Errno::EIO, "write")?;
    check_errno(term::get(&slave), Errno::EIO, "tcgetattr")
}

fn master_closed_wakes_the_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&pty.master);
    let reader = child(|| {
        // SAFETY: as in `slave_closed_wakes_the_master`.
        unsafe { libc::close(raw) };
        check_errno(io::read_now(&slave, 1), Errno::EIO, "the read under way")?;
        // The hangup, and with it end of file, comes a moment later.
        until("end of file", || match io::read_now(&slave, 1) {
            Ok(bytes) => Ok(bytes.is_empty()),
            Err(Errno::EIO) => Ok(false),
            Err(e) => Err(e).context("the next read"),
        })?;
        Ok(())
    })?;
    reader.asleep()?;
    drop(pty);
    reader.succeed()
}

fn master_closed_slave_open_enoent(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    let path = pty.path.clone();
    drop(pty);
    check_errno(
        crate::fixture::mount::open_at(&path, OFlag::O_RDWR | OFlag::O_NOCTTY),
        Errno::ENOENT,
        "open",
    )
}

fn master_closed_input_is_lost(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    io::write_all(&pty.master, b"unread")?;
    io::wait_for(&slave, PollFlags::POLLIN)?;
    drop(pty);
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 100), "read");
    Ok(())
}

fn large_output_is_drained(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    io::set_nonblock(&slave, true)?;
    let pattern: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
    let n = io::write_now(&slave, &pattern)?;
    check!(n >= 4096, "only {n} bytes were accepted");
    drop(slave);
    let (bytes, end) = io::read_to_end(&pty.master)?;
    check_eq!(n, bytes.len(), "bytes drained");
    check!(
        bytes == pattern[..n],
        "drained bytes differ from what was written"
    );
    check_eq!(Some(Errno::EIO), end, "end");
    Ok(())
}

fn master_closed_wakes_a_writer(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&pty.master);
    let writer = child(|| {
        // SAFETY: as in `slave_closed_wakes_the_master`.
        unsafe { libc::close(raw) };
        let n = io::write_now(&slave, vec![b'x'; 1_000_000])?;
        check!(
            (4096..1_000_000).contains(&n),
            "the write under way gave {n}"
        );
        check_errno(io::write_now(&slave, b"x"), Errno::EIO, "the next write")
    })?;
    writer.asleep()?;
    drop(pty);
    writer.succeed()
}

fn slave_closed_keeps_a_writer(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&slave);
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let writer = child(|| {
        // SAFETY: as in `slave_closed_wakes_the_master`.
        unsafe { libc::close(raw) };
        check_eq!(Ok(bytes.len()), io::write_now(&pty.master, &bytes), "write");
        Ok(())
    })?;
    writer.asleep()?;
    drop(slave);
    check!(writer.alive()?, "the slave's close ended the write");
    let slave = pty.slave()?;
    check!(
        io::read_n(&slave, bytes.len())? == bytes,
        "the bytes read differ from those written"
    );
    writer.succeed()
}
