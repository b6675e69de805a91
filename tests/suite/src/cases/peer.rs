// SPDX-License-Identifier: GPL-2.0
//! TIOCGPTPEER.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, FdFlag, OFlag};
use nix::mount::{umount2, MntFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTN, TIOCGPTPEER, TIOCSPTLCK};
use crate::fixture::mount::{bind, open_at};
use crate::fixture::process::{become_user, child, session};
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "peer":
    gives_the_slave => "TIOCGPTPEER gives the slave's other end, by the slave's own name",
    access_modes => "TIOCGPTPEER obeys O_RDONLY, O_WRONLY and O_RDWR",
    status_flags => "TIOCGPTPEER obeys O_NONBLOCK and O_CLOEXEC",
    o_path => "TIOCGPTPEER with O_PATH gives a path descriptor of the slave's node",
    controlling_terminal => "TIOCGPTPEER gives a controlling terminal unless O_NOCTTY",
    permissions_of_the_node => "TIOCGPTPEER works for whoever has the master, even after chmod 000 of the node",
    after_umount => "TIOCGPTPEER works after the file system was detached from its mount point",
    after_overmount => "TIOCGPTPEER works when another file system covers the mount point",
    through_bind_mount => "TIOCGPTPEER works through a bind mount of ptmx beside pts",
    bind_mount_without_pts => "TIOCGPTPEER through a bind mount of ptmx with no pts beside is ENOENT",
    bind_mount_beside_other_instance => "TIOCGPTPEER through a bind mount of ptmx beside another instance is ENODEV",
    bind_mount_beside_directory => "TIOCGPTPEER through a bind mount of ptmx beside a plain directory pts is ENODEV",
    bind_mount_twice => "TIOCGPTPEER works through a bind mount of ptmx on top of another beside pts",
    bind_mount_beside_symlink => "TIOCGPTPEER through a bind mount of ptmx beside a symbolic link pts is ENODEV",
    bind_mount_beside_subdirectory => "TIOCGPTPEER through a bind mount of ptmx beside a bind mount of pts itself works",
    from_elsewhere => "TIOCGPTPEER works for a process that does not see the mount, in a chroot or another namespace",
    bind_mount_of_directory => "TIOCGPTPEER works through a bind mount of the whole file system",
    on_slave => "TIOCGPTPEER on the slave is EIO",
}

fn peer(master: &OwnedFd, flags: OFlag) -> nix::Result<OwnedFd> {
    let fd = ioctl::call(master, TIOCGPTPEER, flags.bits() as libc::c_ulong)?;
    // SAFETY: the kernel just returned this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

const RW: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY);

fn talks(master: &OwnedFd, slave: &OwnedFd) -> Result<()> {
    io::write_all(slave, b"hi\n")?;
    io::expect(master, b"hi\r\n")
}

fn gives_the_slave(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let slave = peer(&pty.master, RW).context("TIOCGPTPEER")?;
    talks(&pty.master, &slave)?;
    check_eq!(pty.path.to_string_lossy(), io::fd_link(&slave)?, "name");
    let (by_peer, by_path) = (
        nix::sys::stat::fstat(&slave)?,
        nix::sys::stat::stat(&pty.path)?,
    );
    check_eq!(
        (by_path.st_dev, by_path.st_ino),
        (by_peer.st_dev, by_peer.st_ino),
        "inode"
    );
    Ok(())
}

fn access_modes(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    term::raw(&pty.master)?;
    let reader = peer(&pty.master, OFlag::O_RDONLY | OFlag::O_NOCTTY).context("O_RDONLY")?;
    check_errno(io::write_now(&reader, b"x"), Errno::EBADF, "write")?;
    let writer = peer(&pty.master, OFlag::O_WRONLY | OFlag::O_NOCTTY).context("O_WRONLY")?;
    check_errno(io::read_now(&writer, 1), Errno::EBADF, "read")?;
    io::write_all(&writer, b"out")?;
    io::expect(&pty.master, b"out")?;
    io::write_all(&pty.master, b"in")?;
    io::expect(&reader, b"in")
}

