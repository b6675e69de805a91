// SPDX-License-Identifier: GPL-2.0
//! Users can neither create, remove nor rename anything; and what happens to mounts in and on the file system.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{open, renameat2, AtFlags, OFlag, RenameFlags, AT_FDCWD};
use nix::mount::{umount2, MntFlags};
use nix::sys::stat::{makedev, mknod, Mode, SFlag};
use nix::unistd::{linkat, unlink};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::mount::{bind, open_at};
use crate::fixture::{io, pair, Fs, Pty};

cases! { "directory":
    mkdir => "mkdir is EPERM, of an existing name EEXIST",
    creat => "creating a file is EACCES, O_TMPFILE EOPNOTSUPP",
    mknod_in_root => "mknod of any type is EPERM, as is a socket's bind",
    symlink_in_root => "symlink is EPERM",
    unlink_nodes => "unlink of ptmx and slaves is EPERM, of a missing name ENOENT",
    rmdir_nodes => "rmdir of ptmx is ENOTDIR, of the mount point EBUSY",
    rename_nodes => "rename within the root is EPERM, out of it EXDEV",
    link_nodes => "link within the root is EPERM, out of it EXDEV",
    truncate_nodes => "truncate of a node is EINVAL",
    extended_attributes => "user attributes of nodes are EPERM, as for any special file, trusted ones EOPNOTSUPP",
    file_over_slave => "a file bind-mounted on a slave node hides it, and goes with the node's name",
    slave_bound_elsewhere => "a slave bind-mounted elsewhere works there, and is EIO once the master closed",
    busy_while_master_is_open => "umount is EBUSY while a master is open",
    busy_while_slave_is_open => "umount is EBUSY while a slave is open, though its master is closed",
    detached_with_open_pty => "a detached instance lives until its last pty is closed",
    mount_detached_on_node_removal => "a mount on a slave node is detached when the node goes",
}

fn mkdir(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::open(&fs)?;
    check_errno(fs::create_dir(fs.join("dir")), Errno::EPERM, "mkdir")?;
    check_errno(
        fs::create_dir(fs.join("7")),
        Errno::EPERM,
        "mkdir of a future slave's name",
    )?;
    check_errno(fs::create_dir(fs.join("ptmx")), Errno::EEXIST, "mkdir ptmx")?;
    check_errno(
        fs::create_dir(fs.join("0")),
        Errno::EEXIST,
        "mkdir of a slave's name",
    )
}

fn creat(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let create = |name: &str, flags| open(&fs.join(name), flags, Mode::from_bits_truncate(0o644));
    check_errno(
        create("file", OFlag::O_CREAT | OFlag::O_WRONLY),
        Errno::EACCES,
        "creat",
    )?;
    check_errno(
        create("0", OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR),
        Errno::EACCES,
        "creat of a future slave's name",
    )?;
    let tmp = OFlag::from_bits_retain(libc::O_TMPFILE) | OFlag::O_RDWR;
    check_errno(
        open(&fs.path, tmp, Mode::from_bits_truncate(0o600)),
        Errno::EOPNOTSUPP,
        "O_TMPFILE",
    )
}

fn mknod_in_root(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let rw = Mode::S_IRUSR | Mode::S_IWUSR;
    for (kind, device) in [
        (SFlag::S_IFCHR, makedev(5, 2)),
        (SFlag::S_IFBLK, makedev(7, 0)),
        (SFlag::S_IFIFO, 0),
        (SFlag::S_IFSOCK, 0),
    ] {
        check_errno(
            mknod(&fs.join("node"), kind, rw, device),
            Errno::EPERM,
            &format!("mknod {kind:?}"),
        )?;
    }
    check_errno(
        mknod(&fs.join("node"), SFlag::S_IFREG, rw, 0),
        Errno::EACCES,
        "mknod of a file",
    )?;
    check_errno(
        std::os::unix::net::UnixListener::bind(fs.join("sock")).map(drop),
        Errno::EPERM,
        "bind of a socket",
    )
}

fn symlink_in_root(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    check_errno(symlink("ptmx", fs.join("link")), Errno::EPERM, "symlink")?;
    check_errno(
        symlink("x", fs.join("ptmx")),
        Errno::EEXIST,
        "symlink over ptmx",
    )
}

fn unlink_nodes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::open(&fs)?;
    check_errno(unlink(&fs.join("ptmx")), Errno::EPERM, "unlink ptmx")?;
    check_errno(unlink(&fs.join("0")), Errno::EPERM, "unlink a slave")?;
    check_errno(unlink(&fs.join("1")), Errno::ENOENT, "unlink nothing")?;
    check!(fs.has("ptmx") && fs.has(0), "a node is gone");
    Ok(())
}

fn rmdir_nodes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    check_errno(
        fs::remove_dir(fs.join("ptmx")),
        Errno::ENOTDIR,
        "rmdir ptmx",
    )?;
    check_errno(fs::remove_dir(fs.join("x")), Errno::ENOENT, "rmdir nothing")?;
    check_errno(
        fs::remove_dir(&fs.path),
        Errno::EBUSY,
        "rmdir of the mount point",
    )
}

fn rename_nodes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _ptys = (Pty::open(&fs)?, Pty::open(&fs)?);
    for (from, to) in [("ptmx", "other"), ("0", "9"), ("0", "1"), ("ptmx", "0")] {
        check_errno(
            fs::rename(fs.join(from), fs.join(to)),
            Errno::EPERM,
            &format!("rename {from} {to}"),
        )?;
    }
    let exchange = renameat2(
        AT_FDCWD,
        &fs.join("0"),
        AT_FDCWD,
        &fs.join("1"),
        RenameFlags::RENAME_EXCHANGE,
    );
    check_errno(exchange, Errno::EPERM, "exchange")?;
    check_errno(
        fs::rename(fs.join("0"), ctx.work.join("0")),
        Errno::EXDEV,
        "rename out",
    )?;
    fs::write(ctx.work.join("file"), "").context("a file")?;
    check_errno(
        fs::rename(ctx.work.join("file"), fs.join("file")),
        Errno::EXDEV,
        "rename in",
    )?;
    check_errno(
        fs::rename(fs.join("5"), fs.join("6")),
        Errno::ENOENT,
        "rename nothing",
    )
}

