// SPDX-License-Identifier: GPL-2.0
//! poll, select and epoll.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::select::{select, FdSet};
use nix::sys::time::TimeVal;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCVHANGUP};
use crate::fixture::process::child;
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, term, Fs, Pty};

cases! { "poll":
    idle => "an idle pair is writable and not readable, at both ends",
    readable => "data makes the other end readable until it is read",
    canonical_readable => "in canonical mode a line makes the slave readable, a part of one does not",
    vmin_counts => "with VMIN above 1 the slave is readable when that many bytes are there",
    end_of_file_is_readable => "an end-of-file character makes the slave readable",
    writable_again => "a full way is not writable, and is again once it was read",
    hangup_of_master => "the master sees POLLHUP with the slave closed, beside POLLIN while data waits",
    hangup_of_slave => "the slave sees POLLHUP and POLLERR with the master closed",
    wakes_on_data => "poll sleeps until data comes, at both ends",
    wakes_on_hangup => "poll sleeps until the other end closes, at both ends",
    select_sets => "select reports readable, writable and neither",
    select_wakes => "select sleeps until data comes",
    epoll_level => "epoll, level triggered, reports as long as there is data",
    epoll_edge => "epoll, edge triggered, reports each time that data comes",
    epoll_one_shot => "epoll, one-shot, reports once until armed again",
    epoll_hangup => "epoll reports a hangup without being asked to",
    epoll_writable_edge => "epoll, edge triggered, reports when there is room again",
    several_waiters => "all waiters wake",
}

const IN_OUT: PollFlags = PollFlags::POLLIN.union(PollFlags::POLLOUT);

fn idle(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&pty.master, IN_OUT)?,
        "master before the slave was opened"
    );
    let slave = pty.slave()?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&pty.master, IN_OUT)?,
        "master"
    );
    check_eq!(PollFlags::POLLOUT, io::events(&slave, IN_OUT)?, "slave");
    check_eq!(
        PollFlags::empty(),
        io::events(&slave, PollFlags::POLLPRI)?,
        "POLLPRI"
    );
    Ok(())
}

fn readable(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        io::write_all(from, b"xy")?;
        io::wait_for(to, PollFlags::POLLIN)?;
        check_eq!(IN_OUT, io::events(to, IN_OUT)?, "with data");
        let normal = PollFlags::POLLRDNORM | PollFlags::POLLWRNORM;
        check_eq!(normal, io::events(to, normal)?, "by the other names");
        io::expect(to, b"x")?;
        check_eq!(IN_OUT, io::events(to, IN_OUT)?, "with a byte left");
        io::expect(to, b"y")?;
        check_eq!(
            PollFlags::POLLOUT,
            io::events(to, IN_OUT)?,
            "after all was read"
        );
    }
    Ok(())
}

fn canonical_readable(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"part")?;
    io::expect(&pty.master, b"part")?;
    check_eq!(
        PollFlags::empty(),
        io::events(&slave, PollFlags::POLLIN)?,
        "with a part of a line"
    );
    io::write_all(&pty.master, b"\n")?;
    io::wait_for(&slave, PollFlags::POLLIN)?;
    io::expect_read(&slave, b"part\n")
}

fn vmin_counts(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    term::modify(&slave, |t| t.c_cc[libc::VMIN] = 5)?;
    io::write_all(&pty.master, b"1234")?;
    until("4 bytes", || Ok(ioctl::get(&slave, ioctl::TIOCINQ)? == 4))?;
    check_eq!(
        PollFlags::empty(),
        io::events(&slave, PollFlags::POLLIN)?,
        "with 4 bytes"
    );
    io::write_all(&pty.master, b"5")?;
    io::wait_for(&slave, PollFlags::POLLIN)?;
    io::expect(&slave, b"12345")?;
    // With a timer the first byte counts.
    term::modify(&slave, |t| t.c_cc[libc::VTIME] = 1)?;
    io::write_all(&pty.master, b"6")?;
    io::wait_for(&slave, PollFlags::POLLIN).map(drop)
}

fn end_of_file_is_readable(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"\x04")?;
    io::wait_for(&slave, PollFlags::POLLIN)?;
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 10), "read");
    check_eq!(
        PollFlags::empty(),
        io::events(&slave, PollFlags::POLLIN)?,
        "after the end of file was read"
    );
    Ok(())
}

/// Writes until nothing more is taken; gives how much was.
fn fill(fd: &OwnedFd) -> Result<usize> {
    io::set_nonblock(fd, true)?;
    let mut taken = 0;
    until("the way to fill", || {
        match io::write_now(fd, [b'x'; 4096]) {
            Ok(n) => taken += n,
            Err(Errno::EAGAIN) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
                return Ok(!io::events(fd, PollFlags::POLLOUT)?.contains(PollFlags::POLLOUT));
            }
            Err(e) => return Err(e).context("write"),
        }
        Ok(false)
    })?;
    Ok(taken)
}

