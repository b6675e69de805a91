// SPDX-License-Identifier: GPL-2.0
//! io_uring on both ends: requests that can be served at once.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use io_uring::opcode;
use io_uring::squeue::Flags;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCINQ, TIOCPKT};
use crate::fixture::uring::{fd, Ring};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair};

const FLUSHWRITE: u8 = 2;

cases! { "uring":
    read_and_write => "reads and writes at both ends, at once and handed to a worker",
    offset_is_ignored => "a read or write at an offset is as one without",
    line_and_echo => "a line is read as a line, and echoed",
    packet_mode => "a read of a master in packet mode begins with the status",
    vectors => "readv and writev of several segments, one of them empty",
    fixed_buffers => "reads and writes of registered buffers",
    linked => "linked requests run in order, and those after one that failed are cancelled",
    rw_flags => "RWF_NOWAIT is EOPNOTSUPP but on a master of rdevpts, RWF_HIPRI EINVAL, RWF_APPEND and the like mean nothing",
    bad_arguments => "a bad address is EFAULT, a direction that the file has not EBADF",
    other_requests => "fsync is EINVAL, fallocate and ftruncate fail, a command EOPNOTSUPP, as for any terminal",
}

fn read_and_write(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        for flags in [Flags::empty(), Flags::ASYNC] {
            let wrote = ring.run(b"some bytes".to_vec(), |p, n| {
                opcode::Write::new(fd(to), p, n).build().flags(flags)
            })?;
            check_eq!(Ok(10), wrote.result, "write, {flags:?}");
            io::wait_for(from, nix::poll::PollFlags::POLLIN)?;
            let read = ring.run(vec![0; 100], |p, n| {
                opcode::Read::new(fd(from), p, n).build().flags(flags)
            })?;
            check_eq!(Ok(b"some bytes".to_vec()), read.bytes(), "read, {flags:?}");
        }
        check_eq!(Ok(0), ring.write(to, b"")?, "write of nothing");
    }
    Ok(())
}

fn offset_is_ignored(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        for offset in [7, 1 << 40, u64::MAX] {
            let wrote = ring.run(b"bytes".to_vec(), |p, n| {
                opcode::Write::new(fd(to), p, n).offset(offset).build()
            })?;
            check_eq!(Ok(5), wrote.result, "write at {offset}");
            let read = ring.run(vec![0; 9], |p, n| {
                opcode::Read::new(fd(from), p, n).offset(offset).build()
            })?;
            check_eq!(Ok(b"bytes".to_vec()), read.bytes(), "read at {offset}");
        }
    }
    Ok(())
}

fn line_and_echo(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let mut ring = Ring::new()?;
    check_eq!(
        Ok(10),
        ring.write(&pty.master, b"one\ntwo\nth")?,
        "write of lines"
    );
    check_eq!(Ok(b"one\n".to_vec()), ring.read(&slave, 100)?, "first line");
    check_eq!(Ok(b"tw".to_vec()), ring.read(&slave, 2)?, "part of a line");
    check_eq!(Ok(b"o\n".to_vec()), ring.read(&slave, 100)?, "its rest");
    io::expect(&pty.master, b"one\r\ntwo\r\nth")?;
    check_eq!(Ok(4), ring.write(&slave, b"out\n")?, "output");
    // C devpts brings it in two pieces.
    until("the line to come", || {
        Ok(ioctl::get(&pty.master, TIOCINQ)? == 5)
    })?;
    check_eq!(
        Ok(b"out\r\n".to_vec()),
        ring.read(&pty.master, 100)?,
        "output at the master"
    );
    Ok(())
}

fn packet_mode(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    ioctl::set(&pty.master, TIOCPKT, 1).context("TIOCPKT")?;
    let mut ring = Ring::new()?;
    ring.write(&slave, b"data")??;
    check_eq!(
        Ok(b"\0data".to_vec()),
        ring.read(&pty.master, 100)?,
        "data after the status byte"
    );
    ioctl::call(&slave, ioctl::TCFLSH, libc::TCOFLUSH as libc::c_ulong).context("TCFLSH")?;
    check_eq!(
        Ok(vec![FLUSHWRITE]),
        ring.read(&pty.master, 100)?,
        "status alone"
    );
    Ok(())
}

