// SPDX-License-Identifier: GPL-2.0
//! What /proc/PID/fdinfo/FD says of either end: see Documentation/inside.rst.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{getpid, setsid};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::counters::device_name;
use crate::fixture::fdinfo::{number, FdInfo};
use crate::fixture::ioctl::{self, TCXONC, TIOCGPTPEER, TIOCINQ, TIOCSCTTY, TIOCSETD, TIOCSPGRP};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child, own_group, session, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, term, Fs, Pty};

cases! { "fdinfo":
    index_at_the_master => "a master has the line tty-index and inode 2",
    inode_at_the_slave => "a slave has its own inode",
    lines_of_both_ends => "each end has the lines that it should, in their order, and which end it is",
    slave_tells_nothing_of_bytes => "a slave's lines are the same, whatever is typed and put out",
    another_users_master => "who has a slave open cannot read what is said of another user's master",
    output_raw => "bytes that a slave puts out are counted as they are",
    output_cooked => "a newline that becomes two bytes is counted as two",
    output_of_echo => "echo is output, and so is what TCIOFF sends",
    output_past_another_discipline => "what goes to a master with another line discipline is counted too",
    output_queued => "output that nobody has read is queued, until it is read or flushed",
    output_stalls => "a writer that finds too little room is counted once until there is some",
    ring => "memory for output is there while there is some, and gone when a reader has found no more",
    input => "bytes that a write to the master took are counted, and those alone",
    input_queued => "input is queued that the slave's line discipline has no room for",
    opens => "open files of the slave are counted, not descriptors",
    group_and_session => "a slave's foreground group and session are shown at the master alone, and 0 without",
    in_another_pid_namespace => "groups and sessions are numbers of who looks, 0 for those that it cannot see",
    mount => "the mount is shown as in mountinfo, also beside another",
    fresh_for_each_pty => "a new pty with the index of one that is gone has counted nothing",
    after_the_master => "a slave without its master has the standard lines",
}

// include/uapi/linux/tty.h
const N_NULL: i32 = 27;
/// More than there is room for in either direction.
const MANY: usize = 1 << 18;

/// The lines of terminals, without what rdevpts's begin with.
const OF_BOTH: &[&str] = &["tty-index", "rdevpts-end", "rdevpts-mount", "rdevpts-opens"];
/// Of masters alone: whose it is, and what is counted.
const OWNERS: &[&str] = &["rdevpts-pgrp", "rdevpts-session"];
const COUNTS: &[&str] = &[
    "rdevpts-output",
    "rdevpts-output-queued",
    "rdevpts-output-stalls",
    "rdevpts-input",
    "rdevpts-input-queued",
    "rdevpts-ring",
];

/// Writes until there is no room; gives how many bytes were taken.
fn fill(end: &OwnedFd) -> Result<u64> {
    io::set_nonblock(end, true)?;
    let mut taken = 0;
    loop {
        match io::write_now(end, [b'f'; 1000]) {
            Ok(n) => taken += n,
            Err(Errno::EAGAIN) => return Ok(taken as u64),
            Err(e) => return Err(e).context("write"),
        }
        check!(taken < MANY, "{taken} bytes were taken");
    }
}

/// Reads until there is nothing; gives how many bytes there were.
fn drain(end: &OwnedFd) -> Result<u64> {
    io::set_nonblock(end, true)?;
    let mut got = 0;
    loop {
        match io::read_now(end, 8192) {
            Ok(bytes) => got += bytes.len() as u64,
            Err(Errno::EAGAIN) => return Ok(got),
            Err(e) => return Err(e).context("read"),
        }
    }
}

fn index_at_the_master(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let mut ptys = Vec::new();
    for index in 0..3 {
        let pty = Pty::locked(&fs)?;
        let info = FdInfo::of(&pty.master)?;
        check_eq!(index.to_string(), info.text("tty-index")?, "tty-index");
        check_eq!("2", info.text("ino")?, "inode");
        check_eq!("0", info.text("pos")?, "position");
        ptys.push(pty);
    }
    Ok(())
}

fn inode_at_the_slave(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    let info = FdInfo::of(&slave)?;
    check_eq!("3", info.text("ino")?, "inode");
    check_eq!("0", info.text("pos")?, "position");
    Ok(())
}

fn lines_of_both_ends(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let (master, slave) = (FdInfo::of(&pty.master)?, FdInfo::of(&slave)?);
    if !ctx.target.figures {
        check_eq!(["tty-index"], &master.terminal_keys()[..], "a master's");
        check_eq!(0, slave.terminal_keys().len(), "a slave's");
        return Ok(());
    }
    check_eq!(
        [OF_BOTH, OWNERS, COUNTS].concat(),
        master.terminal_keys(),
        "a master's"
    );
    check_eq!(OF_BOTH, slave.terminal_keys(), "a slave's");
    for (info, end) in [(&master, "master"), (&slave, "slave")] {
        check_eq!(end, info.text("rdevpts-end")?, "end");
        check_eq!("0", info.text("tty-index")?, "index at the {end}");
    }
    Ok(())
}

