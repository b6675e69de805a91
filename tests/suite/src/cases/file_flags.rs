// SPDX-License-Identifier: GPL-2.0
//! Flags of files and of opens, duplicates, and locks.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{fcntl, openat2, FcntlArg, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::fstat;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTN};
use crate::fixture::mount::open_at;
use crate::fixture::process::child;
use crate::fixture::{io, pair, raw_pair, Fs, Pty};

cases! { "file_flags":
    flock_between_files => "flock excludes another file of the slave, and not a duplicate",
    record_locks => "record locks of another process conflict",
    no_leases => "a lease is EINVAL, as is a notification, seals and a pipe's size",
    status_flags => "O_APPEND and O_NONBLOCK can be set, O_DIRECT is EINVAL, the access mode stays",
    duplicates => "dup shares the flags of the file, and has its own FD_CLOEXEC",
    reopened_with_less => "a slave reopened through /proc/self/fd has the access mode asked for",
    path_descriptors => "an O_PATH descriptor can be looked at, and nothing else",
    path_outlives => "an O_PATH descriptor of a slave whose master closed opens nothing",
    no_access_mode => "a file opened with access mode 3 neither reads nor writes, and takes ioctls",
    not_followed => "O_NOFOLLOW opens nodes, and not a symbolic link to one",
    not_run => "a node can be neither run nor entered",
    resolved => "openat2 keeps to the mount, and O_CREAT makes nothing",
}

/// flock(2), which does not wait.
fn flock(fd: &impl AsFd, operation: libc::c_int) -> nix::Result<()> {
    // SAFETY: no pointers.
    let ret = unsafe { libc::flock(fd.as_fd().as_raw_fd(), operation | libc::LOCK_NB) };
    Errno::result(ret).map(drop)
}

fn flock_between_files(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let other = pty.slave()?;
    let copy = slave.try_clone()?;
    flock(&slave, libc::LOCK_EX).context("lock")?;
    let taken = flock(&other, libc::LOCK_SH);
    check_errno(taken, Errno::EWOULDBLOCK, "another file")?;
    flock(&copy, libc::LOCK_EX).context("a duplicate")?;
    // All masters are files of one inode.
    flock(&pty.master, libc::LOCK_EX).context("the master")?;
    let second = Pty::open(&Fs {
        path: pty.path.with_file_name(""),
    })?;
    let taken = flock(&second.master, libc::LOCK_SH);
    check_errno(taken, Errno::EWOULDBLOCK, "another master")?;
    drop((slave, copy));
    flock(&other, libc::LOCK_EX).context("once it is closed")
}

fn record_locks(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 10,
        l_pid: 0,
    };
    for (what, end) in pty.ends(&slave) {
        fcntl(end, FcntlArg::F_SETLK(&lock)).with_context(|| format!("lock the {what}"))?;
        child(|| {
            let taken = fcntl(end, FcntlArg::F_SETLK(&lock));
            check_errno(taken, Errno::EAGAIN, what)
        })?
        .succeed()?;
    }
    Ok(())
}

fn no_leases(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        for (command, arg, want) in [
            (libc::F_SETLEASE, libc::F_RDLCK, Errno::EINVAL),
            (libc::F_SETLEASE, libc::F_WRLCK, Errno::EINVAL),
            (libc::F_NOTIFY, 1, Errno::ENOTDIR),
            (libc::F_ADD_SEALS, 1, Errno::EINVAL),
            (libc::F_GET_SEALS, 0, Errno::EINVAL),
            (libc::F_GETPIPE_SZ, 0, Errno::EBADF),
            (libc::F_SETPIPE_SZ, 4096, Errno::EBADF),
        ] {
            // SAFETY: commands whose argument is a number.
            let ret = unsafe { libc::fcntl(end.as_raw_fd(), command, arg) };
            let what = format!("{what}, command {command}");
            check_errno(Errno::result(ret), want, &what)?;
        }
        // SAFETY: no pointers.
        let lease = unsafe { libc::fcntl(end.as_raw_fd(), libc::F_GETLEASE) };
        check_eq!(Ok(libc::F_UNLCK), Errno::result(lease), "lease, {what}");
    }
    Ok(())
}