fn writable_again(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let taken = fill(from)?;
        check_eq!(
            PollFlags::empty(),
            io::events(from, PollFlags::POLLOUT)?,
            "full"
        );
        io::read_n(to, taken)?;
        io::wait_for(from, PollFlags::POLLOUT)?;
    }
    Ok(())
}

fn hangup_of_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&slave, b"data")?;
    drop(slave);
    io::wait_for(&pty.master, PollFlags::POLLIN)?;
    check_eq!(
        IN_OUT | PollFlags::POLLHUP,
        io::events(&pty.master, IN_OUT)?,
        "with data"
    );
    io::expect(&pty.master, b"data")?;
    check_eq!(
        PollFlags::POLLOUT | PollFlags::POLLHUP,
        io::events(&pty.master, IN_OUT)?,
        "without data"
    );
    let slave = pty.slave()?;
    check_eq!(
        PollFlags::POLLOUT,
        io::events(&pty.master, IN_OUT)?,
        "with the slave open again"
    );
    drop(slave);
    check_eq!(
        PollFlags::POLLHUP,
        io::events(&pty.master, PollFlags::empty())?,
        "asked for nothing"
    );
    Ok(())
}

fn hangup_of_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    drop(pty);
    let all = IN_OUT | PollFlags::POLLHUP | PollFlags::POLLERR;
    check_eq!(all, io::events(&slave, IN_OUT)?, "poll");
    Ok(())
}

fn wakes_on_data(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let waiter = child(|| {
            check_eq!(
                PollFlags::POLLIN,
                io::wait_for(to, PollFlags::POLLIN)?,
                "events"
            );
            Ok(())
        })?;
        waiter.asleep()?;
        io::write_all(from, b"x")?;
        waiter.succeed()?;
        io::expect(to, b"x")?;
    }
    Ok(())
}

fn wakes_on_hangup(ctx: &Ctx) -> Outcome {
    use std::os::fd::AsRawFd;
    let (pty, slave) = raw_pair(ctx)?;
    let raw = slave.as_raw_fd();
    let waiter = child(|| {
        // SAFETY: this process's copy; the process ends without running the owner's destructor.
        unsafe { libc::close(raw) };
        check_eq!(
            PollFlags::POLLHUP,
            io::wait_for(&pty.master, PollFlags::POLLIN)?,
            "the master's events"
        );
        Ok(())
    })?;
    waiter.asleep()?;
    drop(slave);
    waiter.succeed()?;
    let slave = pty.slave()?;
    let raw = pty.master.as_raw_fd();
    let waiter = child(|| {
        // SAFETY: as above.
        unsafe { libc::close(raw) };
        check!(
            io::wait_for(&slave, PollFlags::POLLIN)?.contains(PollFlags::POLLHUP),
            "no POLLHUP at the slave"
        );
        Ok(())
    })?;
    waiter.asleep()?;
    drop(pty);
    waiter.succeed()
}

/// select(2) on one descriptor, without sleeping: readable, writable, exceptional.
fn selected(fd: &OwnedFd) -> Result<(bool, bool, bool)> {
    let set = || {
        let mut set = FdSet::new();
        set.insert(fd.as_fd());
        set
    };
    let (mut r, mut w, mut e) = (set(), set(), set());
    select(None, &mut r, &mut w, &mut e, &mut TimeVal::new(0, 0)).context("select")?;
    Ok((
        r.contains(fd.as_fd()),
        w.contains(fd.as_fd()),
        e.contains(fd.as_fd()),
    ))
}

fn select_sets(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    check_eq!((false, true, false), selected(&pty.master)?, "idle");
    io::write_all(&slave, b"x")?;
    io::wait_for(&pty.master, PollFlags::POLLIN)?;
    check_eq!((true, true, false), selected(&pty.master)?, "with data");
    fill(&pty.master)?;
    check_eq!((true, false, false), selected(&pty.master)?, "full");
    io::expect(&pty.master, b"x")?;
    check_eq!(
        (false, false, false),
        selected(&pty.master)?,
        "full, without data"
    );
    drop(slave);
    check!(selected(&pty.master)?.0, "a hangup is not readable");
    Ok(())
}

fn select_wakes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let waiter = child(|| {
        let mut set = FdSet::new();
        set.insert(slave.as_fd());
        check_eq!(
            Ok(1),
            select(None, &mut set, None, None, &mut TimeVal::new(30, 0)),
            "select"
        );
        Ok(())
    })?;
    waiter.asleep()?;
    io::write_all(&pty.master, b"x")?;
    waiter.succeed()
}