fn slave_tells_nothing_of_bytes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let text = || {
        let path = format!("/proc/self/fdinfo/{}", slave.as_raw_fd());
        std::fs::read_to_string(&path).context(path)
    };
    let before = text()?;
    for key in *b"keys\n" {
        io::write_all(&pty.master, [key])?;
        check_eq!(before, text()?, "after a key");
        io::read_some(&pty.master, 10)??;
        check_eq!(before, text()?, "after a read of the echo");
    }
    io::expect_read(&slave, b"keys\n")?;
    io::write_all(&slave, b"out\n")?;
    check_eq!(before, text()?, "after a read and output");
    term::no_echo(&slave)?;
    io::write_all(&pty.master, b"x")?;
    check_eq!(before, text()?, "after a key without echo");
    Ok(())
}

fn another_users_master(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,mode=666")?;
    let pty = Pty::open(&fs)?;
    let path = format!("/proc/{}/fdinfo/{}", getpid(), pty.master.as_raw_fd());
    open_at(path.as_ref(), OFlag::O_RDONLY).context("as root")?;
    child(|| {
        let slave = pty.slave()?;
        become_user(1000)?;
        check_eq!("3", FdInfo::of(&slave)?.text("ino")?, "of its own");
        check_errno(
            open_at(path.as_ref(), OFlag::O_RDONLY),
            Errno::EACCES,
            "that of the master",
        )
    })?
    .succeed()
}

fn output_raw(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    check_eq!(0, number(&pty.master, "output")?, "output at first");
    let mut sum = 0;
    for len in [1, 2, 64, 1000, 4096, 10_000] {
        io::write_all(&slave, vec![b'o'; len])?;
        sum += len as u64;
        check_eq!(sum, number(&pty.master, "output")?, "output");
        io::read_n(&pty.master, len)?;
        check_eq!(sum, number(&pty.master, "output")?, "output that was read");
    }
    check_eq!(0, number(&pty.master, "input")?, "input");
    Ok(())
}

fn output_cooked(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&slave, b"one\ntwo\n\n")?;
    check_eq!(12, number(&pty.master, "output")?, "output");
    io::expect(&pty.master, b"one\r\ntwo\r\n\r\n")?;
    // As many spaces as there are to the next stop.
    term::modify(&slave, |t| t.c_oflag |= libc::XTABS)?;
    io::write_all(&slave, b"\t")?;
    io::expect(&pty.master, b"        ")?;
    check_eq!(20, number(&pty.master, "output")?, "output with a tab");
    Ok(())
}

fn output_of_echo(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"hi\n")?;
    io::expect(&pty.master, b"hi\r\n")?;
    check_eq!(4, number(&pty.master, "output")?, "echo");
    check_eq!(3, number(&pty.master, "input")?, "what was typed");
    term::no_echo(&slave)?;
    io::write_all(&pty.master, b"secret\n")?;
    io::expect_read(&slave, b"hi\n")?;
    io::expect_read(&slave, b"secret\n")?;
    check_eq!(4, number(&pty.master, "output")?, "output without echo");
    ioctl::call(&slave, TCXONC, libc::TCIOFF as libc::c_ulong).context("TCIOFF")?;
    io::expect(&pty.master, b"\x13")?;
    check_eq!(5, number(&pty.master, "output")?, "output with a ^S");
    Ok(())
}

fn output_past_another_discipline(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&slave, b"0123456789")?;
    io::expect(&pty.master, b"0123456789")?;
    ioctl::set(&pty.master, TIOCSETD, N_NULL).context("TIOCSETD")?;
    io::write_all(&slave, b"01234")?;
    check_eq!(15, number(&pty.master, "output")?, "output");
    check_eq!(0, number(&pty.master, "output-queued")?, "queued");
    Ok(())
}

fn output_queued(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let queued = || number(&pty.master, "output-queued");
    check_eq!(0, queued()?, "at first");
    io::write_all(&slave, [b'q'; 1000])?;
    check_eq!(1000, queued()?, "after a write");
    io::read_n(&pty.master, 400)?;
    check_eq!(600, queued()?, "after a read");
    check_eq!(
        600,
        ioctl::get(&pty.master, TIOCINQ).context("FIONREAD")?,
        "FIONREAD"
    );
    ioctl::call(&pty.master, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong).context("TCIFLUSH")?;
    check_eq!(0, queued()?, "after a flush");
    check_eq!(1000, number(&pty.master, "output")?, "output");
    Ok(())
}

