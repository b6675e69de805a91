// SPDX-License-Identifier: GPL-2.0
//! Instances mounted in a user namespace.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::fsctx::FsContext;
use crate::fixture::mount::{open_at, try_mount};
use crate::fixture::pass::{receive_fd, send_fd, sockets};
use crate::fixture::process::{child, Gate};
use crate::fixture::{io, Fs, Pty};

cases! { "userns":
    mount_and_use => "a user namespace's root can mount an instance and use ptys in it",
    owners_inside_and_outside => "nodes belong to the namespace's ids, seen from outside as what they map to",
    options_show_outer_ids => "uid= and gid= are the namespace's ids, and shown as what they map to",
    unmapped_ids => "uid= and gid= without a mapping are EINVAL with the parser's text",
    chown_within_the_mapping => "inside, nodes can be given to mapped ids, others are EINVAL",
    remount_inside => "the namespace's root can remount the instance",
    without_capability => "a user of the namespace without capabilities cannot mount",
    opener_is_unmapped_user => "a slave opened by a user that the mapping lacks belongs to the overflow id inside",
}

/// Where the namespace's ids begin outside.
const BASE: u32 = 200_000;

/// Runs `body` as root of a user and mount namespace, with the directory to mount on.
pub(super) fn as_namespace_root(ctx: &Ctx, body: impl FnOnce(PathBuf) -> Outcome) -> Outcome {
    let place = ctx.dir("inside")?;
    let (unshared, mapped) = (Gate::new()?, Gate::new()?);
    let inside = child(|| {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).context("unshare")?;
        unshared.open()?;
        mapped.pass()?;
        nix::unistd::setresgid(0.into(), 0.into(), 0.into()).context("setresgid")?;
        nix::unistd::setresuid(0.into(), 0.into(), 0.into()).context("setresuid")?;
        body(place)
    })?;
    unshared.pass()?;
    for map in ["uid_map", "gid_map"] {
        fs::write(
            format!("/proc/{}/{map}", inside.pid),
            format!("0 {BASE} 1000"),
        )
        .with_context(|| map.to_owned())?;
    }
    mapped.open()?;
    inside.succeed()
}

pub(super) fn mounted(ctx: &Ctx, place: PathBuf, options: &str) -> Result<Fs> {
    try_mount(&ctx.target, &place, options)
        .with_context(|| format!("mount -o {options:?} in the namespace"))?;
    Ok(Fs { path: place })
}

fn mount_and_use(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
        let pty = Pty::open(&fs)?;
        check_eq!(0, pty.index, "index");
        let slave = pty.slave()?;
        io::write_all(&slave, b"inside\n")?;
        io::expect(&pty.master, b"inside\r\n")?;
        drop((pty, slave));
        fs.umount().context("umount")
    })
}

fn owners_inside_and_outside(ctx: &Ctx) -> Outcome {
    let (there, here) = sockets()?;
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "uid=7")?;
        let pty = Pty::open(&fs)?;
        let ptmx = fs.stat("ptmx")?;
        check_eq!((0, 0), (ptmx.st_uid, ptmx.st_gid), "owner of ptmx");
        let slave = fs.stat(pty.index)?;
        check_eq!((7, 0), (slave.st_uid, slave.st_gid), "owner of the slave");
        let root = fs.stat_root()?;
        check_eq!((0, 0), (root.st_uid, root.st_gid), "owner of the root");
        // Ends here, so that the parent looks at open files.
        send_fd(&there, &pty.master)?;
        send_fd(&there, &pty.slave()?)
    })?;
    let (master, slave) = (receive_fd(&here)?, receive_fd(&here)?);
    let (m, s) = (
        nix::sys::stat::fstat(&master)?,
        nix::sys::stat::fstat(&slave)?,
    );
    check_eq!((BASE, BASE), (m.st_uid, m.st_gid), "owner of ptmx outside");
    check_eq!(
        (BASE + 7, BASE),
        (s.st_uid, s.st_gid),
        "owner of the slave outside"
    );
    Ok(())
}

fn options_show_outer_ids(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "uid=3,gid=5,mode=620")?;
        check_eq!(
            format!("rw,uid={},gid={},mode=620,ptmxmode=000", BASE + 3, BASE + 5),
            fs.options()?,
            "options"
        );
        Ok(())
    })
}

fn unmapped_ids(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        for key in ["uid", "gid"] {
            check_errno(
                try_mount(&ctx.target, &place, &format!("{key}=1000")),
                Errno::EINVAL,
                "mount(2)",
            )?;
            let context = FsContext::open(ctx.target.fstype).context("fsopen")?;
            check_errno(context.set(key, "1000"), Errno::EINVAL, "fsconfig")?;
            check_eq!(
                vec![format!("e {}: Invalid {key} '1000'", ctx.target.fstype)],
                context.log(),
                "log"
            );
            context
                .set(key, "999")
                .with_context(|| format!("{key}=999"))?;
        }
        Ok(())
    })
}

fn chown_within_the_mapping(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "")?;
        let pty = Pty::open(&fs)?;
        for name in ["ptmx", "0"] {
            chown(fs.join(name), Some(999), Some(998)).with_context(|| format!("chown {name}"))?;
            let s = fs.stat(name)?;
            check_eq!((999, 998), (s.st_uid, s.st_gid), "owner of {name}");
            check_errno(
                chown(fs.join(name), Some(1000), None),
                Errno::EINVAL,
                "chown to an unmapped id",
            )?;
        }
        pty.slave().map(drop)
    })
}

fn remount_inside(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "gid=5")?;
        fs.remount("uid=1,ptmxmode=666").context("remount")?;
        check_eq!(
            format!("rw,uid={},mode=600,ptmxmode=666", BASE + 1),
            fs.options()?,
            "options"
        );
        check_errno(
            fs.remount("uid=1000"),
            Errno::EINVAL,
            "remount with an unmapped id",
        )
    })
}

fn without_capability(ctx: &Ctx) -> Outcome {
    as_namespace_root(ctx, |place| {
        nix::unistd::setresuid(10.into(), 10.into(), 10.into()).context("setresuid")?;
        check_errno(try_mount(&ctx.target, &place, ""), Errno::EPERM, "mount")
    })
}

fn opener_is_unmapped_user(ctx: &Ctx) -> Outcome {
    // The namespace's ptmx, opened by global root through a descriptor of the root directory.
    let (there, here) = sockets()?;
    let (opened, seen) = (Gate::new()?, Gate::new()?);
    let outside = child(|| {
        let root = receive_fd(&here)?;
        let path = PathBuf::from(format!(
            "/proc/self/fd/{}/ptmx",
            std::os::fd::AsRawFd::as_raw_fd(&root)
        ));
        let _master =
            open_at(&path, nix::fcntl::OFlag::O_RDWR).context("open ptmx from outside")?;
        opened.open()?;
        seen.pass()
    })?;
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "")?;
        send_fd(&there, &open_at(&fs.path, nix::fcntl::OFlag::O_RDONLY)?)?;
        opened.pass()?;
        let s = fs.stat(0)?;
        check_eq!((65534, 65534), (s.st_uid, s.st_gid), "owner of the slave");
        seen.open()
    })?;
    outside.succeed()
}
