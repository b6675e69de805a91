// SPDX-License-Identifier: GPL-2.0
//! Opening ptmx makes a pair; opening its node gives the other end.

use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTN, TIOCSPTLCK};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child};
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "ptmx_open":
    makes_a_node => "opening ptmx makes a node named by TIOCGPTN, and closing the master removes it",
    bytes_both_ways => "bytes written to one end are read from the other",
    echo_and_canonical_line => "a fresh pty echoes a line to the master and gives it to the slave",
    write_only_and_read_only => "ptmx opens read-only and write-only, and the missing direction is EBADF",
    gptn_on_slave_is_enotty => "TIOCGPTN on the slave is ENOTTY, and EFAULT on a bad address",
    through_symlink => "ptmx opens through a symbolic link, as /dev/ptmx is one",
    o_path_makes_nothing => "an O_PATH open of ptmx makes no pty, and fstat on it works",
    reopen_of_o_path => "opening an O_PATH descriptor of ptmx through /proc makes a pty",
    reopen_of_master_makes_another => "opening a master through /proc/self/fd makes another pty",
    reopen_of_slave => "opening a slave through /proc/self/fd opens the same tty",
    dup_keeps_the_pair => "a duplicate of the master keeps the pair alive",
    not_a_controlling_terminal => "opening ptmx without O_NOCTTY does not give a controlling terminal",
    not_seekable => "lseek on either end is ESPIPE, and so is pread",
    isatty => "both ends are terminals, and ptmx opened O_PATH is not",
    permission_of_ptmx_mode => "a ptmx of mode 0000 opens for root and is EACCES for others",
    creat_and_truncate_flags => "O_CREAT and O_TRUNC on ptmx and slave are harmless, O_EXCL is EEXIST, O_DIRECTORY ENOTDIR",
}

fn makes_a_node(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    check_eq!(
        vec!["ptmx".to_owned()],
        fs.names()?,
        "names in a fresh instance"
    );
    let pty = Pty::locked(&fs)?;
    check_eq!(0, pty.index, "first index");
    check_eq!(
        vec!["0".to_owned(), "ptmx".to_owned()],
        fs.names()?,
        "names with a pty"
    );
    drop(pty);
    check_eq!(vec!["ptmx".to_owned()], fs.names()?, "names after close");
    Ok(())
}

fn bytes_both_ways(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    io::write_all(&pty.master, b"to the slave")?;
    io::expect(&slave, b"to the slave")?;
    io::write_all(&slave, b"to the master")?;
    io::expect(&pty.master, b"to the master")
}

fn echo_and_canonical_line(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"hello\r")?;
    io::expect(&pty.master, b"hello\r\n")?;
    io::expect_read(&slave, b"hello\n")?;
    io::write_all(&slave, b"out\n")?;
    io::expect(&pty.master, b"out\r\n")
}

fn write_only_and_read_only(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let reader = open_at(&fs.join("ptmx"), OFlag::O_RDONLY).context("O_RDONLY")?;
    check_errno(
        io::write_now(&reader, b"x"),
        Errno::EBADF,
        "write to a read-only master",
    )?;
    ioctl::set(&reader, TIOCSPTLCK, 0).context("unlock through a read-only master")?;
    let index = ioctl::get(&reader, TIOCGPTN)?;
    let slave =
        open_at(&fs.join(index), OFlag::O_WRONLY | OFlag::O_NOCTTY).context("O_WRONLY slave")?;
    check_errno(
        io::read_now(&slave, 1),
        Errno::EBADF,
        "read from a write-only slave",
    )?;
    io::write_all(&slave, b"ab")?;
    io::expect(&reader, b"ab")?;

    let writer = open_at(&fs.join("ptmx"), OFlag::O_WRONLY).context("O_WRONLY")?;
    check_errno(
        io::read_now(&writer, 1),
        Errno::EBADF,
        "read from a write-only master",
    )
}

fn gptn_on_slave_is_enotty(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_errno(
        ioctl::get(&slave, TIOCGPTN),
        Errno::ENOTTY,
        "TIOCGPTN on the slave",
    )?;
    check_errno(
        ioctl::call(&pty.master, TIOCGPTN, 0),
        Errno::EFAULT,
        "TIOCGPTN to address 0",
    )
}

fn through_symlink(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let link = ctx.work.join("ptmx");
    symlink("pts/ptmx", &link).context("symlink")?;
    let master = open_at(&link, OFlag::O_RDWR).context("open through the link")?;
    check_eq!(0, ioctl::get(&master, TIOCGPTN)?, "index");
    check!(fs.has(0), "no node");
    check_eq!(
        fs.join("ptmx").to_string_lossy(),
        io::fd_link(&master)?,
        "name of the master's descriptor"
    );
    Ok(())
}

