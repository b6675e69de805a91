// SPDX-License-Identifier: GPL-2.0
//! TIOCSPTLCK and TIOCGPTLCK.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTLCK, TIOCGPTPEER, TIOCSPTLCK};
use crate::fixture::{io, pair, Fs, Pty};

cases! { "lock":
    starts_locked => "a fresh pty is locked: TIOCGPTLCK is 1 and opening the slave is EIO",
    unlock_and_lock => "TIOCSPTLCK opens and shuts the slave, and TIOCGPTLCK says so",
    any_nonzero_locks => "any value but 0 locks, and TIOCGPTLCK gives 1",
    open_slave_stays_usable => "locking does not disturb a slave that is open already",
    failed_open_spoils_nothing => "an open refused by the lock leaves a pty that works once unlocked",
    slave_has_no_lock => "TIOCSPTLCK and TIOCGPTLCK on the slave are ENOTTY",
    bad_address => "TIOCSPTLCK and TIOCGPTLCK with a bad address are EFAULT",
}

fn starts_locked(ctx: &Ctx) -> Outcome {
    let pty = Pty::locked(&Fs::new(ctx)?)?;
    check_eq!(
        1,
        ioctl::get(&pty.master, TIOCGPTLCK).context("TIOCGPTLCK")?,
        "lock"
    );
    check_errno(
        pty.try_slave(OFlag::O_RDWR | OFlag::O_NOCTTY),
        Errno::EIO,
        "open a locked slave",
    )?;
    let flags = (libc::O_RDWR | libc::O_NOCTTY) as libc::c_ulong;
    check_errno(
        ioctl::call(&pty.master, TIOCGPTPEER, flags),
        Errno::EIO,
        "TIOCGPTPEER of a locked slave",
    )
}

fn unlock_and_lock(ctx: &Ctx) -> Outcome {
    let pty = Pty::locked(&Fs::new(ctx)?)?;
    for _ in 0..2 {
        ioctl::set(&pty.master, TIOCSPTLCK, 0).context("unlock")?;
        check_eq!(0, ioctl::get(&pty.master, TIOCGPTLCK)?, "after unlocking");
        drop(pty.slave()?);
        ioctl::set(&pty.master, TIOCSPTLCK, 1).context("lock")?;
        check_eq!(1, ioctl::get(&pty.master, TIOCGPTLCK)?, "after locking");
        check_errno(
            pty.try_slave(OFlag::O_RDWR | OFlag::O_NOCTTY),
            Errno::EIO,
            "open a locked slave",
        )?;
    }
    Ok(())
}

fn any_nonzero_locks(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    for value in [-1, 256, i32::MIN] {
        ioctl::set(&pty.master, TIOCSPTLCK, 0)?;
        ioctl::set(&pty.master, TIOCSPTLCK, value)?;
        check_eq!(
            1,
            ioctl::get(&pty.master, TIOCGPTLCK)?,
            "after TIOCSPTLCK {value}"
        );
    }
    Ok(())
}

fn open_slave_stays_usable(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::set(&pty.master, TIOCSPTLCK, 1)?;
    io::write_all(&slave, b"still here\n")?;
    io::expect(&pty.master, b"still here\r\n")
}

fn failed_open_spoils_nothing(ctx: &Ctx) -> Outcome {
    let pty = Pty::locked(&Fs::new(ctx)?)?;
    for _ in 0..3 {
        check_errno(
            pty.try_slave(OFlag::O_RDWR | OFlag::O_NOCTTY),
            Errno::EIO,
            "open a locked slave",
        )?;
    }
    pty.unlock()?;
    let slave = pty.slave()?;
    io::write_all(&slave, b"fine\n")?;
    io::expect(&pty.master, b"fine\r\n")
}

fn slave_has_no_lock(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    check_errno(ioctl::get(&slave, TIOCGPTLCK), Errno::ENOTTY, "TIOCGPTLCK")?;
    check_errno(
        ioctl::set(&slave, TIOCSPTLCK, 0),
        Errno::ENOTTY,
        "TIOCSPTLCK",
    )
}

fn bad_address(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    check_errno(
        ioctl::call(&pty.master, TIOCGPTLCK, 0),
        Errno::EFAULT,
        "TIOCGPTLCK",
    )?;
    check_errno(
        ioctl::call(&pty.master, TIOCSPTLCK, 0),
        Errno::EFAULT,
        "TIOCSPTLCK",
    )
}
