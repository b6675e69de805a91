// SPDX-License-Identifier: GPL-2.0
//! Nothing written is lost, doubled or reordered.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::pass::{receive_fd, send_fd, sockets};
use crate::fixture::process::child;
use crate::fixture::stream::{same, Stream};
use crate::fixture::{io, pair, raw_pair};

cases! { "integrity":
    to_master => "a megabyte from slave to master arrives as it was written",
    to_slave => "a megabyte from master to slave arrives as it was written",
    both_ways_at_once => "half a megabyte each way at once arrives as it was written",
    with_echo => "with echo, lines reach the slave whole and their echo the master in order",
    output_against_echo => "output and echo mix, but each keeps its order, and no output is lost",
    echo_between_lines => "the echo of what is typed while lines are printed is not lost, however fast they come",
    two_writers => "writes of two processes to a slave do not mix within a write",
    two_writers_to_master => "writes of two processes to a master do not mix within a write",
    odd_sizes => "writes and reads of odd sizes arrive as written",
    descriptor_passed => "both ends work for a process that they were passed to by a socket",
    descriptor_in_flight => "a master that is on its way in a socket keeps the pty alive",
    closed_in_child => "an end is closed when the last of its copies in any process is",
}

fn one_way(from: &OwnedFd, to: &OwnedFd, n: usize, seed: u64) -> Outcome {
    let bytes = Stream::new(seed).bytes(n);
    let writer = child(|| io::write_all(from, &bytes))?;
    same(to, &bytes)?;
    writer.succeed()?;
    io::set_nonblock(to, true)?;
    crate::check::check_errno(
        io::read_now(to, 1),
        Errno::EAGAIN,
        "read of more than was written",
    )
}

fn to_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    one_way(&slave, &pty.master, 1 << 20, 1)
}

fn to_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    one_way(&pty.master, &slave, 1 << 20, 2)
}

fn both_ways_at_once(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let (down, up) = (Stream::new(3).bytes(1 << 19), Stream::new(4).bytes(1 << 19));
    let others = [
        child(|| io::write_all(&pty.master, &down))?,
        child(|| io::write_all(&slave, &up))?,
        child(|| same(&slave, &down))?,
    ];
    same(&pty.master, &up)?;
    others.iter().try_for_each(|c| c.succeed())
}

fn with_echo(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let mut random = Stream::new(5);
    let lines = (0..2000).fold(String::new(), |mut lines, i| {
        lines += &format!("{i} {:x}\n", random.number() >> (i % 60));
        lines
    });
    let reader = child(|| same(&slave, lines.as_bytes()))?;
    // No more at once than there is room for its echo.
    let all: Vec<&str> = lines.split_inclusive('\n').collect();
    for part in all.chunks(40) {
        io::write_all(&pty.master, part.concat())?;
        same(&pty.master, part.concat().replace('\n', "\r\n").as_bytes())?;
    }
    reader.succeed()
}

fn output_against_echo(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    // Typed letters are small, printed ones large.
    let mut random = Stream::new(6);
    let mut text = |base: u8| -> Vec<u8> {
        (0..40_000)
            .map(|_| base + (random.number() % 26) as u8)
            .collect()
    };
    let (mut typed, printed) = (text(b'a'), text(b'A'));
    typed
        .iter_mut()
        .skip(79)
        .step_by(80)
        .for_each(|b| *b = b'\n');
    let done = crate::fixture::process::Gate::new()?;
    let then = |outcome: Outcome| outcome.and_then(|()| done.open());
    let others = [
        child(|| {
            then(
                typed
                    .chunks(80)
                    .try_for_each(|line| io::write_all(&pty.master, line)),
            )
        })?,
        child(|| {
            then(
                printed
                    .chunks(77)
                    .try_for_each(|part| io::write_all(&slave, part)),
            )
        })?,
        child(|| then(same(&slave, &typed)))?,
        // Echo that still waits when all three are done is sent before what is printed next.
        child(|| {
            (0..3).try_for_each(|_| done.pass())?;
            io::write_all(&slave, b"|")
        })?,
    ];
    let mut all = Vec::new();
    while all.last() != Some(&b'|') {
        all.extend(io::read_some(&pty.master, 8192)?.context("read")?);
    }
    others.iter().try_for_each(|c| c.succeed())?;
    let (large, small): (Vec<u8>, Vec<u8>) = all.into_iter().partition(u8::is_ascii_uppercase);
    check!(large == printed, "the output came changed");
    // Where echo had no room some of it was dropped, but none came twice or too early.
    let mut rest = typed.iter();
    for byte in small.iter().filter(|b| !b"\r|".contains(b)) {
        check!(
            rest.any(|b| b == byte),
            "the echo is not in the order in which it was typed"
        );
    }
    Ok(())
}

