// SPDX-License-Identifier: GPL-2.0
//! Hangup: of the session when the master closes, by vhangup(2), by TIOCVHANGUP, at a session leader's exit.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{fcntl, splice, FcntlArg, OFlag, SpliceFFlags};
use nix::poll::PollFlags;
use nix::sys::signal::Signal::{SIGCONT, SIGHUP};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ctty::{no_tty, tty};
use crate::fixture::ioctl::{self, TIOCSPGRP, TIOCVHANGUP};
use crate::fixture::process::{become_user, child, own_group, session, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, signals, term, Fs, Pty};

cases! { "hangup":
    master_close_signals_leader => "closing the master sends SIGHUP and SIGCONT to the session leader",
    master_close_takes_ctty => "closing the master takes the controlling terminal away",
    master_close_spares_foreground => "closing the master sends no SIGHUP to a foreground group without the leader",
    slave_close_signals_nobody => "closing the slave's last file sends no SIGHUP",
    vhangup_syscall => "vhangup(2) hangs up the caller's terminal, and the master sees POLLHUP",
    tiocvhangup_on_slave => "TIOCVHANGUP on the slave: its files read end of file and write EIO",
    tiocvhangup_on_master => "TIOCVHANGUP on the master: its file reads end of file, then the pair can be closed",
    tiocvhangup_needs_privilege => "TIOCVHANGUP without CAP_SYS_ADMIN is EPERM",
    reopen_after_vhangup => "after a hangup the slave can be opened again and works",
    leader_exit_signals_foreground => "a session leader's exit sends SIGHUP to the foreground group",
    leader_exit_keeps_slave_open => "after the session leader's exit, other files of the slave still work",
    filled_while_hung_up => "a slave that was hung up and whose input was then filled works again when it is opened",
    hung_up_ioctl => "an ioctl on a hung-up slave file is EIO",
    hangup_resets_nothing_for_node => "a hangup leaves the node, its mode and its index",
}

/// Makes the pty this session's controlling terminal, and gives the file.
fn ctty(pty: &Pty) -> anyhow::Result<std::os::fd::OwnedFd> {
    pty.try_slave(OFlag::O_RDWR)
        .context("open the slave as a controlling terminal")
}

fn close_master_copy(pty: &Pty) {
    // SAFETY: this process's copy; the process ends without running the owner's destructor.
    unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&pty.master)) };
}

fn master_close_signals_leader(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let ready = Gate::new()?;
    let leader = session(|| {
        close_master_copy(&pty);
        signals::block(&[SIGHUP, SIGCONT])?;
        let _tty = ctty(&pty)?;
        ready.open()?;
        let (_, info) = signals::take(&[SIGHUP])?;
        check_eq!(libc::SI_KERNEL, info.si_code, "si_code");
        signals::expect(SIGCONT)
    })?;
    ready.pass()?;
    drop(pty);
    leader.succeed()
}

fn master_close_takes_ctty(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let ready = Gate::new()?;
    let leader = session(|| {
        close_master_copy(&pty);
        signals::block(&[SIGHUP])?;
        let slave = ctty(&pty)?;
        let by_name = tty().context("/dev/tty")?;
        ready.open()?;
        signals::expect(SIGHUP)?;
        no_tty("/dev/tty afterwards")?;
        for fd in [&slave, &by_name] {
            check_eq!(Ok(Vec::new()), io::read_now(fd, 1), "read");
            check_errno(io::write_now(fd, b"x"), Errno::EIO, "write")?;
        }
        Ok(())
    })?;
    ready.pass()?;
    drop(pty);
    leader.succeed()
}

fn master_close_spares_foreground(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let ready = Gate::new()?;
    let leader = session(|| {
        close_master_copy(&pty);
        signals::block(&[SIGHUP, nix::sys::signal::Signal::SIGTTOU])?;
        let tty = ctty(&pty)?;
        let hung_up = Gate::new()?;
        let job = child(|| {
            own_group()?;
            ioctl::set(&tty, TIOCSPGRP, nix::unistd::getpid().as_raw()).context("TIOCSPGRP")?;
            ready.open()?;
            hung_up.pass()?;
            check!(
                !signals::pending(SIGHUP)?,
                "the foreground group got SIGHUP"
            );
            Ok(())
        })?;
        signals::expect(SIGHUP)?;
        hung_up.open()?;
        job.succeed()
    })?;
    ready.pass()?;
    drop(pty);
    leader.succeed()
}

fn slave_close_signals_nobody(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGHUP])?;
        let slave = ctty(&pty)?;
        drop(slave);
        check_errno(
            io::read_now(&pty.master, 1),
            Errno::EIO,
            "the master's read",
        )?;
        check!(!signals::pending(SIGHUP)?, "SIGHUP");
        tty().context("the controlling terminal is still there")?;
        Ok(())
    })?
    .succeed()
}

fn vhangup_syscall(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGHUP, SIGCONT])?;
        let slave = ctty(&pty)?;
        // SAFETY: no arguments.
        Errno::result(unsafe { libc::vhangup() }).context("vhangup")?;
        signals::expect(SIGHUP)?;
        signals::expect(SIGCONT)?;
        check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "slave's read");
        check_errno(io::write_now(&slave, b"x"), Errno::EIO, "slave's write")?;
        no_tty("/dev/tty")?;
        drop(slave);
        check!(
            io::events(&pty.master, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
            "no POLLHUP at the master"
        );
        Ok(())
    })?
    .succeed()
}