fn status(fd: &impl AsFd) -> nix::Result<OFlag> {
    Ok(OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?))
}

fn status_flags(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let settable = OFlag::O_APPEND | OFlag::O_NONBLOCK | OFlag::O_NOATIME;
    for (what, end) in pty.ends(&slave) {
        let before = status(end)?;
        check_eq!(OFlag::O_RDWR, before & OFlag::O_ACCMODE, "mode, {what}");
        fcntl(end, FcntlArg::F_SETFL(settable)).context("F_SETFL")?;
        let after = status(end)?;
        check_eq!(settable, after & settable, "what was set, {what}");
        check_eq!(OFlag::O_RDWR, after & OFlag::O_ACCMODE, "mode, {what}");
        let direct = fcntl(end, FcntlArg::F_SETFL(OFlag::O_DIRECT));
        check_errno(direct, Errno::EINVAL, what)?;
        fcntl(end, FcntlArg::F_SETFL(before)).context("F_SETFL")?;
        check_eq!(before, status(end)?, "flags put back, {what}");
    }
    fcntl(&slave, FcntlArg::F_SETFL(OFlag::O_APPEND)).context("F_SETFL")?;
    io::write_all(&slave, b"appended")?;
    io::expect(&pty.master, b"appended")?;
    for name in [pty.path.with_file_name("ptmx"), pty.path.clone()] {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_DIRECT;
        let direct = crate::fixture::mount::open_at(&name, flags);
        check_errno(direct, Errno::EINVAL, "open with O_DIRECT")?;
    }
    // The pty that the refused open of ptmx made is gone.
    check!(!pty.path.with_file_name("1").exists(), "a node is left");
    Ok(())
}

fn duplicates(ctx: &Ctx) -> Outcome {
    use nix::fcntl::FdFlag;
    let (pty, slave) = raw_pair(ctx)?;
    for (what, end) in pty.ends(&slave) {
        let copy = nix::unistd::dup(end).context("dup")?;
        let get =
            |fd: &OwnedFd| Ok::<_, Errno>(FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD)?));
        check_eq!(Ok(FdFlag::FD_CLOEXEC), get(end), "of the {what}");
        check_eq!(Ok(FdFlag::empty()), get(&copy), "of the copy");
        io::set_nonblock(&copy, true)?;
        check!(
            status(end)?.contains(OFlag::O_NONBLOCK),
            "O_NONBLOCK set on a duplicate of the {what}"
        );
        check_errno(io::read_now(end, 1), Errno::EAGAIN, what)?;
        io::set_nonblock(end, false)?;
        // SAFETY: kcmp takes no pointers.
        let same = unsafe {
            let pid = libc::getpid();
            libc::syscall(
                libc::SYS_kcmp,
                pid,
                pid,
                0,
                end.as_raw_fd(),
                copy.as_raw_fd(),
            )
        };
        check!(same == 0 || Errno::last() == Errno::ENOSYS, "another file");
    }
    Ok(())
}

const RW: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY);

fn reopened_with_less(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let link = format!("/proc/self/fd/{}", slave.as_raw_fd());
    let open = |flags| open_at(Path::new(&link), flags | OFlag::O_NOCTTY).context("reopen");
    let writer = open(OFlag::O_WRONLY)?;
    io::write_all(&writer, b"out")?;
    io::expect(&pty.master, b"out")?;
    check_errno(io::read_now(&writer, 1), Errno::EBADF, "read")?;
    let reader = open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
    check_errno(io::write_now(&reader, b"x"), Errno::EBADF, "write")?;
    check_errno(io::read_now(&reader, 1), Errno::EAGAIN, "read")?;
    check!(!status(&slave)?.contains(OFlag::O_NONBLOCK), "O_NONBLOCK");
    Ok(())
}