fn link_nodes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    check_errno(
        fs::hard_link(fs.join("0"), fs.join("9")),
        Errno::EPERM,
        "link a slave",
    )?;
    check_errno(
        fs::hard_link(fs.join("ptmx"), fs.join("9")),
        Errno::EPERM,
        "link ptmx",
    )?;
    check_errno(
        fs::hard_link(fs.join("0"), ctx.work.join("9")),
        Errno::EXDEV,
        "link out",
    )?;
    let slave = pty.slave()?;
    drop(pty);
    let path = format!("/proc/self/fd/{}", slave.as_raw_fd());
    let again = linkat(
        AT_FDCWD,
        path.as_str(),
        AT_FDCWD,
        &fs.join("0"),
        AtFlags::AT_SYMLINK_FOLLOW,
    );
    check_errno(again, Errno::EPERM, "link a slave whose node is gone")
}

fn truncate_nodes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    check_errno(
        nix::unistd::truncate(&fs.join("0"), 0),
        Errno::EINVAL,
        "truncate a slave",
    )?;
    check_errno(
        nix::unistd::truncate(&fs.join("ptmx"), 0),
        Errno::EINVAL,
        "truncate ptmx",
    )?;
    check_errno(
        nix::unistd::ftruncate(pty.slave()?, 0),
        Errno::EINVAL,
        "ftruncate a slave",
    )?;
    check_errno(
        nix::unistd::truncate(&fs.path, 0),
        Errno::EISDIR,
        "truncate the root",
    )
}

fn extended_attributes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::open(&fs)?;
    let set = |path: &std::path::Path, name: &std::ffi::CStr| {
        let path = std::ffi::CString::new(path.to_string_lossy().as_bytes()).expect("no NUL");
        // SAFETY: the strings are NUL terminated, the value has one byte, and all outlive the call.
        Errno::result(unsafe {
            libc::setxattr(path.as_ptr(), name.as_ptr(), c"v".as_ptr().cast(), 1, 0)
        })
    };
    check_errno(
        set(&fs.join("0"), c"user.x"),
        Errno::EPERM,
        "user attribute of a slave",
    )?;
    check_errno(
        set(&fs.join("0"), c"trusted.x"),
        Errno::EOPNOTSUPP,
        "trusted attribute of a slave",
    )?;
    check_errno(
        set(&fs.path, c"trusted.x"),
        Errno::EOPNOTSUPP,
        "trusted attribute of the root",
    )
}

fn file_over_slave(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    fs::write(ctx.work.join("file"), "over").context("a file")?;
    bind(&ctx.work.join("file"), &pty.path)?;
    check_eq!(
        "over",
        fs::read_to_string(&pty.path).context("read the file")?,
        "what the name gives"
    );
    io::write_all(&slave, b"under")?;
    io::expect(&pty.master, b"under")?;
    drop((pty, slave));
    check!(!fs.has(0), "the name outlived the pty");
    let next = Pty::open(&fs)?;
    check_eq!(0, next.index, "index of the next pty");
    check_eq!(
        libc::S_IFCHR,
        fs.stat(0)?.st_mode & libc::S_IFMT,
        "type of the next node"
    );
    next.slave().map(drop)
}

fn slave_bound_elsewhere(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let place = ctx.work.join("console");
    fs::write(&place, "").context("a place")?;
    bind(&pty.path, &place)?;
    let rw = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let slave = open_at(&place, rw).context("open the bound slave")?;
    io::write_all(&slave, b"console\n")?;
    io::expect(&pty.master, b"console\r\n")?;
    drop(slave);
    drop(pty);
    check_errno(
        open_at(&place, rw),
        Errno::EIO,
        "open after the master closed",
    )?;
    let next = Pty::open(&fs)?;
    check_eq!(0, next.index, "index of the next pty");
    check_errno(
        open_at(&place, rw),
        Errno::EIO,
        "open the old node while the index is in use again",
    )
}

fn busy_while_master_is_open(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    check_errno(fs.umount(), Errno::EBUSY, "umount")?;
    drop(pty);
    fs.umount().context("umount after close")
}

fn busy_while_slave_is_open(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    drop(pty);
    check_errno(fs.umount(), Errno::EBUSY, "umount")?;
    drop(slave);
    fs.umount().context("umount after close")
}

fn detached_with_open_pty(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let (pty, slave) = {
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        (pty, slave)
    };
    umount2(&fs.path, MntFlags::MNT_DETACH).context("detach")?;
    check_eq!(Vec::<String>::new(), fs.names()?, "names below");
    io::write_all(&slave, b"still\n")?;
    io::expect(&pty.master, b"still\r\n")?;
    drop(slave);
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EIO,
        "read after the slave closed",
    )
}

fn mount_detached_on_node_removal(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    fs::write(ctx.work.join("file"), "").context("a file")?;
    bind(&ctx.work.join("file"), &pty.path)?;
    let point = pty.path.to_string_lossy().into_owned();
    let mounted = || -> anyhow::Result<bool> {
        Ok(fs::read_to_string("/proc/self/mounts")?.contains(&point))
    };
    check!(mounted()?, "the mount is not there at first");
    drop(pty);
    check!(!mounted()?, "the mount outlived the node");
    Ok(())
}