/// An epoll instance that watches one descriptor.
struct Watch(Epoll);

impl Watch {
    fn on(fd: &OwnedFd, flags: EpollFlags) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll_create")?;
        epoll
            .add(fd, EpollEvent::new(flags, 7))
            .context("epoll_ctl")?;
        Ok(Self(epoll))
    }

    fn get(&self, timeout: EpollTimeout) -> Result<EpollFlags> {
        let mut events = [EpollEvent::empty(); 4];
        let n = self.0.wait(&mut events, timeout).context("epoll_wait")?;
        check!(n <= 1, "{n} events of one descriptor");
        Ok(if n == 1 {
            events[0].events()
        } else {
            EpollFlags::empty()
        })
    }

    fn now(&self) -> Result<EpollFlags> {
        self.get(EpollTimeout::ZERO)
    }

    fn next(&self) -> Result<EpollFlags> {
        self.get(EpollTimeout::from(30_000u16))
    }
}

fn epoll_level(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let watch = Watch::on(to, EpollFlags::EPOLLIN)?;
        check_eq!(EpollFlags::empty(), watch.now()?, "at first");
        io::write_all(from, b"xy")?;
        check_eq!(EpollFlags::EPOLLIN, watch.next()?, "with data");
        check_eq!(EpollFlags::EPOLLIN, watch.now()?, "asked again");
        io::expect(to, b"x")?;
        check_eq!(EpollFlags::EPOLLIN, watch.now()?, "with a byte left");
        io::expect(to, b"y")?;
        check_eq!(EpollFlags::empty(), watch.now()?, "after all was read");
    }
    Ok(())
}

fn epoll_edge(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let watch = Watch::on(to, EpollFlags::EPOLLIN | EpollFlags::EPOLLET)?;
        for _ in 0..3 {
            io::write_all(from, b"x")?;
            check!(
                watch.next()?.contains(EpollFlags::EPOLLIN),
                "no event for new data"
            );
        }
        // What is left unread is not reported again, though a wakeup without news may be.
        io::expect(to, b"xxx")?;
        io::write_all(from, b"y")?;
        check!(
            watch.next()?.contains(EpollFlags::EPOLLIN),
            "no event after all was read"
        );
        io::expect(to, b"y")?;
    }
    Ok(())
}

fn epoll_one_shot(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
    let watch = Watch::on(&pty.master, flags)?;
    io::write_all(&slave, b"x")?;
    check_eq!(EpollFlags::EPOLLIN, watch.next()?, "first");
    io::write_all(&slave, b"y")?;
    until("both bytes", || {
        Ok(ioctl::get(&pty.master, ioctl::TIOCINQ)? == 2)
    })?;
    check_eq!(EpollFlags::empty(), watch.now()?, "second");
    watch
        .0
        .modify(&pty.master, &mut EpollEvent::new(flags, 7))
        .context("epoll_ctl")?;
    check_eq!(EpollFlags::EPOLLIN, watch.next()?, "armed again");
    Ok(())
}

fn epoll_hangup(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let watch = Watch::on(&pty.master, EpollFlags::EPOLLIN | EpollFlags::EPOLLET)?;
    drop(slave);
    check!(
        watch.next()?.contains(EpollFlags::EPOLLHUP),
        "no EPOLLHUP at the master"
    );
    let slave = pty.slave()?;
    let watch = Watch::on(&slave, EpollFlags::empty())?;
    ioctl::call(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    check!(
        watch.next()?.contains(EpollFlags::EPOLLHUP),
        "no EPOLLHUP at the slave"
    );
    check_errno(io::write_now(&slave, b"x"), Errno::EIO, "write")
}

fn epoll_writable_edge(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (from, to) in [(&pty.master, &slave), (&slave, &pty.master)] {
        let watch = Watch::on(from, EpollFlags::EPOLLOUT | EpollFlags::EPOLLET)?;
        check_eq!(EpollFlags::EPOLLOUT, watch.next()?, "at first");
        let taken = fill(from)?;
        while watch.now()? != EpollFlags::empty() {}
        io::read_n(to, taken)?;
        check_eq!(EpollFlags::EPOLLOUT, watch.next()?, "with room again");
    }
    Ok(())
}

fn several_waiters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let waiters = (0..4)
        .map(|_| child(|| io::wait_for(&slave, PollFlags::POLLIN).map(drop)))
        .collect::<Result<Vec<_>>>()?;
    waiters.iter().try_for_each(|w| w.asleep())?;
    io::write_all(&pty.master, b"x")?;
    waiters.iter().try_for_each(|w| w.succeed())
}
