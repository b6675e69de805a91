// SPDX-License-Identifier: GPL-2.0
//! Times of nodes: coarse, so that nobody learns when keys are struck.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::sys::stat::{fstat, futimens, utimensat, UtimensatFlags};
use nix::sys::time::TimeSpec;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "times":
    of_new_nodes => "a node's times are those of its making",
    write_sets_mtime => "writing to a slave sets its modification time, in whole seconds",
    read_sets_atime => "reading from a slave sets its access time, in whole seconds",
    master_has_its_own => "writing to and reading from a master change the times of ptmx, not of the slave",
    changes_within_eight_seconds_are_hidden => "times that differ from now in their lower three bits only are left alone",
    utimensat_works => "utimensat sets the times of ptmx and slaves",
    root_does_not_change => "opening and closing ptys leaves the root's times alone",
}

fn now() -> i64 {
    // SAFETY: a null pointer is allowed.
    unsafe { libc::time(std::ptr::null_mut()) }
}

/// Sets both times of an open file to `seconds` and a fraction.
fn set_times(fd: &impl AsFd, seconds: i64) -> Result<()> {
    let time = TimeSpec::new(seconds, 5);
    futimens(fd, &time, &time).context("futimens")
}

fn of_new_nodes(ctx: &Ctx) -> Outcome {
    let before = now();
    let fs = Fs::new(ctx)?;
    let _pty = Pty::locked(&fs)?;
    let after = now();
    for name in ["ptmx", "0"] {
        let s = fs.stat(name)?;
        for (what, time) in [
            ("atime", s.st_atime),
            ("mtime", s.st_mtime),
            ("ctime", s.st_ctime),
        ] {
            // The kernel's clock for files may be a tick behind.
            check!(
                (before - 1..=after).contains(&time),
                "{what} of {name} is {time}, made between {before} and {after}"
            );
        }
    }
    Ok(())
}

fn write_sets_mtime(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    set_times(&slave, 1000)?;
    let before = now();
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")?;
    let s = fstat(&slave)?;
    check!(
        s.st_mtime >= before && s.st_mtime <= now(),
        "mtime is {}",
        s.st_mtime
    );
    check_eq!(0, s.st_mtime_nsec, "nanoseconds");
    check_eq!((1000, 5), (s.st_atime, s.st_atime_nsec), "atime");
    Ok(())
}

fn read_sets_atime(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    set_times(&slave, 1000)?;
    let before = now();
    io::write_all(&pty.master, b"x\n")?;
    io::expect_read(&slave, b"x\n")?;
    let s = fstat(&slave)?;
    check!(
        s.st_atime >= before && s.st_atime <= now(),
        "atime is {}",
        s.st_atime
    );
    check_eq!(0, s.st_atime_nsec, "nanoseconds");
    check_eq!((1000, 5), (s.st_mtime, s.st_mtime_nsec), "mtime");
    Ok(())
}

fn master_has_its_own(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    set_times(&slave, 1000)?;
    set_times(&pty.master, 1000)?;
    let before = now();
    io::write_all(&pty.master, b"x\n")?;
    check!(
        fstat(&pty.master)?.st_mtime >= before,
        "mtime of ptmx after a write"
    );
    check_eq!(
        1000,
        fstat(&pty.master)?.st_atime,
        "atime of ptmx after a write"
    );
    io::wait_for(&slave, nix::poll::PollFlags::POLLIN)?;
    check_eq!(
        (1000, 1000),
        (fstat(&slave)?.st_atime, fstat(&slave)?.st_mtime),
        "the slave after the master's write"
    );
    io::write_all(&slave, b"y")?;
    set_times(&slave, 1000)?;
    io::expect(&pty.master, b"y")?;
    check!(
        fstat(&pty.master)?.st_atime >= before,
        "atime of ptmx after a read"
    );
    check_eq!(
        (1000, 1000),
        (fstat(&slave)?.st_atime, fstat(&slave)?.st_mtime),
        "the slave after the master's read"
    );
    Ok(())
}

fn changes_within_eight_seconds_are_hidden(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for _ in 0..5 {
        let base = now() & !7;
        set_times(&slave, base)?;
        io::write_all(&slave, b"x")?;
        io::expect(&pty.master, b"x")?;
        let s = fstat(&slave)?;
        if now() & !7 == base {
            check_eq!((base, 5), (s.st_mtime, s.st_mtime_nsec), "mtime");
            return Ok(());
        }
        // The eight seconds ended meanwhile: once more.
    }
    anyhow::bail!("every attempt took several seconds")
}

fn utimensat_works(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::locked(&fs)?;
    for name in ["ptmx", "0"] {
        let (atime, mtime) = (TimeSpec::new(11, 12), TimeSpec::new(13, 14));
        let follow = UtimensatFlags::FollowSymlink;
        utimensat(nix::fcntl::AT_FDCWD, &fs.join(name), &atime, &mtime, follow)
            .context("utimensat")?;
        let s = fs.stat(name)?;
        check_eq!(
            (11, 12, 13, 14),
            (s.st_atime, s.st_atime_nsec, s.st_mtime, s.st_mtime_nsec),
            "times of {name}"
        );
    }
    Ok(())
}

fn root_does_not_change(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let old = TimeSpec::new(1000, 5);
    utimensat(
        nix::fcntl::AT_FDCWD,
        &fs.path,
        &old,
        &old,
        UtimensatFlags::FollowSymlink,
    )
    .context("utimensat")?;
    drop(Pty::locked(&fs)?);
    let s = fs.stat_root()?;
    check_eq!((1000, 5), (s.st_mtime, s.st_mtime_nsec), "mtime");
    Ok(())
}