fn path_descriptors(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    for path in [pty.path.with_file_name("ptmx"), pty.path.clone()] {
        let handle = open_at(&path, OFlag::O_PATH)?;
        check_eq!(nix::sys::stat::stat(&path)?, fstat(&handle)?, "fstat");
        check_eq!(OFlag::O_PATH, status(&handle)? & OFlag::O_PATH, "F_GETFL");
        check_errno(io::read_now(&handle, 1), Errno::EBADF, "read")?;
        check_errno(io::write_now(&handle, b"x"), Errno::EBADF, "write")?;
        check_errno(ioctl::get(&handle, TIOCGPTN), Errno::EBADF, "ioctl")?;
        let mode = nix::sys::stat::Mode::empty();
        let chmod = nix::sys::stat::fchmod(&handle, mode);
        check_errno(chmod, Errno::EBADF, "fchmod")?;
        let append = fcntl(&handle, FcntlArg::F_SETFL(OFlag::O_APPEND));
        check_errno(append, Errno::EBADF, "F_SETFL")?;
        check_errno(flock(&handle, libc::LOCK_EX), Errno::EBADF, "flock")?;
    }
    Ok(())
}

fn path_outlives(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let handle = open_at(&pty.path, OFlag::O_PATH)?;
    drop((pty, slave));
    check_eq!(0, fstat(&handle)?.st_nlink, "links");
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    check_errno(open_at(Path::new(&link), RW), Errno::EIO, "open")
}

fn no_access_mode(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    let none = OFlag::O_ACCMODE | OFlag::O_NOCTTY;
    let slave = open_at(&pty.path, none).context("open the slave")?;
    let master = open_at(&pty.path.with_file_name("ptmx"), none).context("open ptmx")?;
    for end in [&slave, &master] {
        check_errno(io::read_now(end, 1), Errno::EBADF, "read")?;
        check_errno(io::write_now(end, b"x"), Errno::EBADF, "write")?;
        ioctl::winsize(end).context("TIOCGWINSZ")?;
    }
    check_eq!(Ok(1), ioctl::get(&master, TIOCGPTN), "index");
    Ok(())
}

fn not_followed(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    for path in [pty.path.with_file_name("ptmx"), pty.path.clone()] {
        open_at(&path, RW | OFlag::O_NOFOLLOW).context("O_NOFOLLOW")?;
        let link = ctx.work.join("link");
        std::os::unix::fs::symlink(&path, &link).context("symlink")?;
        open_at(&link, RW).context("through a link")?;
        let refused = open_at(&link, RW | OFlag::O_NOFOLLOW);
        check_errno(refused, Errno::ELOOP, "the link itself")?;
        std::fs::remove_file(&link).context("remove the link")?;
    }
    Ok(())
}

fn not_run(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    for path in [pty.path.with_file_name("ptmx"), pty.path.clone()] {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, all).context("chmod")?;
        let name = std::ffi::CString::new(path.to_string_lossy().into_owned())?;
        let run = nix::unistd::execv(&name, &[&name]);
        check_errno(run, Errno::EACCES, "execve")?;
        check_errno(nix::unistd::chdir(&path), Errno::ENOTDIR, "chdir")?;
        check_errno(nix::unistd::chroot(&path), Errno::ENOTDIR, "chroot")?;
    }
    Ok(())
}

fn resolved(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let root = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let above = open_at(&ctx.work, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let open = |at: &OwnedFd, name: &str, flags: OFlag, resolve: ResolveFlag| -> nix::Result<_> {
        let how = OpenHow::new().flags(RW | flags).resolve(resolve);
        openat2(at, name, how)
    };
    let none = OFlag::empty();
    let beneath = ResolveFlag::RESOLVE_BENEATH;
    for name in ["ptmx", "0"] {
        open(&root, name, none, beneath).with_context(|| format!("{name} beneath the root"))?;
        open(
            &root,
            &format!("/{name}"),
            none,
            ResolveFlag::RESOLVE_IN_ROOT,
        )
        .with_context(|| format!("/{name} in the root"))?;
        let across = open(
            &above,
            &format!("pts/{name}"),
            none,
            ResolveFlag::RESOLVE_NO_XDEV,
        );
        check_errno(across, Errno::EXDEV, "across the mount point")?;
    }
    let out = open(&root, "../pts/0", none, beneath);
    check_errno(out, Errno::EXDEV, "out of the root")?;
    let make = open(&root, "new", OFlag::O_CREAT, beneath);
    check_errno(make, Errno::EACCES, "O_CREAT")?;
    drop(pty);
    check_eq!(vec!["ptmx"], fs.names()?, "names");
    Ok(())
}
