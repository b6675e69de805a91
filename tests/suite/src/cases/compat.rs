// SPDX-License-Identifier: GPL-2.0
//! The ioctls as 32-bit programs make them.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::{SIGINT, SIGWINCH};

use crate::case::{cases, Ctx, Outcome, Skip};
use crate::check::{check_eq, check_errno};
use crate::fixture::compat::{ioctl, ioctl_fd, LowPage};
use crate::fixture::ioctl as native;
use crate::fixture::ioctl::{
    TCFLSH, TCSBRK, TCXONC, TIOCEXCL, TIOCGDEV, TIOCGETD, TIOCGEXCL, TIOCGPGRP, TIOCGPKT,
    TIOCGPTLCK, TIOCGPTN, TIOCGPTPEER, TIOCGSID, TIOCGWINSZ, TIOCINQ, TIOCNXCL, TIOCOUTQ, TIOCPKT,
    TIOCSCTTY, TIOCSETD, TIOCSIG, TIOCSPTLCK, TIOCSTI, TIOCSWINSZ, TIOCVHANGUP,
};
use crate::fixture::process::session;
use crate::fixture::wait::until;
use crate::fixture::{io, pair, signals, term, Fs, Pty};

cases! { "compat":
    index_and_lock => "TIOCGPTN, TIOCGPTLCK and TIOCSPTLCK",
    peer => "TIOCGPTPEER",
    packet_mode => "TIOCPKT and TIOCGPKT",
    signal => "TIOCSIG",
    settings => "TCGETS, TCSETS and TCGETS2 from either end",
    window_size => "TIOCGWINSZ and TIOCSWINSZ",
    queues => "TIOCINQ, TIOCOUTQ and TCFLSH",
    flow => "TCXONC and TCSBRK",
    sessions => "TIOCSCTTY, TIOCGPGRP and TIOCGSID",
    exclusive_and_device => "TIOCEXCL, TIOCGEXCL, TIOCNXCL and TIOCGDEV",
    discipline => "TIOCGETD and TIOCSETD",
    fake_input_and_hangup => "TIOCSTI and TIOCVHANGUP",
    errors => "errors are those of 64-bit callers",
}

/// A page for arguments; skips where the kernel has no 32-bit system calls.
fn page(ctx: &Ctx) -> Result<LowPage> {
    let page = LowPage::new()?;
    // Where the interrupt is not served, the process is killed; found out in a child.
    let pty = Pty::locked(&Fs::at(ctx, "probe", "")?)?;
    let probe = crate::fixture::process::child(|| {
        ioctl(&pty.master, TIOCGPTN, page.address())
            .map(drop)
            .context("TIOCGPTN")
    })?;
    match probe.wait(nix::sys::wait::WaitPidFlag::empty())? {
        nix::sys::wait::WaitStatus::Signaled(..) => {
            anyhow::bail!(Skip("the kernel serves no 32-bit system calls".into()))
        }
        _ => Ok(page),
    }
}

fn get(fd: &OwnedFd, page: &LowPage, request: native::Request) -> nix::Result<i32> {
    page.put(-1);
    ioctl(fd, request, page.address()).map(|_| page.get())
}

fn set(fd: &OwnedFd, page: &LowPage, request: native::Request, value: i32) -> nix::Result<()> {
    page.put(value);
    ioctl(fd, request, page.address()).map(drop)
}

fn index_and_lock(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let fs = Fs::new(ctx)?;
    let (_first, pty) = (Pty::locked(&fs)?, Pty::locked(&fs)?);
    check_eq!(Ok(1), get(&pty.master, &page, TIOCGPTN), "TIOCGPTN");
    check_eq!(Ok(1), get(&pty.master, &page, TIOCGPTLCK), "TIOCGPTLCK");
    set(&pty.master, &page, TIOCSPTLCK, 0).context("TIOCSPTLCK")?;
    check_eq!(
        Ok(0),
        get(&pty.master, &page, TIOCGPTLCK),
        "TIOCGPTLCK after unlocking"
    );
    pty.slave().map(drop)
}

fn peer(ctx: &Ctx) -> Outcome {
    page(ctx)?;
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let flags = (libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK) as u32;
    let slave = ioctl_fd(&pty.master, TIOCGPTPEER, flags).context("TIOCGPTPEER")?;
    check_errno(io::read_now(&slave, 1), Errno::EAGAIN, "read")?;
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")
}

fn packet_mode(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    set(&pty.master, &page, TIOCPKT, 1).context("TIOCPKT")?;
    check_eq!(Ok(1), get(&pty.master, &page, TIOCGPKT), "TIOCGPKT");
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"\0x")?;
    set(&pty.master, &page, TIOCPKT, 0).context("TIOCPKT")?;
    check_eq!(
        Ok(0),
        get(&pty.master, &page, TIOCGPKT),
        "TIOCGPKT after turning it off"
    );
    Ok(())
}

fn signal(ctx: &Ctx) -> Outcome {
    page(ctx)?;
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGINT])?;
        let _slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        ioctl(&pty.master, TIOCSIG, SIGINT as u32).context("TIOCSIG")?;
        signals::expect(SIGINT)?;
        check_errno(ioctl(&pty.master, TIOCSIG, 15), Errno::EINVAL, "TIOCSIG 15")
    })?
    .succeed()
}

/// The kernel's struct termios.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct KernelTermios {
    flags: [u32; 4],
    line: u8,
    cc: [u8; 19],
}