fn status_flags(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    for (flag, nonblock, cloexec) in [
        (OFlag::empty(), false, false),
        (OFlag::O_NONBLOCK, true, false),
        (OFlag::O_CLOEXEC, false, true),
    ] {
        let slave = peer(&pty.master, RW | flag).context("TIOCGPTPEER")?;
        let status = OFlag::from_bits_retain(fcntl(&slave, FcntlArg::F_GETFL)?);
        let fd = FdFlag::from_bits_retain(fcntl(&slave, FcntlArg::F_GETFD)?);
        check_eq!(
            nonblock,
            status.contains(OFlag::O_NONBLOCK),
            "O_NONBLOCK with {flag:?}"
        );
        check_eq!(
            cloexec,
            fd.contains(FdFlag::FD_CLOEXEC),
            "FD_CLOEXEC with {flag:?}"
        );
        check_eq!(OFlag::O_RDWR, status & OFlag::O_ACCMODE, "access mode");
    }
    Ok(())
}

fn o_path(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let handle = peer(&pty.master, OFlag::O_PATH).context("TIOCGPTPEER O_PATH")?;
    check_errno(io::read_now(&handle, 1), Errno::EBADF, "read from O_PATH")?;
    check_eq!(
        u64::from(pty.index) + 3,
        nix::sys::stat::fstat(&handle)?.st_ino,
        "inode"
    );
    Ok(())
}

fn controlling_terminal(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    let tty = std::path::Path::new("/dev/tty");
    session(|| {
        let _slave = peer(&pty.master, RW)?;
        check_errno(
            open_at(tty, OFlag::O_RDWR),
            Errno::ENXIO,
            "/dev/tty after O_NOCTTY",
        )?;
        let _ctty = peer(&pty.master, OFlag::O_RDWR)?;
        open_at(tty, OFlag::O_RDWR).context("/dev/tty without O_NOCTTY")?;
        Ok(())
    })?
    .succeed()
}

fn permissions_of_the_node(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    fs::set_permissions(&pty.path, fs::Permissions::from_mode(0o000)).context("chmod 000")?;
    peer(&pty.master, RW).context("as root")?;
    child(|| {
        become_user(1000)?;
        check_errno(
            pty.try_slave(RW),
            Errno::EACCES,
            "open by name as another user",
        )?;
        peer(&pty.master, RW)
            .map(drop)
            .context("TIOCGPTPEER as another user")
    })?
    .succeed()
}

fn after_umount(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    umount2(&fs.path, MntFlags::MNT_DETACH).context("detach")?;
    let slave = peer(&pty.master, RW).context("TIOCGPTPEER")?;
    talks(&pty.master, &slave)?;
    check_eq!("/0", io::fd_link(&slave)?, "name");
    Ok(())
}

fn after_overmount(ctx: &Ctx) -> Outcome {
    let below = Fs::new(ctx)?;
    let pty = Pty::open(&below)?;
    let _above = Fs::new(ctx)?;
    let slave = peer(&pty.master, RW).context("TIOCGPTPEER")?;
    talks(&pty.master, &slave)
}

/// A ptmx bind-mounted to `dev/ptmx`, opened there.
fn bound_ptmx(ctx: &Ctx, fs: &Fs) -> Result<OwnedFd> {
    let dev = ctx.dir("dev")?;
    let place = dev.join("ptmx");
    fs::write(&place, "").context("make the bind mount's place")?;
    bind(&fs.join("ptmx"), &place)?;
    let master = open_at(&place, RW).context("open the bound ptmx")?;
    ioctl::set(&master, TIOCSPTLCK, 0).context("unlock")?;
    check!(
        fs.has(ioctl::get(&master, TIOCGPTN)?),
        "no node in the instance that ptmx came from"
    );
    Ok(master)
}

fn through_bind_mount(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "dev/pts", "ptmxmode=0666")?;
    let master = bound_ptmx(ctx, &fs)?;
    let slave = peer(&master, RW).context("TIOCGPTPEER")?;
    talks(&master, &slave)?;
    check_eq!(fs.join(0).to_string_lossy(), io::fd_link(&slave)?, "name");
    Ok(())
}

