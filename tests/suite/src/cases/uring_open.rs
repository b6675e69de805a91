// SPDX-License-Identifier: GPL-2.0
//! io_uring: files that a ring opens, holds and closes.

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use io_uring::squeue::Flags;
use io_uring::{opcode, types};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::getpid;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ctty::{no_tty, tty};
use crate::fixture::ioctl::{self, TIOCGPTN, TIOCGSID};
use crate::fixture::process::session;
use crate::fixture::uring::{fd, Ring};
use crate::fixture::wait::until;
use crate::fixture::{io, Fs, Pty};

cases! { "uring_open":
    registered_files => "a registered master keeps the pty alive until it is unregistered",
    openat_of_ptmx => "opening ptmx makes a pty, at once, by a worker, and into a slot",
    openat_of_slave => "opening a slave gives a session leader its controlling terminal, at once and by a worker",
    openat_errors => "a locked slave is EIO, a missing one ENOENT, O_DIRECTORY ENOTDIR",
    close => "closing the master removes the node",
    statx => "statx tells of a node what stat does",
}

fn registered_files(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    crate::fixture::term::raw(&slave)?;
    let mut ring = Ring::new()?;
    let files = [fd(&pty.master).0, fd(&slave).0];
    ring.submitter()
        .register_files(&files)
        .context("register files")?;
    let index = pty.index;
    drop((pty.master, slave));
    check!(fs.has(index), "the node is gone with the descriptors");
    for (to, from) in [(0, 1), (1, 0)] {
        let wrote = ring.run(b"bytes".to_vec(), |p, n| {
            opcode::Write::new(types::Fixed(to), p, n).build()
        })?;
        check_eq!(Ok(5), wrote.result, "write");
        let read = ring.run(vec![0; 9], |p, n| {
            opcode::Read::new(types::Fixed(from), p, n).build()
        })?;
        check_eq!(Ok(b"bytes".to_vec()), read.bytes(), "read");
    }
    ring.submitter()
        .unregister_files()
        .context("unregister files")?;
    until("the node to go", || Ok(!fs.has(index)))
}

/// IORING_OP_OPENAT.
fn openat(ring: &mut Ring, path: &Path, flags: OFlag, how: Flags) -> Result<nix::Result<OwnedFd>> {
    let name = CString::new(path.as_os_str().as_bytes())?.into_bytes_with_nul();
    let flags = (flags | OFlag::O_CLOEXEC).bits();
    let done = ring.run(name, |p, _| {
        opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), p.cast())
            .flags(flags)
            .build()
            .flags(how)
    })?;
    // SAFETY: the kernel just returned this descriptor, and nothing else owns it.
    Ok(done
        .result
        .map(|n| unsafe { OwnedFd::from_raw_fd(n as i32) }))
}

const HOW: [Flags; 2] = [Flags::empty(), Flags::ASYNC];

fn openat_of_ptmx(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let mut ring = Ring::new()?;
    let (ptmx, flags) = (fs.join("ptmx"), OFlag::O_RDWR | OFlag::O_NOCTTY);
    for how in HOW {
        let master = openat(&mut ring, &ptmx, flags, how)?.context("open ptmx")?;
        check_eq!(Ok(0), ioctl::get(&master, TIOCGPTN), "index, {how:?}");
        ioctl::set(&master, ioctl::TIOCSPTLCK, 0).context("TIOCSPTLCK")?;
        let slave = openat(&mut ring, &fs.join(0), flags, how)?.context("open the slave")?;
        io::write_all(&slave, b"hello\n")?;
        io::expect(&master, b"hello\r\n")?;
        drop((slave, master));
        until("the node to go", || Ok(!fs.has(0)))?;
    }
    ring.submitter()
        .register_files_sparse(2)
        .context("register files")?;
    let slot = types::DestinationSlot::try_from_slot_target(1).expect("a small number");
    let name = CString::new(ptmx.as_os_str().as_bytes())?.into_bytes_with_nul();
    let opened = ring.run(name, |p, _| {
        opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), p.cast())
            .flags(flags.bits())
            .file_index(Some(slot))
            .build()
    })?;
    check_eq!(Ok(0), opened.result, "open into a slot");
    check!(fs.has(0), "no node");
    let wrote = ring.run(b"typed\n".to_vec(), |p, n| {
        opcode::Write::new(types::Fixed(1), p, n).build()
    })?;
    check_eq!(Ok(6), wrote.result, "write to the slot");
    let closed = ring.call(opcode::Close::new(types::Fixed(1)).build())?;
    check_eq!(Ok(0), closed, "close of the slot");
    until("the node to go", || Ok(!fs.has(0)))
}