fn settings(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        ioctl(fd, libc::TCGETS, page.address()).context("TCGETS")?;
        let mut t: KernelTermios = page.get();
        let want = term::get(&slave)?;
        check_eq!(
            [want.c_iflag, want.c_oflag, want.c_cflag, want.c_lflag],
            t.flags,
            "flags"
        );
        check_eq!(want.c_cc[..19], t.cc, "characters");
        t.flags[3] ^= libc::ECHO;
        page.put(t);
        ioctl(fd, libc::TCSETS, page.address()).context("TCSETS")?;
        check_eq!(t.flags[3], term::get(&slave)?.c_lflag, "c_lflag");
        ioctl(fd, libc::TCGETS2, page.address()).context("TCGETS2")?;
        check_eq!(t, page.get::<KernelTermios>(), "TCGETS2");
        ioctl(fd, libc::TCSETSW, page.address()).context("TCSETSW")?;
        ioctl(fd, libc::TCGETA, page.address()).context("TCGETA")?;
    }
    Ok(())
}

fn window_size(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        signals::block(&[SIGWINCH])?;
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        page.put([24u16, 80, 1, 2]);
        ioctl(&pty.master, TIOCSWINSZ, page.address()).context("TIOCSWINSZ")?;
        signals::expect(SIGWINCH)?;
        page.put([0u16; 4]);
        ioctl(&slave, TIOCGWINSZ, page.address()).context("TIOCGWINSZ")?;
        check_eq!([24u16, 80, 1, 2], page.get::<[u16; 4]>(), "size");
        Ok(())
    })?
    .succeed()
}

fn queues(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    io::write_all(&slave, b"abc")?;
    until("the bytes", || Ok(get(&pty.master, &page, TIOCINQ)? == 3))?;
    check_eq!(Ok(0), get(&slave, &page, TIOCOUTQ), "TIOCOUTQ");
    ioctl(&pty.master, TCFLSH, libc::TCIFLUSH as u32).context("TCFLSH")?;
    check_eq!(
        Ok(0),
        get(&pty.master, &page, TIOCINQ),
        "TIOCINQ after the flush"
    );
    check_errno(ioctl(&pty.master, TCFLSH, 9), Errno::EINVAL, "TCFLSH 9")
}

fn flow(ctx: &Ctx) -> Outcome {
    page(ctx)?;
    let (_pty, slave) = pair(ctx)?;
    io::set_nonblock(&slave, true)?;
    ioctl(&slave, TCXONC, libc::TCOOFF as u32).context("TCOOFF")?;
    check_errno(io::write_now(&slave, b"x"), Errno::EAGAIN, "write")?;
    ioctl(&slave, TCXONC, libc::TCOON as u32).context("TCOON")?;
    check_eq!(Ok(1), io::write_now(&slave, b"x"), "write");
    ioctl(&slave, TCSBRK, 1).context("TCSBRK")?;
    Ok(())
}

fn sessions(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    session(|| {
        ioctl(&slave, TIOCSCTTY, 0).context("TIOCSCTTY")?;
        for fd in [&pty.master, &slave] {
            check_eq!(
                Ok(nix::unistd::getpid().as_raw()),
                get(fd, &page, TIOCGPGRP),
                "TIOCGPGRP"
            );
            check_eq!(
                Ok(nix::unistd::getpid().as_raw()),
                get(fd, &page, TIOCGSID),
                "TIOCGSID"
            );
        }
        Ok(())
    })?
    .succeed()
}

fn exclusive_and_device(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (_pty, slave) = pair(ctx)?;
    ioctl(&slave, TIOCEXCL, 0).context("TIOCEXCL")?;
    check_eq!(Ok(1), get(&slave, &page, TIOCGEXCL), "TIOCGEXCL");
    ioctl(&slave, TIOCNXCL, 0).context("TIOCNXCL")?;
    check_eq!(
        Ok(0),
        get(&slave, &page, TIOCGEXCL),
        "TIOCGEXCL after TIOCNXCL"
    );
    check_eq!(
        native::get(&slave, TIOCGDEV),
        get(&slave, &page, TIOCGDEV),
        "TIOCGDEV"
    );
    Ok(())
}

fn discipline(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(0), get(&pty.master, &page, TIOCGETD), "TIOCGETD");
    set(&slave, &page, TIOCSETD, 0).context("TIOCSETD")?;
    check_errno(
        set(&slave, &page, TIOCSETD, 1000),
        Errno::EINVAL,
        "TIOCSETD 1000",
    )
}

fn fake_input_and_hangup(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (_pty, slave) = pair(ctx)?;
    set(&slave, &page, TIOCSTI, i32::from(b'\n')).context("TIOCSTI")?;
    io::expect_read(&slave, b"\n")?;
    ioctl(&slave, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    check_eq!(Ok(Vec::new()), io::read_now(&slave, 1), "read");
    check_errno(
        get(&slave, &page, TIOCGETD),
        Errno::EIO,
        "TIOCGETD after the hangup",
    )
}

fn errors(ctx: &Ctx) -> Outcome {
    let page = page(ctx)?;
    let (pty, slave) = pair(ctx)?;
    check_errno(
        get(&slave, &page, TIOCGPTN),
        Errno::ENOTTY,
        "TIOCGPTN on the slave",
    )?;
    check_errno(
        ioctl(&pty.master, TIOCGPTN, 0),
        Errno::EFAULT,
        "TIOCGPTN with a bad address",
    )?;
    check_errno(
        ioctl(&slave, TIOCGPTPEER, 0),
        Errno::EIO,
        "TIOCGPTPEER on the slave",
    )?;
    check_errno(
        ioctl(&pty.master, 0x54ff, page.address()),
        Errno::ENOTTY,
        "an unknown ioctl",
    )?;
    check_errno(
        ioctl(&slave, 0x54ff, page.address()),
        Errno::ENOTTY,
        "an unknown ioctl on the slave",
    )
}
