// SPDX-License-Identifier: GPL-2.0
//! Who may open what. Documentation/security.rst names the cases of other themes that belong to this.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{makedev, mknod, Mode, SFlag};

use super::foreign_node::node;
use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTPEER};
use crate::fixture::mount::{bind, open_at};
use crate::fixture::process::{become_user, child, Gate};
use crate::fixture::{io, Fs, Pty, SLAVE_MAJOR};

cases! { "security":
    every_number_of_the_drivers => "no device node with a number of any of the drivers opens, and none makes a pty",
    foreign_node_linked_and_bound => "nor does one that is hard-linked, or bind-mounted on a slave's name",
    options_decide_who_opens => "uid=, gid= and mode= decide who opens a slave, and not who has its master",
    inherited_descriptors => "a process that gave up its rights uses the ends that it inherited, and cannot open them again",
    descriptors_of_another_user => "the ends that another user's process has cannot be reached through /proc or pidfd_getfd",
    peer_needs_the_master => "a slave's peer is had from its master, and from nothing else",
}

const RW: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY);
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOCTTY);
const WRITE: OFlag = OFlag::O_WRONLY.union(OFlag::O_NOCTTY);

/// The major numbers, each with its highest minor, of the lines of /proc/tty/drivers that are the file system's.
fn numbers(ctx: &Ctx) -> Result<Vec<(u32, u32)>> {
    let text = fs::read_to_string("/proc/tty/drivers").context("/proc/tty/drivers")?;
    let prefix = format!("{}_", ctx.target.driver);
    let mut numbers = vec![(SLAVE_MAJOR, 1_048_575)];
    for line in text.lines().filter(|line| line.starts_with(&prefix)) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let highest = fields[3].rsplit('-').next().unwrap_or_default();
        numbers.push((fields[2].parse()?, highest.parse()?));
    }
    check!(numbers.len() > 2, "drivers:\n{text}");
    Ok(numbers)
}

fn every_number_of_the_drivers(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    for (which, (major, highest)) in numbers(ctx)?.into_iter().enumerate() {
        for minor in BTreeSet::from([0, 1, highest]) {
            let name = ctx.work.join(format!("{which}-{minor}"));
            let what = format!("{major}:{minor}");
            let character = node(&name.with_extension("c"), major, minor)?;
            for flags in [RW, READ | OFlag::O_NONBLOCK, WRITE] {
                let errno = open_at(&character, flags).map(drop);
                check!(
                    matches!(errno, Err(Errno::EIO | Errno::ENXIO)),
                    "{what}, {flags:?}: {errno:?}"
                );
            }
        }
        let block = ctx.work.join(format!("{which}-block"));
        let number = makedev(major.into(), 0);
        mknod(&block, SFlag::S_IFBLK, Mode::S_IRUSR, number).context("mknod")?;
        check_errno(open_at(&block, READ), Errno::ENXIO, "a block device")?;
    }
    check_eq!(vec!["0", "ptmx"], fs.names()?, "names");
    io::write_all(&slave, b"fine\n")?;
    io::expect(&pty.master, b"fine\r\n")
}

fn foreign_node_linked_and_bound(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    for (which, major) in [SLAVE_MAJOR, ctx.target.major("slave")?]
        .into_iter()
        .enumerate()
    {
        let foreign = node(&ctx.work.join(format!("node{which}")), major, pty.index)?;
        let link = ctx.work.join(format!("link{which}"));
        fs::hard_link(&foreign, &link).context("link")?;
        check_errno(open_at(&link, RW), Errno::EIO, "a hard link")?;
        // By the name that the slave has, and in the place where it is.
        bind(&foreign, &pty.path)?;
        check_errno(open_at(&pty.path, RW), Errno::EIO, "on the slave's name")?;
        nix::mount::umount(&pty.path).context("umount")?;
        let handle = open_at(&foreign, OFlag::O_PATH)?;
        let reopened = format!("/proc/self/fd/{}", handle.as_raw_fd());
        check_errno(
            open_at(Path::new(&reopened), RW),
            Errno::EIO,
            "a path descriptor",
        )?;
    }
    // The other way round: the slave's own node, wherever it is bound.
    let place = node(&ctx.work.join("place"), 1, 3)?;
    bind(&pty.path, &place)?;
    io::write_all(&open_at(&place, RW).context("the slave elsewhere")?, b"x\n")?;
    io::expect(&pty.master, b"x\r\n")?;
    io::write_all(&slave, b"y\n")?;
    io::expect(&pty.master, b"y\r\n")
}