/// A buffer that holds `parts` one after the other, behind the iovec array that names them.
fn iovec_buffer(parts: &[&[u8]]) -> (Vec<u8>, impl FnOnce(*mut u8) -> *const libc::iovec) {
    let lengths: Vec<_> = parts.iter().map(|p| p.len()).collect();
    let table = std::mem::size_of::<libc::iovec>() * parts.len();
    // Room to align the table.
    let mut buffer = vec![0; table + 16];
    parts.iter().for_each(|p| buffer.extend_from_slice(p));
    let fill = move |start: *mut u8| {
        let skip = start.align_offset(16);
        let entries: *mut libc::iovec = start.wrapping_add(skip).cast();
        let mut data = start.wrapping_add(table + 16);
        for (i, length) in lengths.iter().enumerate() {
            let entry = libc::iovec {
                iov_base: data.cast(),
                iov_len: *length,
            };
            // SAFETY: the buffer begins with room for an entry for each part, and for what aligning skips.
            unsafe { entries.wrapping_add(i).write(entry) };
            data = data.wrapping_add(*length);
        }
        entries.cast_const()
    };
    (buffer, fill)
}

fn vectors(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let (buffer, fill) = iovec_buffer(&[b"several ", b"", b"segments"]);
        let wrote = ring.run(buffer, |p, _| {
            opcode::Writev::new(fd(to), fill(p), 3).build()
        })?;
        check_eq!(Ok(16), wrote.result, "writev");
        io::wait_for(from, nix::poll::PollFlags::POLLIN)?;
        let (buffer, fill) = iovec_buffer(&[&[0; 5], b"", &[0; 40]]);
        let read = ring.run(buffer, |p, _| {
            opcode::Readv::new(fd(from), fill(p), 3).build()
        })?;
        let n = read.result?;
        let at = read.buffer.len() - 45;
        check_eq!(
            b"several segments"[..n],
            read.buffer[at..at + n],
            "what readv gave"
        );
        io::expect(from, &b"several segments"[n..])?;
    }
    Ok(())
}

fn fixed_buffers(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let mut memory = vec![0u8; 8192];
    let iovec = libc::iovec {
        iov_base: memory.as_mut_ptr().cast(),
        iov_len: memory.len(),
    };
    // SAFETY: the memory lives until the end of this function, and every request on it is waited for.
    unsafe { ring.submitter().register_buffers(&[iovec]) }.context("register buffers")?;
    for (to, from) in pty.directions(&slave) {
        let text: Vec<u8> = (0..3000).map(|i| b'a' + (i % 26) as u8).collect();
        memory[100..3100].copy_from_slice(&text);
        let (out, back) = (memory[100..].as_mut_ptr(), memory[4000..].as_mut_ptr());
        let written = ring.call(opcode::WriteFixed::new(fd(to), out, 3000, 0).build())?;
        check_eq!(Ok(3000), written, "write");
        let mut got = Vec::new();
        while got.len() < 3000 {
            let n = ring.call(opcode::ReadFixed::new(fd(from), back, 3000, 0).build())??;
            check!(n > 0, "end of file");
            got.extend_from_slice(&memory[4000..4000 + n]);
        }
        check!(got == text, "what was read is not what was written");
        // Beyond the registered memory.
        let bad = ring.call(opcode::WriteFixed::new(fd(to), out, 9000, 0).build())?;
        check_errno(bad, Errno::EFAULT, "a write from beyond the buffer")?;
    }
    ring.submitter()
        .unregister_buffers()
        .context("unregister buffers")?;
    Ok(())
}

fn linked(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let mut push_write = |to: &OwnedFd, bytes: &[u8], flags| {
        ring.push(bytes.to_vec(), |p, n| {
            opcode::Write::new(fd(to), p, n).build().flags(flags)
        })
    };
    let first = push_write(&slave, b"one ", Flags::IO_LINK)?;
    let second = push_write(&slave, b"two", Flags::empty())?;
    ring.submit()?;
    for (id, n) in [(first, 4), (second, 3)] {
        check_eq!(Ok(n), ring.wait(id)?.result, "write {id}");
    }
    io::expect(&pty.master, b"one two")?;

    let nowhere = std::ptr::without_provenance(8);
    let bad = ring.push(Vec::new(), |_, _| {
        opcode::Write::new(fd(&slave), nowhere, 5)
            .build()
            .flags(Flags::IO_LINK)
    })?;
    let after = ring.push(b"never".to_vec(), |p, n| {
        opcode::Write::new(fd(&slave), p, n).build()
    })?;
    ring.submit()?;
    check_eq!(Err(Errno::EFAULT), ring.wait(bad)?.result, "bad address");
    check_eq!(
        Err(Errno::ECANCELED),
        ring.wait(after)?.result,
        "the write after it"
    );
    io::write_all(&slave, b"next")?;
    io::expect(&pty.master, b"next")
}