fn openat_of_slave(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666")?;
    for how in HOW {
        let pty = Pty::open(&fs)?;
        session(|| {
            let mut ring = Ring::new()?;
            let parted = openat(&mut ring, &pty.path, OFlag::O_RDWR | OFlag::O_NOCTTY, how)?
                .context("O_NOCTTY")?;
            no_tty("with O_NOCTTY")?;
            let slave = openat(&mut ring, &pty.path, OFlag::O_RDWR, how)?.context("open")?;
            tty().with_context(|| format!("/dev/tty after an open, {how:?}"))?;
            check_eq!(
                Ok(getpid().as_raw()),
                ioctl::get(&slave, TIOCGSID),
                "session"
            );
            drop(parted);
            Ok(())
        })?
        .succeed()?;
    }
    Ok(())
}

fn openat_errors(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::locked(&fs)?;
    let mut ring = Ring::new()?;
    let rw = OFlag::O_RDWR | OFlag::O_NOCTTY;
    for how in HOW {
        for (name, flags, want) in [
            ("0", rw, Errno::EIO),
            ("1", rw, Errno::ENOENT),
            ("1", rw | OFlag::O_CREAT, Errno::EACCES),
            ("ptmx", rw | OFlag::O_DIRECTORY, Errno::ENOTDIR),
            ("ptmx", rw | OFlag::O_CREAT | OFlag::O_EXCL, Errno::EEXIST),
            (".", OFlag::O_RDWR, Errno::EISDIR),
        ] {
            let opened = openat(&mut ring, &fs.join(name), flags, how)?;
            check_errno(opened, want, name)?;
        }
    }
    check_eq!(vec!["0", "ptmx"], fs.names()?, "names");
    drop(pty);
    Ok(())
}

fn close(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    let mut ring = Ring::new()?;
    let closed = ring.call(opcode::Close::new(fd(&pty.master)).build())?;
    check_eq!(Ok(0), closed, "close");
    std::mem::forget(pty.master);
    until("the node to go", || Ok(!fs.has(pty.index)))?;
    until("the slave to be hung up", || {
        Ok(io::write_now(&slave, b"x") == Err(Errno::EIO))
    })
}

fn statx(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let mut ring = Ring::new()?;
    let name = CString::new(pty.path.as_os_str().as_bytes())?;
    let mut buffer = vec![0; std::mem::size_of::<libc::statx>() + 8];
    buffer.extend_from_slice(name.as_bytes_with_nul());
    let at = std::mem::size_of::<libc::statx>() + 8;
    let done = ring.run(buffer, |p, _| {
        let into = p.wrapping_add(p.align_offset(8));
        opcode::Statx::new(
            types::Fd(libc::AT_FDCWD),
            p.wrapping_add(at).cast(),
            into.cast(),
        )
        .mask(libc::STATX_BASIC_STATS)
        .build()
    })?;
    check_eq!(Ok(0), done.result, "statx");
    let from = done.buffer[done.buffer.as_ptr().align_offset(8)..].as_ptr();
    // SAFETY: the buffer holds the struct from there on, which is plain data.
    let seen = unsafe { from.cast::<libc::statx>().read_unaligned() };
    let want = fs.stat(pty.index)?;
    check_eq!(want.st_ino, seen.stx_ino, "inode");
    check_eq!(want.st_mode, u32::from(seen.stx_mode), "mode");
    check_eq!(
        want.st_rdev,
        nix::sys::stat::makedev(seen.stx_rdev_major.into(), seen.stx_rdev_minor.into()),
        "device"
    );
    Ok(())
}