/// The echo goes by the room that there was a moment before it is put in.
fn echo_between_lines(ctx: &Ctx) -> Outcome {
    const TYPED: usize = 200;
    const PATIENCE: Duration = Duration::from_secs(20);
    let (pty, slave) = pair(ctx)?;
    let line = [[b'e'; 1000].as_slice(), b"\n"].concat();
    let text = [[b'P'; 60].as_slice(), b"\n"].concat().repeat(30);
    let (echoed, typed_all) = (AtomicUsize::new(0), AtomicBool::new(false));
    scope(|scope| {
        let printer = scope.spawn(|| -> Outcome {
            while !typed_all.load(Relaxed) {
                io::write_all(&slave, &text)?;
            }
            io::write_all(&slave, b"|")
        });
        let typist = scope.spawn(|| -> Outcome {
            let type_all = || -> Outcome {
                for n in 1..=TYPED {
                    io::write_all(&pty.master, &line)?;
                    check_eq!(line, io::read_n(&slave, line.len())?, "input");
                    let end = Instant::now() + PATIENCE;
                    while echoed.load(Relaxed) < n * (line.len() - 1) {
                        check!(Instant::now() < end, "the echo of line {n} is not whole");
                        sleep(Duration::from_micros(50));
                    }
                }
                Ok(())
            };
            let outcome = type_all();
            typed_all.store(true, Relaxed);
            outcome
        });
        let mut last = 0;
        while last != b'|' {
            let some = io::read_some(&pty.master, 256)??;
            let echo = some.iter().filter(|byte| **byte == b'e').count();
            echoed.fetch_add(echo, Relaxed);
            last = some.last().copied().unwrap_or(b'|');
        }
        typist.join().expect("threads do not panic")?;
        printer.join().expect("threads do not panic")
    })
}

/// Two processes write records of `size` bytes to `from`, each in one write; the reader sees them whole, and each writer's in order.
fn two_writers_of(from: &OwnedFd, to: &OwnedFd, size: usize) -> Outcome {
    const RECORDS: usize = 300;
    let record = |writer: u8, number: usize| {
        let mut r = format!("{}{number:07}", writer as char).into_bytes();
        r.resize(size, writer);
        r
    };
    let writers = [b'A', b'B'].map(|writer| {
        child(|| {
            (0..RECORDS).try_for_each(|n| {
                check_eq!(
                    Ok(size),
                    io::write_now(from, record(writer, n)),
                    "write of a record"
                );
                Ok(())
            })
        })
    });
    let mut next = [0, 0];
    for _ in 0..2 * RECORDS {
        let got = io::read_n(to, size)?;
        let who = usize::from(got[0].wrapping_sub(b'A'));
        check!(who < 2, "a record begins with {:?}", io::text(&got[..8]));
        check!(
            got == record(got[0], next[who]),
            "a record came mixed: {:?}",
            io::text(&got)
        );
        next[who] += 1;
    }
    for writer in writers {
        writer?.succeed()?;
    }
    Ok(())
}

fn two_writers(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    two_writers_of(&slave, &pty.master, 100)?;
    two_writers_of(&slave, &pty.master, 3000)
}

fn two_writers_to_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    two_writers_of(&pty.master, &slave, 100)?;
    two_writers_of(&pty.master, &slave, 3000)
}

fn odd_sizes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to, seed) in [(&slave, &pty.master, 7), (&pty.master, &slave, 8)] {
        let bytes = Stream::new(seed).bytes(100_000);
        let writer = child(|| {
            let mut sizes = Stream::new(seed + 10);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let n = (sizes.number() as usize % 3000 + 1).min(rest.len());
                io::write_all(from, &rest[..n])?;
                rest = &rest[n..];
            }
            Ok(())
        })?;
        let mut sizes = Stream::new(seed + 20);
        let mut at = 0;
        while at < bytes.len() {
            let part = io::read_some(
                to,
                (sizes.number() as usize % 700 + 1).min(bytes.len() - at),
            )?
            .context("read")?;
            check!(
                part == bytes[at..at + part.len()],
                "a difference within {} bytes after {at}",
                part.len()
            );
            at += part.len();
        }
        writer.succeed()?;
    }
    Ok(())
}

fn descriptor_passed(ctx: &Ctx) -> Outcome {
    let (there, here) = sockets()?;
    let maker = child(|| {
        let (pty, slave) = raw_pair(ctx)?;
        send_fd(&there, &pty.master)?;
        send_fd(&there, &slave)
    })?;
    maker.succeed()?;
    let (master, slave) = (receive_fd(&here)?, receive_fd(&here)?);
    io::write_all(&slave, b"up")?;
    io::expect(&master, b"up")?;
    io::write_all(&master, b"down")?;
    io::expect(&slave, b"down")?;
    drop(slave);
    crate::check::check_errno(
        io::read_now(&master, 1),
        Errno::EIO,
        "read after the slave closed",
    )
}

fn descriptor_in_flight(ctx: &Ctx) -> Outcome {
    let (there, here) = sockets()?;
    let (pty, slave) = raw_pair(ctx)?;
    send_fd(&there, &pty.master)?;
    let path = pty.path.clone();
    drop(pty);
    check!(
        path.exists(),
        "the node went while the master was in flight"
    );
    io::write_all(&slave, b"kept")?;
    let master = receive_fd(&here)?;
    io::expect(&master, b"kept")?;
    send_fd(&there, &master)?;
    drop(master);
    // A socket that is closed with a descriptor in it closes the descriptor.
    drop((there, here));
    crate::fixture::wait::until("the node to go", || Ok(!path.exists()))?;
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "the slave's read");
    Ok(())
}

fn closed_in_child(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let go = crate::fixture::process::Gate::new()?;
    let keeper = child(|| {
        go.pass()?;
        // Its copies are closed by its end.
        Ok(())
    })?;
    let path = pty.path.clone();
    drop(pty);
    check!(
        path.exists(),
        "the node went while another process had the master"
    );
    go.open()?;
    keeper.succeed()?;
    check!(!path.exists(), "the node outlived the last process");
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "the slave's read");
    Ok(())
}