fn rw_flags(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for (to, from) in pty.directions(&slave) {
        let nowait = |end: &OwnedFd| {
            if ctx.target.nowait && end.as_raw_fd() == pty.master.as_raw_fd() {
                Ok(1)
            } else {
                Err(Errno::EOPNOTSUPP)
            }
        };
        for (flags, to_write, to_read) in [
            (libc::RWF_NOWAIT, nowait(to), nowait(from)),
            (libc::RWF_HIPRI, Err(Errno::EINVAL), Err(Errno::EINVAL)),
            (0x4000_0000, Err(Errno::EOPNOTSUPP), Err(Errno::EOPNOTSUPP)),
            (libc::RWF_APPEND, Ok(1), Ok(1)),
            (libc::RWF_SYNC | libc::RWF_DSYNC, Ok(1), Ok(1)),
        ] {
            let wrote = ring.run(b"x".to_vec(), |p, n| {
                opcode::Write::new(fd(to), p, n).rw_flags(flags).build()
            })?;
            check_eq!(to_write, wrote.result, "write with {flags:#x}");
            if to_write.is_err() {
                io::write_all(to, b"x")?;
            }
            io::wait_for(from, nix::poll::PollFlags::POLLIN)?;
            let read = ring.run(vec![0], |p, n| {
                opcode::Read::new(fd(from), p, n).rw_flags(flags).build()
            })?;
            check_eq!(to_read, read.result, "read with {flags:#x}");
            if to_read.is_err() {
                io::expect(from, b"x")?;
            }
        }
    }
    Ok(())
}

fn bad_arguments(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    let nowhere = std::ptr::without_provenance_mut::<u8>(8);
    for (to, from) in pty.directions(&slave) {
        let wrote = ring.call(opcode::Write::new(fd(to), nowhere, 5).build())?;
        check_errno(wrote, Errno::EFAULT, "write from a bad address")?;
        io::write_all(to, b"x")?;
        io::wait_for(from, nix::poll::PollFlags::POLLIN)?;
        let read = ring.call(opcode::Read::new(fd(from), nowhere, 5).build())?;
        check_errno(read, Errno::EFAULT, "read to a bad address")?;
    }
    for (path, what) in [
        (pty.path.with_file_name("ptmx"), "master"),
        (pty.path.clone(), "slave"),
    ] {
        let reader = open(&path, OFlag::O_RDONLY)?;
        check_eq!(Err(Errno::EBADF), ring.write(&reader, b"x")?, "{what}");
        let writer = open(&path, OFlag::O_WRONLY)?;
        check_eq!(Err(Errno::EBADF), ring.read(&writer, 1)?, "{what}");
    }
    Ok(())
}

fn open(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    crate::fixture::mount::open_at(path, flags | OFlag::O_NOCTTY)
        .with_context(|| path.display().to_string())
}

fn other_requests(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let mut ring = Ring::new()?;
    for end in [&pty.master, &slave] {
        let requests = [
            ("fsync", opcode::Fsync::new(fd(end)).build(), Errno::EINVAL),
            (
                "fallocate",
                opcode::Fallocate::new(fd(end), 100).build(),
                Errno::ENODEV,
            ),
            (
                "ftruncate",
                opcode::Ftruncate::new(fd(end), 0).build(),
                Errno::EINVAL,
            ),
            (
                "a command",
                opcode::UringCmd16::new(fd(end), 0).build(),
                Errno::EOPNOTSUPP,
            ),
            (
                "recv",
                opcode::Recv::new(fd(end), std::ptr::null_mut(), 0).build(),
                Errno::ENOTSOCK,
            ),
        ];
        for (what, entry, want) in requests {
            check_errno(ring.call(entry)?, want, what)?;
        }
    }
    Ok(())
}
