// SPDX-License-Identifier: GPL-2.0
//! Device nodes with a pty's numbers that are not the file system's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{makedev, mknod, Mode, SFlag};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTN, TIOCSPTLCK};
use crate::fixture::mount::open_at;
use crate::fixture::{io, pair, Fs, Pty, SLAVE_MAJOR};

cases! { "foreign_node":
    slave_number_elsewhere => "a node with an open slave's number on a tmpfs is EIO, for root too",
    unused_number_elsewhere => "a node with an unused slave number on a tmpfs is EIO",
    master_number => "a node with the master driver's number is EIO, whatever its minor",
    real_slave_is_not_disturbed => "opening foreign nodes does not disturb the pty of that number",
    slave_number_beside_instance => "a node with a slave's number beside the mount point is EIO",
    ptmx_device_beside_pts => "a device 5:2 beside pts opens a pty there, one elsewhere is ENOENT",
    ptmx_device_beside_other_driver => "a device 5:2 beside rdevpts is ENODEV, since its driver is another",
}

const RW: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY);

pub(super) fn node(at: &Path, major: u32, minor: u32) -> Result<PathBuf> {
    mknod(
        at,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        makedev(major.into(), minor.into()),
    )
    .context("mknod")?;
    Ok(at.to_owned())
}

/// The major number that slaves have, and the one that their driver is registered with: the same with the C driver.
fn majors(ctx: &Ctx) -> Result<[u32; 2]> {
    Ok([SLAVE_MAJOR, ctx.target.major("slave")?])
}

fn slave_number_elsewhere(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    for (number, major) in majors(ctx)?.into_iter().enumerate() {
        let path = node(&ctx.work.join(format!("slave{number}")), major, pty.index)?;
        check_errno(open_at(&path, RW), Errno::EIO, "read and write")?;
        check_errno(
            open_at(&path, OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK),
            Errno::EIO,
            "read-only",
        )?;
        check_errno(open_at(&path, OFlag::O_WRONLY), Errno::EIO, "write-only")?;
    }
    Ok(())
}

fn unused_number_elsewhere(ctx: &Ctx) -> Outcome {
    for (number, major) in majors(ctx)?.into_iter().enumerate() {
        for minor in [0, 7, 300, 1_048_575] {
            let path = node(
                &ctx.work.join(format!("slave{number}-{minor}")),
                major,
                minor,
            )?;
            check_errno(open_at(&path, RW), Errno::EIO, &format!("minor {minor}"))?;
        }
    }
    Ok(())
}

fn master_number(ctx: &Ctx) -> Outcome {
    let (_pty, _slave) = pair(ctx)?;
    let major = ctx.target.major("master")?;
    for minor in [0, 1, 1_048_575] {
        let path = node(&ctx.work.join(format!("master{minor}")), major, minor)?;
        check_errno(open_at(&path, RW), Errno::EIO, &format!("minor {minor}"))?;
    }
    Ok(())
}

fn real_slave_is_not_disturbed(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let path = node(
        &ctx.work.join("slave"),
        ctx.target.major("slave")?,
        pty.index,
    )?;
    for _ in 0..10 {
        check_errno(open_at(&path, RW), Errno::EIO, "open")?;
    }
    io::write_all(&slave, b"fine\n")?;
    io::expect(&pty.master, b"fine\r\n")?;
    drop(slave);
    check_errno(open_at(&path, RW), Errno::EIO, "open with the slave closed")?;
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EIO,
        "the master's read",
    )?;
    pty.slave().map(drop)
}

fn slave_number_beside_instance(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "dev/pts", "ptmxmode=666")?;
    let pty = Pty::open(&fs)?;
    let path = node(
        &ctx.work.join("dev/0"),
        ctx.target.major("slave")?,
        pty.index,
    )?;
    check_errno(open_at(&path, RW), Errno::EIO, "open")
}

fn ptmx_device_beside_pts(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "dev/pts", "")?;
    let path = node(&ctx.work.join("dev/ptmx"), 5, 2)?;
    let master = open_at(&path, RW).context("open")?;
    check_eq!(0, ioctl::get(&master, TIOCGPTN)?, "index");
    ioctl::set(&master, TIOCSPTLCK, 0)?;
    check!(fs.has(0), "no node");
    let slave = open_at(&fs.join(0), RW).context("open the slave")?;
    io::write_all(&slave, b"x")?;
    io::expect(&master, b"x")?;
    let elsewhere = node(&ctx.work.join("ptmx"), 5, 2)?;
    check_errno(
        open_at(&elsewhere, RW),
        Errno::ENOENT,
        "open with no pts beside",
    )
}

fn ptmx_device_beside_other_driver(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "dev/pts", "")?;
    let path = node(&ctx.work.join("dev/ptmx"), 5, 2)?;
    for _ in 0..10 {
        check_errno(open_at(&path, RW), Errno::ENODEV, "open")?;
    }
    check_eq!(vec!["ptmx".to_owned()], fs.names()?, "names");
    Pty::open(&fs).map(drop)
}