fn o_path_makes_nothing(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let handle = open_at(&fs.join("ptmx"), OFlag::O_PATH).context("O_PATH")?;
    check_eq!(vec!["ptmx".to_owned()], fs.names()?, "names");
    check_eq!(
        2,
        nix::sys::stat::fstat(&handle).context("fstat")?.st_ino,
        "inode number"
    );
    check_errno(io::read_now(&handle, 1), Errno::EBADF, "read")?;
    check_errno(ioctl::get(&handle, TIOCGPTN), Errno::EBADF, "ioctl")
}

fn proc_path(fd: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

fn reopen_of_o_path(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let handle = open_at(&fs.join("ptmx"), OFlag::O_PATH).context("O_PATH")?;
    let master = open_at(&proc_path(&handle), OFlag::O_RDWR).context("reopen")?;
    check_eq!(0, ioctl::get(&master, TIOCGPTN)?, "index");
    check!(fs.has(0), "no node");
    Ok(())
}

fn reopen_of_master_makes_another(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let first = Pty::open(&fs)?;
    let second =
        open_at(&proc_path(&first.master), OFlag::O_RDWR | OFlag::O_NOCTTY).context("reopen")?;
    check_eq!(
        1,
        ioctl::get(&second, TIOCGPTN)?,
        "index of the reopened master"
    );
    check_eq!(
        0,
        ioctl::get(&first.master, TIOCGPTN)?,
        "index of the first master"
    );
    Ok(())
}

fn reopen_of_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    let again = open_at(&proc_path(&slave), OFlag::O_RDWR | OFlag::O_NOCTTY).context("reopen")?;
    drop(slave);
    io::write_all(&again, b"x")?;
    io::expect(&pty.master, b"x")
}

fn dup_keeps_the_pair(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    term::raw(&slave)?;
    let copy = pty.master.try_clone().context("dup")?;
    drop(pty);
    check!(fs.has(0), "the node went with the first descriptor");
    io::write_all(&copy, b"x")?;
    io::expect(&slave, b"x")?;
    drop(copy);
    check!(!fs.has(0), "the node outlived the last descriptor");
    Ok(())
}

fn not_a_controlling_terminal(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _master = open_at(&fs.join("ptmx"), OFlag::O_RDWR).context("open ptmx")?;
    check_errno(
        open_at("/dev/tty".as_ref(), OFlag::O_RDWR),
        Errno::ENXIO,
        "open /dev/tty",
    )
}

fn not_seekable(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for (fd, name) in [(&pty.master, "master"), (&slave, "slave")] {
        check_errno(
            nix::unistd::lseek(fd, 0, nix::unistd::Whence::SeekCur),
            Errno::ESPIPE,
            name,
        )?;
        check_errno(nix::sys::uio::pread(fd, &mut [0], 0), Errno::ESPIPE, name)?;
        check_errno(nix::sys::uio::pwrite(fd, &[0], 0), Errno::ESPIPE, name)?;
    }
    Ok(())
}

fn isatty(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(true), nix::unistd::isatty(&pty.master), "master");
    check_eq!(Ok(true), nix::unistd::isatty(&slave), "slave");
    let handle = open_at(&pty.path.with_file_name("ptmx"), OFlag::O_PATH)?;
    check_errno(term::get(&handle), Errno::EBADF, "tcgetattr on O_PATH")
}

fn permission_of_ptmx_mode(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "")?;
    drop(Pty::locked(&fs).context("root")?);
    child(|| {
        become_user(1000)?;
        check_errno(
            open_at(&fs.join("ptmx"), OFlag::O_RDWR),
            Errno::EACCES,
            "open ptmx as another user",
        )
    })?
    .succeed()
}

fn creat_and_truncate_flags(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    for name in ["ptmx", "0"] {
        let path = fs.join(name);
        let rw = OFlag::O_RDWR | OFlag::O_NOCTTY;
        drop(
            open_at(&path, rw | OFlag::O_CREAT | OFlag::O_TRUNC)
                .with_context(|| format!("O_CREAT|O_TRUNC {name}"))?,
        );
        check_errno(
            open_at(&path, rw | OFlag::O_CREAT | OFlag::O_EXCL),
            Errno::EEXIST,
            name,
        )?;
        check_errno(
            open_at(&path, OFlag::O_RDONLY | OFlag::O_DIRECTORY),
            Errno::ENOTDIR,
            name,
        )?;
    }
    drop(pty);
    Ok(())
}