fn output_stalls(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let stalls = || number(&pty.master, "output-stalls");
    for _ in 0..50 {
        io::write_all(&slave, [b's'; 100])?;
        io::read_n(&pty.master, 100)?;
    }
    check_eq!(0, stalls()?, "where there is room");
    for round in 1..4 {
        let taken = fill(&slave)?;
        check_eq!(round, stalls()?, "when it is full");
        check_errno(io::write_now(&slave, b"x"), Errno::EAGAIN, "one more")?;
        check_eq!(round, stalls()?, "still");
        check_eq!(taken, drain(&pty.master)?, "bytes");
        io::write_all(&slave, b"x")?;
        io::expect(&pty.master, b"x")?;
        check_eq!(round, stalls()?, "when there is room again");
    }
    Ok(())
}

fn ring(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let ring = || number(&pty.master, "ring");
    check_eq!(0, ring()?, "before any output");
    let taken = fill(&slave)?;
    let queued = number(&pty.master, "output-queued")?;
    check_eq!(taken, queued, "queued");
    check!(
        (queued..=65536).contains(&ring()?),
        "{} bytes of memory for {queued}",
        ring()?
    );
    check_eq!(taken, drain(&pty.master)?, "bytes");
    until("the memory to be given back", || {
        io::read_now(&pty.master, 1).err();
        Ok(ring()? == 0)
    })
}

fn input(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    check_eq!(0, number(&pty.master, "input")?, "input at first");
    for (round, len) in [1u64, 10, 100, 1000].into_iter().enumerate() {
        let bytes = vec![b'i'; usize::try_from(len)?];
        io::write_all(&pty.master, &bytes)?;
        io::expect(&slave, &bytes)?;
        let sum = [1, 11, 111, 1111][round];
        check_eq!(sum, number(&pty.master, "input")?, "input");
    }
    let taken = fill(&pty.master)?;
    check_eq!(
        1111 + taken,
        number(&pty.master, "input")?,
        "when it is full"
    );
    check_errno(io::write_now(&pty.master, b"x"), Errno::EAGAIN, "one more")?;
    check_eq!(1111 + taken, number(&pty.master, "input")?, "after EAGAIN");
    check_eq!(0, number(&pty.master, "output")?, "output");
    Ok(())
}

fn input_queued(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let queued = || number(&pty.master, "input-queued");
    io::write_all(&pty.master, [b'i'; 100])?;
    check_eq!(0, queued()?, "what there was room for");
    let taken = 100 + fill(&pty.master)?;
    let there = ioctl::get(&slave, TIOCINQ).context("FIONREAD")?;
    check!(queued()? > 0, "nothing is queued");
    check_eq!(
        taken,
        queued()? + u64::try_from(there)?,
        "queued, and what the line discipline has"
    );
    check_eq!(taken, drain(&slave)?, "bytes");
    until("the queue to be empty", || Ok(queued()? == 0))
}

fn opens(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::locked(&fs)?;
    let opens = || number(&pty.master, "opens");
    check_eq!(0, opens()?, "at first");
    check_errno(pty.try_slave(OFlag::O_RDWR), Errno::EIO, "while locked")?;
    check_eq!(0, opens()?, "after an open that failed");
    pty.unlock()?;
    let first = pty.slave()?;
    check_eq!(1, opens()?, "one");
    let second = pty.slave()?;
    check_eq!(2, opens()?, "two");
    check_eq!(2, number(&second, "opens")?, "at the slave");
    let copy = nix::unistd::dup(&first).context("dup")?;
    check_eq!(2, opens()?, "after dup");
    drop(first);
    check_eq!(2, opens()?, "while the copy is open");
    drop(copy);
    check_eq!(1, opens()?, "after a close");
    let flags = (libc::O_RDWR | libc::O_NOCTTY) as libc::c_ulong;
    let peer = ioctl::call(&pty.master, TIOCGPTPEER, flags).context("TIOCGPTPEER")?;
    check_eq!(2, opens()?, "with the peer");
    nix::unistd::close(peer).context("close")?;
    drop(second);
    check_eq!(0, opens()?, "at the end");
    Ok(())
}

/// The foreground group and the session, as a master says.
fn owners(master: &OwnedFd) -> Result<(u64, u64)> {
    let info = FdInfo::of(master)?;
    Ok((info.number("pgrp")?, info.number("session")?))
}

/// Fails if a slave names its owners.
fn names_nobody(slave: &OwnedFd) -> Outcome {
    check_eq!(OF_BOTH, FdInfo::of(slave)?.terminal_keys(), "a slave's");
    Ok(())
}

