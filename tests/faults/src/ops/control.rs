// SPDX-License-Identifier: GPL-2.0
//! What ioctl(2) and fcntl(2) change.

use anyhow::{bail, Context, Result};
use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::{ioctl, ioctl_get, ioctl_set, set_settings, settings, Line, Pair, N_NULL, N_TTY};
use crate::stream::transfer;
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("TIOCSETD to another line discipline", |w, a| {
        discipline(w, a, true)
    }),
    Operation::new("TIOCSETD back", |w, a| discipline(w, a, false)),
    Operation::new("TCGETS", |w, a| ends(w, a, |fd| settings(fd).map(drop))),
    Operation::new("TCSETS", |w, a| change(w, a, libc::TCSANOW)),
    Operation::new("TCSETSW", |w, a| change(w, a, libc::TCSADRAIN)),
    Operation::new("TCSETSF", |w, a| change(w, a, libc::TCSAFLUSH)),
    Operation::new("TIOCPKT", |w, a| {
        master(w, a, |fd| ioctl_set(fd, libc::TIOCPKT, 1))
    }),
    Operation::new("TIOCSPTLCK", |w, a| {
        master(w, a, |fd| ioctl_set(fd, libc::TIOCSPTLCK, 1))
    }),
    Operation::new("TIOCGPTN", |w, a| {
        master(w, a, |fd| ioctl_get(fd, libc::TIOCGPTN).map(drop))
    }),
    Operation::new("TIOCSIG", |w, a| {
        master(w, a, |fd| {
            ioctl(fd, libc::TIOCSIG, libc::SIGINT as libc::c_ulong).map(drop)
        })
    }),
    Operation::new("TIOCSWINSZ", |w, a| ends(w, a, window_size)),
    Operation::new("FIOASYNC of a master", |w, a| {
        master(w, a, |fd| ioctl_set(fd, libc::FIOASYNC, 1))
    }),
    Operation::new("FIOASYNC of a slave", |w, a| {
        slave(w, a, |fd| ioctl_set(fd, libc::FIOASYNC, 1))
    }),
    Operation::new("F_SETFL with O_ASYNC", |w, a| {
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_ASYNC;
        ends(w, a, move |fd| {
            fcntl(fd, FcntlArg::F_SETFL(flags)).map(drop)
        })
    }),
    Operation::new("TCFLSH", |w, a| {
        ends(w, a, |fd| {
            ioctl(fd, libc::TCFLSH, libc::TCIOFLUSH as libc::c_ulong).map(drop)
        })
    }),
    Operation::new("TIOCSTI", |w, a| {
        slave(w, a, |fd| {
            let byte = b'x';
            // SAFETY: it reads one byte.
            Errno::result(unsafe {
                libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(fd), libc::TIOCSTI, &byte)
            })
            .map(drop)
        })
    })
    // The kernel may be set to refuse it.
    .or(&[Errno::EIO]),
    Operation::new("TIOCSCTTY", |w, a| {
        slave(w, a, |fd| ioctl(fd, libc::TIOCSCTTY, 0).map(drop))
    }),
];

type Call = fn(&std::os::fd::OwnedFd) -> nix::Result<()>;

fn discipline(world: &World, attempt: &mut Attempt<'_>, away: bool) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let (before, after) = if away {
        (N_TTY, N_NULL)
    } else {
        ioctl_set(&pair.slave, libc::TIOCSETD, N_NULL).context("TIOCSETD")?;
        (N_NULL, N_TTY)
    };
    let now = || ioctl_get(&pair.slave, libc::TIOCGETD);
    if attempt
        .once(|| ioctl_set(&pair.slave, libc::TIOCSETD, after))?
        .is_err()
    {
        if now()? != before {
            bail!("the line discipline was {before}, and is {}", now()?);
        }
        ioctl_set(&pair.slave, libc::TIOCSETD, after).context("the same again")?;
    }
    if now()? != after {
        bail!("the line discipline is {}", now()?);
    }
    ioctl_set(&pair.slave, libc::TIOCSETD, N_TTY).context("back")?;
    for (from, to) in [
        (&pair.slave, &pair.master.fd),
        (&pair.master.fd, &pair.slave),
    ] {
        transfer(from, b"text\n", to, Vec::new(), b"text\n").context("afterwards")?;
    }
    drop(pair);
    mounted.umount()
}

fn master(world: &World, attempt: &mut Attempt<'_>, call: Call) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    attempt.call(|| call(&pair.master.fd))?;
    drop(pair);
    mounted.umount()
}

fn slave(world: &World, attempt: &mut Attempt<'_>, call: Call) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    attempt.call(|| call(&pair.slave))?;
    drop(pair);
    mounted.umount()
}

/// Of the one end, then of the other.
fn ends(
    world: &World,
    attempt: &mut Attempt<'_>,
    call: impl Fn(&std::os::fd::OwnedFd) -> nix::Result<()>,
) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    attempt.call(|| {
        call(&pair.master.fd)?;
        call(&pair.slave)
    })?;
    drop(pair);
    mounted.umount()
}

fn change(world: &World, attempt: &mut Attempt<'_>, when: c_int) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let before = settings(&pair.slave)?;
    let mut wanted = before;
    wanted.c_lflag &= !libc::ECHO;
    wanted.c_cc[libc::VEOF] = 7;
    let is = |want: &libc::termios| -> Result<bool> {
        let now = settings(&pair.slave)?;
        Ok((now.c_lflag, now.c_cc) == (want.c_lflag, want.c_cc))
    };
    if attempt
        .once(|| set_settings(&pair.slave, when, &wanted))?
        .is_err()
    {
        if !is(&before)? {
            bail!("it changed something");
        }
        set_settings(&pair.slave, when, &wanted).context("the same again")?;
    }
    if !is(&wanted)? {
        bail!("it changed nothing");
    }
    drop(pair);
    mounted.umount()
}

fn window_size(fd: &std::os::fd::OwnedFd) -> nix::Result<()> {
    let size = libc::winsize {
        ws_row: 5,
        ws_col: 6,
        ws_xpixel: 7,
        ws_ypixel: 8,
    };
    // SAFETY: the struct outlives the call.
    Errno::result(unsafe {
        libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(fd), libc::TIOCSWINSZ, &size)
    })
    .map(drop)
}