fn bind_mount_without_pts(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "elsewhere", "ptmxmode=0666")?;
    let master = bound_ptmx(ctx, &fs)?;
    check_errno(peer(&master, RW), Errno::ENOENT, "TIOCGPTPEER")?;
    talks(&master, &open_at(&fs.join(0), RW)?)
}

fn bind_mount_beside_other_instance(ctx: &Ctx) -> Outcome {
    let _other = Fs::at(ctx, "dev/pts", "ptmxmode=0666")?;
    let fs = Fs::at(ctx, "elsewhere", "ptmxmode=0666")?;
    let master = bound_ptmx(ctx, &fs)?;
    check_errno(peer(&master, RW), Errno::ENODEV, "TIOCGPTPEER")
}

fn bind_mount_beside_directory(ctx: &Ctx) -> Outcome {
    ctx.dir("dev/pts")?;
    let fs = Fs::at(ctx, "elsewhere", "ptmxmode=0666")?;
    let master = bound_ptmx(ctx, &fs)?;
    check_errno(peer(&master, RW), Errno::ENODEV, "TIOCGPTPEER")
}

fn bind_mount_of_directory(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let copy = ctx.dir("copy")?;
    bind(&fs.path, &copy)?;
    let pty = Pty::open(&Fs { path: copy.clone() })?;
    let slave = peer(&pty.master, RW).context("TIOCGPTPEER")?;
    talks(&pty.master, &slave)?;
    check_eq!(
        copy.join("0").to_string_lossy(),
        io::fd_link(&slave)?,
        "name"
    );
    check!(fs.has(0), "no node in the instance");
    Ok(())
}

fn on_slave(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    check_errno(peer(&slave, RW), Errno::EIO, "TIOCGPTPEER")
}

fn bind_mount_twice(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "dev/pts", "ptmxmode=0666")?;
    drop(bound_ptmx(ctx, &fs)?);
    bind(&fs.join("ptmx"), &ctx.work.join("dev/ptmx"))?;
    let master = open_at(&ctx.work.join("dev/ptmx"), RW).context("open the bound ptmx")?;
    ioctl::set(&master, TIOCSPTLCK, 0).context("unlock")?;
    let slave = peer(&master, RW).context("TIOCGPTPEER")?;
    talks(&master, &slave)
}

fn bind_mount_beside_symlink(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "elsewhere", "ptmxmode=0666")?;
    ctx.dir("dev")?;
    std::os::unix::fs::symlink(&fs.path, ctx.work.join("dev/pts")).context("symlink")?;
    let master = bound_ptmx(ctx, &fs)?;
    check_errno(peer(&master, RW), Errno::ENODEV, "TIOCGPTPEER")
}

fn bind_mount_beside_subdirectory(ctx: &Ctx) -> Outcome {
    let fs = Fs::at(ctx, "elsewhere", "ptmxmode=0666")?;
    bind(&fs.path, &ctx.dir("dev/pts")?)?;
    let master = bound_ptmx(ctx, &fs)?;
    let slave = peer(&master, RW).context("TIOCGPTPEER")?;
    talks(&master, &slave)?;
    check_eq!(
        ctx.work.join("dev/pts/0").to_string_lossy(),
        io::fd_link(&slave)?,
        "name"
    );
    Ok(())
}

fn from_elsewhere(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let empty = ctx.dir("empty")?;
    child(|| {
        nix::unistd::chroot(&empty).context("chroot")?;
        std::env::set_current_dir("/").context("chdir")?;
        talks(&pty.master, &peer(&pty.master, RW).context("in a chroot")?)
    })?
    .succeed()?;
    child(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).context("unshare")?;
        umount2(&fs.path, MntFlags::MNT_DETACH).context("detach")?;
        talks(
            &pty.master,
            &peer(&pty.master, RW).context("in another mount namespace")?,
        )
    })?
    .succeed()
}