fn group_and_session(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!((0, 0), owners(&pty.master)?, "owners before");
    names_nobody(&slave)?;
    let (ready, go) = (Gate::new()?, Gate::new()?);
    let leader = session(|| {
        ioctl::set(&slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
        ready.send(getpid().as_raw().into())?;
        go.pass()?;
        let member = child(|| {
            own_group()?;
            ready.send(getpid().as_raw().into())?;
            go.pass()
        })?;
        ioctl::set(&slave, TIOCSPGRP, member.pid.as_raw()).or_else(|_| {
            // It may not have got so far.
            nix::unistd::setpgid(member.pid, member.pid)?;
            ioctl::set(&slave, TIOCSPGRP, member.pid.as_raw())
        })?;
        ready.send(member.pid.as_raw().into())?;
        member.succeed()
    })?;
    let id = u64::try_from(ready.receive()?)?;
    check_eq!((id, id), owners(&pty.master)?, "owners");
    names_nobody(&slave)?;
    go.open()?;
    let group = u64::try_from(ready.receive()?)?;
    check_eq!(group, u64::try_from(ready.receive()?)?, "the group");
    check_eq!((group, id), owners(&pty.master)?, "owners");
    names_nobody(&slave)?;
    go.open()?;
    leader.succeed()?;
    // The session's end takes its terminal, and hangs up what was open.
    let slave = pty.slave()?;
    check_eq!((0, 0), owners(&pty.master)?, "owners afterwards");
    names_nobody(&slave)?;
    Ok(())
}

fn in_another_pid_namespace(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let (outer, inner) = (Pty::open(&fs)?, Pty::open(&fs)?);
    let (ready, go) = (Gate::new()?, Gate::new()?);
    let outer_slave = outer.slave()?;
    let leader = session(|| {
        ioctl::set(&outer_slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
        ready.send(getpid().as_raw().into())?;
        go.pass()
    })?;
    let id = u64::try_from(ready.receive()?)?;
    check_eq!((id, id), owners(&outer.master)?, "of the outer one");
    let looked = Gate::new()?;
    let above = child(|| {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare")?;
        let first = child(|| {
            check_eq!(1, getpid().as_raw(), "the first process");
            setsid().context("setsid")?;
            let slave = inner.slave()?;
            ioctl::set(&slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
            check_eq!((1, 1), owners(&inner.master)?, "seen from inside");
            names_nobody(&slave)?;
            check_eq!((0, 0), owners(&outer.master)?, "what is outside");
            looked.open()?;
            go.pass()
        })?;
        // Its number out here.
        ready.send(first.pid.as_raw().into())?;
        first.succeed()
    })?;
    let id = u64::try_from(ready.receive()?)?;
    looked.pass()?;
    check_eq!((id, id), owners(&inner.master)?, "seen from outside");
    go.open()?;
    go.open()?;
    above.succeed()?;
    leader.succeed()
}

fn mount(ctx: &Ctx) -> Outcome {
    let places = [Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?];
    let mut devices = Vec::new();
    for fs in &places {
        let pty = Pty::open(fs)?;
        let slave = pty.slave()?;
        let device = device_name(fs.stat_root()?.st_dev);
        for (end, fd) in pty.ends(&slave) {
            check_eq!(
                device,
                FdInfo::of(fd)?.text("rdevpts-mount")?,
                "at the {end}"
            );
        }
        let info = std::fs::read_to_string("/proc/self/mountinfo")?;
        let point = fs.path.to_string_lossy();
        let line = info.lines().rfind(|l| l.split(' ').nth(4) == Some(&*point));
        check_eq!(
            Some(&*device),
            line.and_then(|l| l.split(' ').nth(2)),
            "in mountinfo"
        );
        devices.push(device);
    }
    check!(devices[0] != devices[1], "both are {}", devices[0]);
    Ok(())
}

fn fresh_for_each_pty(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    for _ in 0..2 {
        let pty = Pty::open(&fs)?;
        check_eq!(0, pty.index, "index");
        let info = FdInfo::of(&pty.master)?;
        for key in COUNTS {
            check_eq!("0", info.text(key)?, "{key}");
        }
        check_eq!(0, info.number("opens")?, "opens");
        let slave = pty.slave()?;
        fill(&slave)?;
        term::raw(&slave)?;
        fill(&pty.master)?;
        let info = FdInfo::of(&pty.master)?;
        for key in COUNTS {
            check!(info.text(key)? != "0", "{key} is 0");
        }
    }
    Ok(())
}

fn after_the_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    drop(pty);
    let info = FdInfo::of(&slave)?;
    check_eq!(Vec::<&str>::new(), info.terminal_keys(), "lines");
    check_eq!("3", info.text("ino")?, "inode");
    Ok(())
}