fn options_decide_who_opens(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,uid=1001,gid=1002,mode=620")?;
    let as_user = |id: u32, pty: &Pty, denied: &[OFlag], allowed: &[OFlag]| {
        child(|| {
            become_user(id)?;
            for flags in denied {
                let what = format!("user {id}, {flags:?}");
                check_errno(pty.try_slave(*flags), Errno::EACCES, &what)?;
            }
            for flags in allowed {
                pty.try_slave(*flags)
                    .with_context(|| format!("user {id}, {flags:?}"))?;
            }
            Ok(())
        })?
        .succeed()
    };
    child(|| {
        // Who opens is neither: the pty is another's as soon as it is there, but the master is the opener's.
        let ready = Gate::new()?;
        let go = Gate::new()?;
        let opener = child(|| {
            become_user(1000)?;
            let pty = Pty::open(&fs)?;
            check_errno(pty.try_slave(RW), Errno::EACCES, "the opener, by name")?;
            ioctl::call(&pty.master, TIOCGPTPEER, RW.bits() as libc::c_ulong)
                .context("the opener, by TIOCGPTPEER")?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        let master = open_at(&fs.join("ptmx"), OFlag::O_PATH)?;
        let pty = Pty {
            master,
            index: 0,
            path: fs.join(0),
        };
        as_user(1001, &pty, &[], &[RW, READ, WRITE])?;
        as_user(1002, &pty, &[RW, READ], &[WRITE])?;
        as_user(1003, &pty, &[RW, READ, WRITE], &[])?;
        go.open()?;
        opener.succeed()
    })?
    .succeed()
}

/// Lets a process that gave up root's identity reach its own /proc again.
fn reach_own_proc() -> Outcome {
    // SAFETY: a prctl without pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) })
        .map(drop)
        .context("PR_SET_DUMPABLE")
}

fn inherited_descriptors(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=600,mode=600")?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    child(|| {
        become_user(1000)?;
        reach_own_proc()?;
        io::write_all(&slave, b"out\n").context("write to the slave")?;
        io::expect(&pty.master, b"out\r\n")?;
        check_errno(pty.try_slave(RW), Errno::EACCES, "by name")?;
        for (name, end) in pty.ends(&slave) {
            for flags in [RW, READ, WRITE] {
                let link = format!("/proc/self/fd/{}", end.as_raw_fd());
                check_errno(
                    open_at(Path::new(&link), flags),
                    Errno::EACCES,
                    &format!("{name} by {link}, {flags:?}"),
                )?;
            }
        }
        check_eq!(vec!["0", "ptmx"], fs.names()?, "names");
        Ok(())
    })?
    .succeed()?;
    // That was the nodes' doing.
    for name in ["0", "ptmx"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(fs.join(name), fs::Permissions::from_mode(0o666)).context("chmod")?;
    }
    child(|| {
        become_user(1000)?;
        reach_own_proc()?;
        for (name, end) in pty.ends(&slave) {
            let link = format!("/proc/self/fd/{}", end.as_raw_fd());
            open_at(Path::new(&link), RW).with_context(|| format!("{name} by {link}"))?;
        }
        Ok(())
    })?
    .succeed()
}

fn descriptors_of_another_user(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,mode=600")?;
    let (report, go) = (Gate::new()?, Gate::new()?);
    let holder = child(|| {
        become_user(1000)?;
        reach_own_proc()?;
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        for end in [&pty.master, &slave] {
            report.send(end.as_raw_fd().into())?;
        }
        go.pass()
    })?;
    let ends = [report.receive()?, report.receive()?];
    child(|| {
        become_user(1001)?;
        // SAFETY: a system call without pointers.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, holder.pid.as_raw(), 0) };
        check!(pidfd >= 0, "pidfd_open: {}", Errno::last());
        for fd in ends {
            let link = format!("/proc/{}/fd/{fd}", holder.pid);
            for flags in [RW, READ, WRITE, OFlag::O_PATH] {
                check_errno(open_at(Path::new(&link), flags), Errno::EACCES, &link)?;
            }
            // SAFETY: as above.
            let copy = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0) });
            check_errno(copy, Errno::EPERM, "pidfd_getfd")?;
        }
        Ok(())
    })?
    .succeed()?;
    check_eq!(vec!["0", "ptmx"], fs.names()?, "names");
    go.open()?;
    holder.succeed()
}

fn peer_needs_the_master(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    let flags = RW.bits() as libc::c_ulong;
    let ptmx = open_at(&fs.join("ptmx"), OFlag::O_PATH)?;
    let root = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    check_errno(ioctl::call(&slave, TIOCGPTPEER, flags), Errno::EIO, "slave")?;
    check_errno(ioctl::call(&ptmx, TIOCGPTPEER, flags), Errno::EBADF, "ptmx")?;
    check_errno(ioctl::call(&root, TIOCGPTPEER, flags), Errno::ENOTTY, "/")?;
    // Another user's master gives the other user's slave.
    fs::set_permissions(
        &pty.path,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    child(|| {
        become_user(1000)?;
        let own = Pty::open(&fs)?;
        let peer = ioctl::call(&own.master, TIOCGPTPEER, flags).context("TIOCGPTPEER")?;
        let link = fs::read_link(format!("/proc/self/fd/{peer}"));
        // Its own /proc is root's as yet.
        check!(link.is_err() || link? == own.path, "another slave");
        check_eq!(1, own.index, "index");
        Ok(())
    })?
    .succeed()
}