fn tiocvhangup_on_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let second = pty.slave()?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    for fd in [&slave, &second] {
        check_eq!(Ok(Vec::new()), io::read_now(fd, 1), "read");
        check_errno(io::write_now(fd, b"x"), Errno::EIO, "write")?;
        check!(
            io::events(fd, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
            "no POLLHUP"
        );
    }
    io::set_nonblock(&pty.master, true)?;
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EAGAIN,
        "the master while hung-up files are open",
    )?;
    drop((slave, second));
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EIO,
        "the master afterwards",
    )
}

fn tiocvhangup_on_master(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    ioctl::call(&pty.master, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    check_eq!(
        Ok(Vec::new()),
        io::read_now(&pty.master, 1),
        "the master's read"
    );
    check_errno(
        io::write_now(&pty.master, b"x"),
        Errno::EIO,
        "the master's write",
    )?;
    check_eq!(
        PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLERR | PollFlags::POLLHUP,
        io::events(&pty.master, PollFlags::POLLIN | PollFlags::POLLOUT)?,
        "the master's poll"
    );
    check_errno(
        ioctl::get(&pty.master, ioctl::TIOCINQ),
        Errno::EIO,
        "the master's FIONREAD",
    )?;
    check_errno(
        ioctl::set(&pty.master, TIOCSPGRP, 1),
        Errno::ENOTTY,
        "the master's TIOCSPGRP",
    )?;
    check_errno(
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_ASYNC)),
        Errno::ENOTTY,
        "the master's SIGIO",
    )?;
    let (reader, writer) = nix::unistd::pipe().context("pipe")?;
    let flags = SpliceFFlags::empty();
    check_errno(
        splice(&pty.master, None, &writer, None, 1, flags),
        Errno::EINVAL,
        "splice from the master",
    )?;
    io::write_all(&writer, b"x")?;
    check_errno(
        splice(&reader, None, &pty.master, None, 1, flags),
        Errno::EINVAL,
        "splice to the master",
    )?;
    check!(fs.has(0), "the node went with the hangup");
    drop(pty);
    check!(!fs.has(0), "the node outlived the master");
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "the slave's read");
    Ok(())
}

fn tiocvhangup_needs_privilege(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    child(|| {
        become_user(1000)?;
        check_errno(
            ioctl::call(&slave, TIOCVHANGUP, 0),
            Errno::EPERM,
            "on the slave",
        )?;
        check_errno(
            ioctl::call(&pty.master, TIOCVHANGUP, 0),
            Errno::EPERM,
            "on the master",
        )
    })?
    .succeed()
}

fn reopen_after_vhangup(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    let again = pty.slave()?;
    drop(slave);
    io::write_all(&again, b"back\n")?;
    io::expect(&pty.master, b"back\r\n")?;
    io::write_all(&pty.master, b"in\n")?;
    io::expect_read(&again, b"in\n")
}

fn leader_exit_signals_foreground(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let (armed, saw) = (Gate::new()?, Gate::new()?);
    let leader = session(|| {
        let slave = ctty(&pty)?;
        // Left to itself when the leader exits, so not waited for.
        let job = child(|| {
            signals::block(&[SIGHUP])?;
            armed.open()?;
            signals::expect(SIGHUP)?;
            // The signal goes out just before the terminal is taken away.
            until("the terminal to go", || Ok(tty().is_err()))?;
            no_tty("/dev/tty")?;
            saw.open()
        })?;
        armed.pass()?;
        std::mem::forget((job, slave));
        Ok(())
    })?;
    leader.succeed()?;
    saw.pass().context("the foreground process saw no SIGHUP")
}

fn leader_exit_keeps_slave_open(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    session(|| ctty(&pty).map(drop))?.succeed()?;
    io::write_all(&slave, b"alive\n")?;
    io::expect(&pty.master, b"alive\r\n")?;
    // The terminal is free for another session.
    session(|| {
        ctty(&pty)?;
        tty().map(drop).context("/dev/tty")
    })?
    .succeed()
}

fn hung_up_ioctl(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    check_errno(term::get(&slave), Errno::EIO, "tcgetattr")?;
    check_errno(ioctl::winsize(&slave), Errno::EIO, "TIOCGWINSZ")
}

fn hangup_resets_nothing_for_node(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let before = fs.stat(0)?;
    let slave = pty.slave()?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    let after = fs.stat(0)?;
    check_eq!(
        (before.st_ino, before.st_mode, before.st_rdev),
        (after.st_ino, after.st_mode, after.st_rdev),
        "the node"
    );
    check_eq!(0, ioctl::get(&pty.master, ioctl::TIOCGPTN)?, "index");
    Ok(())
}

fn filled_while_hung_up(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    drop(slave);
    io::set_nonblock(&pty.master, true)?;
    while io::write_now(&pty.master, [b'x'; 4096]).is_ok_and(|n| n > 0) {}
    let slave = pty.slave()?;
    term::raw(&slave)?;
    io::set_nonblock(&slave, true)?;
    until("the master's write to pass", || {
        while io::read_now(&slave, 4096).is_ok_and(|bytes| !bytes.is_empty()) {}
        Ok(io::write_now(&pty.master, b"!") == Ok(1))
    })?;
    until("what it wrote to arrive", || {
        Ok(io::read_now(&slave, 4096).is_ok_and(|bytes| bytes.ends_with(b"!")))
    })
}
