// SPDX-License-Identifier: GPL-2.0
//! readv, writev and their relatives with flags.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread::scope;

use nix::errno::Errno;
use nix::sys::uio::{readv, writev};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCINQ};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair};

cases! { "vectors":
    readv_and_writev => "writev and readv work on both ends",
    many_segments => "a line of 100 segments is one line",
    empty_vectors => "no segments, and segments of nothing, are 0",
    too_many_segments => "more than 1024 segments, or a negative length, are EINVAL",
    bad_segment_to_write => "a write whose chunk (2048 bytes; on rdevpts 64 KiB) meets a bad address is EFAULT, or ends before that chunk",
    bad_segment_to_read => "a read that meets a bad address gives what came before it, or EFAULT",
    write_flags => "RWF_HIPRI, RWF_APPEND, RWF_SYNC and RWF_DSYNC mean nothing to a write, others are refused",
    read_flags => "RWF_HIPRI and others mean nothing to a read, others are refused, and take nothing",
    nowait => "RWF_NOWAIT is EOPNOTSUPP; on a master of rdevpts, it is EAGAIN where a call would wait",
    nowait_beside_a_writer => "RWF_NOWAIT on a master of rdevpts does not wait for another writer",
    offsets => "preadv2 and pwritev2 with an offset are ESPIPE, a negative one EINVAL",
    echo_of_segments => "each segment is echoed once, and lines are told apart by their ends only",
}

/// Waits until `n` bytes can be read.
fn arrived(at: &OwnedFd, n: i32) -> Outcome {
    until("the bytes", || Ok(ioctl::get(at, TIOCINQ)? == n))
}

fn readv_and_writev(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let parts = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two "),
            IoSlice::new(b"three"),
        ];
        check_eq!(Ok(13), writev(to, &parts), "writev");
        arrived(from, 13)?;
        let (mut a, mut b) = ([0; 5], [0; 50]);
        check_eq!(
            Ok(13),
            readv(
                from,
                &mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]
            ),
            "readv"
        );
        check_eq!(
            ("one t", "wo three"),
            (&*io::text(&a), &*io::text(&b[..8])),
            "bytes"
        );
    }
    Ok(())
}

fn many_segments(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let line: Vec<u8> = (0..99).map(|i| b'a' + i % 26).chain([b'\n']).collect();
    let parts: Vec<_> = line.chunks(1).map(IoSlice::new).collect();
    check_eq!(Ok(100), writev(&pty.master, &parts), "writev");
    io::wait_for(&slave, nix::poll::PollFlags::POLLIN)?;
    let mut buffer = [0; 200];
    let mut parts: Vec<_> = buffer.chunks_mut(3).map(IoSliceMut::new).collect();
    check_eq!(Ok(100), readv(&slave, &mut parts), "readv");
    check!(
        buffer[..100] == line,
        "another line: {:?}",
        io::text(&buffer)
    );
    Ok(())
}

fn empty_vectors(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        check_eq!(Ok(0), writev(to, &[]), "writev of no segments");
        check_eq!(Ok(0), readv(from, &mut []), "readv of no segments");
        let none = [IoSlice::new(b""), IoSlice::new(b"")];
        check_eq!(Ok(0), writev(to, &none), "writev of nothing");
        let none = &mut [IoSliceMut::new(&mut [])];
        check_eq!(Ok(0), readv(from, none), "readv of nothing");
    }
    Ok(())
}

/// A segment of any address and length.
fn segment(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

/// A segment at an address that is not mapped.
const NOWHERE: libc::iovec = libc::iovec {
    iov_base: std::ptr::without_provenance_mut(8),
    iov_len: 5,
};

/// pwritev2(2).
fn write_with(
    to: &OwnedFd,
    parts: &[libc::iovec],
    offset: i64,
    flags: libc::c_int,
) -> nix::Result<usize> {
    let n = i32::try_from(parts.len()).map_err(|_| Errno::E2BIG)?;
    // SAFETY: the kernel reads the segments only, and checks their addresses.
    let n = unsafe { libc::pwritev2(to.as_raw_fd(), parts.as_ptr(), n, offset, flags) };
    Errno::result(n).map(|n| n as usize)
}

/// preadv2(2) into `buffer`, followed by the segments in `more`.
fn read_with(
    from: &OwnedFd,
    buffer: &mut [u8],
    more: &[libc::iovec],
    offset: i64,
    flags: libc::c_int,
) -> nix::Result<usize> {
    let first = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let parts: Vec<_> = [first].iter().chain(more).copied().collect();
    let n = i32::try_from(parts.len()).map_err(|_| Errno::E2BIG)?;
    // SAFETY: the buffer is exclusive; the other segments are not mapped, or never written to, since the call fails.
    let n = unsafe { libc::preadv2(from.as_raw_fd(), parts.as_ptr(), n, offset, flags) };
    Errno::result(n).map(|n| n as usize)
}

fn too_many_segments(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        let parts = vec![segment(b""); 1025];
        check_errno(write_with(to, &parts, -1, 0), Errno::EINVAL, "writev")?;
        check_errno(
            read_with(from, &mut [0], &parts, -1, 0),
            Errno::EINVAL,
            "readv",
        )?;
        let negative = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: usize::MAX,
        };
        let parts = [segment(b"x"), negative];
        check_errno(write_with(to, &parts, -1, 0), Errno::EINVAL, "writev")?;
        check_errno(
            read_with(from, &mut [0], &parts, -1, 0),
            Errno::EINVAL,
            "readv",
        )?;
        check_eq!(Ok(0), ioctl::get(from, TIOCINQ), "bytes written");
    }
    Ok(())
}

fn bad_segment_to_write(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = [b'w'; 3000];
    for (to, from) in pty.directions(&slave) {
        let chunk = ctx.target.write_chunk;
        for good in [0, 5, 2047, 2048, 3000] {
            let want = if good < chunk {
                Err(Errno::EFAULT)
            } else {
                Ok(chunk)
            };
            let parts = [segment(&bytes[..good]), NOWHERE, segment(b"after")];
            check_eq!(
                want,
                write_with(to, &parts, -1, 0),
                "write of {good} bytes and a bad segment"
            );
            io::write_all(to, b"|")?;
            let came = io::read_n(from, want.unwrap_or(0) + 1)?;
            check!(came.ends_with(b"|"), "more came than was written");
        }
    }
    Ok(())
}

fn bad_segment_to_read(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        io::write_all(to, b"8 bytes.")?;
        arrived(from, 8)?;
        let mut good = [0; 3];
        check_eq!(
            Ok(3),
            read_with(from, &mut good, &[NOWHERE], -1, 0),
            "a good segment and a bad one"
        );
        check_eq!(*b"8 b", good, "what the good one got");
        // What happens to the rest is nobody's business.
        ioctl::call(&slave, ioctl::TCFLSH, libc::TCIOFLUSH as libc::c_ulong)?;
        ioctl::call(&pty.master, ioctl::TCFLSH, libc::TCIOFLUSH as libc::c_ulong)?;
        io::write_all(to, b"8 bytes.")?;
        arrived(from, 8)?;
        check_errno(
            read_with(from, &mut [], &[NOWHERE], -1, 0),
            Errno::EFAULT,
            "a bad segment",
        )?;
        ioctl::call(from, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)?;
        io::write_all(to, b"ok")?;
        arrived(from, 2)?;
        check_eq!(
            Ok(2),
            read_with(from, &mut [0; 2], &[NOWHERE], -1, 0),
            "a bad segment that is not reached"
        );
    }
    Ok(())
}

/// Flags that mean nothing to a terminal.
const HARMLESS: [libc::c_int; 6] = [
    libc::RWF_HIPRI,
    libc::RWF_APPEND,
    libc::RWF_NOAPPEND,
    libc::RWF_DSYNC,
    libc::RWF_SYNC,
    libc::RWF_HIPRI | libc::RWF_APPEND | libc::RWF_SYNC,
];

/// Flags that a terminal does not know, with what they are.
const REFUSED: [(libc::c_int, Errno); 4] = [
    (libc::RWF_ATOMIC, Errno::EOPNOTSUPP),
    (libc::RWF_DONTCACHE, Errno::EOPNOTSUPP),
    (1 << 30, Errno::EOPNOTSUPP),
    (libc::RWF_APPEND | libc::RWF_NOAPPEND, Errno::EINVAL),
];

fn write_flags(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        for flags in HARMLESS {
            check_eq!(
                Ok(4),
                write_with(to, &[segment(b"data")], -1, flags),
                "write with {flags:#x}"
            );
            io::expect(from, b"data")?;
        }
        for (flags, want) in REFUSED {
            let result = write_with(to, &[segment(b"data")], -1, flags);
            check_eq!(Err(want), result, "write with {flags:#x}");
        }
        check_eq!(Ok(0), ioctl::get(from, TIOCINQ), "bytes written");
    }
    Ok(())
}

fn read_flags(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        for flags in HARMLESS {
            io::write_all(to, b"data")?;
            arrived(from, 4)?;
            for (refused, want) in REFUSED {
                let result = read_with(from, &mut [0; 9], &[], -1, refused);
                check_eq!(Err(want), result, "read with {refused:#x}");
            }
            check_eq!(
                Ok(4),
                read_with(from, &mut [0; 9], &[], -1, flags),
                "read with {flags:#x}"
            );
        }
        io::set_nonblock(from, true)?;
        let result = read_with(from, &mut [0; 9], &[], -1, libc::RWF_HIPRI);
        check_errno(result, Errno::EAGAIN, "O_NONBLOCK with nothing there")?;
        io::set_nonblock(from, false)?;
    }
    Ok(())
}

fn nowait(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let read = |from: &OwnedFd| {
        let mut bytes = [0; 9];
        read_with(from, &mut bytes, &[], -1, libc::RWF_NOWAIT).map(|n| bytes[..n].to_vec())
    };
    let write = |to: &OwnedFd, parts: &[libc::iovec]| write_with(to, parts, -1, libc::RWF_NOWAIT);
    for end in [&pty.master, &slave] {
        if ctx.target.nowait && end.as_raw_fd() == pty.master.as_raw_fd() {
            continue;
        }
        check_errno(read(end), Errno::EOPNOTSUPP, "read")?;
        check_errno(write(end, &[segment(b"x")]), Errno::EOPNOTSUPP, "write")?;
    }
    if !ctx.target.nowait {
        return Ok(());
    }
    let master = &pty.master;
    check_errno(read(master), Errno::EAGAIN, "a read of nothing")?;
    io::write_all(&slave, b"some bytes")?;
    check_eq!(Ok(b"some byte".to_vec()), read(master), "a read");
    check_eq!(Ok(b"s".to_vec()), read(master), "a read of the rest");

    check_errno(write(master, &[NOWHERE]), Errno::EFAULT, "a bad address")?;
    check_eq!(Ok(0), write(master, &[]), "nothing to write");
    // Until there is no room: what was taken comes, all of it, and nothing else does.
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut written = Vec::new();
    loop {
        match write(master, &[segment(&bytes[..7]), segment(&bytes[7..])]) {
            Ok(n) => written.extend_from_slice(&bytes[..n]),
            Err(errno) => {
                check_eq!(Errno::EAGAIN, errno, "a write without room");
                break;
            }
        }
    }
    check!(written.len() > 4095, "only {} bytes fit", written.len());
    check_eq!(written, io::read_n(&slave, written.len())?, "what came");
    io::write_all(master, b"|")?;
    io::expect(&slave, b"|")?;

    io::set_nonblock(&slave, true)?;
    drop(slave);
    check_errno(read(master), Errno::EIO, "a read, the slave closed")
}

fn nowait_beside_a_writer(ctx: &Ctx) -> Outcome {
    if !ctx.target.nowait {
        return Ok(());
    }
    let (pty, slave) = raw_pair(ctx)?;
    let bytes = [b'w'; 20_000];
    scope(|scope| {
        let writer = scope.spawn(|| io::write_all(&pty.master, bytes));
        until("the writer has no room", || {
            Ok(ioctl::get(&slave, TIOCINQ)? >= 4095)
        })?;
        let result = write_with(&pty.master, &[segment(b"x")], -1, libc::RWF_NOWAIT);
        // Whatever came of that, the writer must come to its end.
        let came = io::read_n(&slave, bytes.len())?;
        writer.join().expect("threads do not panic")?;
        check_errno(result, Errno::EAGAIN, "a write beside another")?;
        check_eq!(bytes.to_vec(), came, "what came");
        Ok(())
    })
}

fn offsets(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    for (to, from) in pty.directions(&slave) {
        for (offset, want) in [(0, Errno::ESPIPE), (9, Errno::ESPIPE), (-2, Errno::EINVAL)] {
            for flags in [0, libc::RWF_HIPRI] {
                let result = write_with(to, &[segment(b"x")], offset, flags);
                check_errno(result, want, "write")?;
                let result = read_with(from, &mut [0], &[], offset, flags);
                check_errno(result, want, "read")?;
            }
        }
    }
    Ok(())
}

fn echo_of_segments(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let parts = [
        IoSlice::new(b"on"),
        IoSlice::new(b"e\ntw"),
        IoSlice::new(b""),
        IoSlice::new(b"o\n"),
    ];
    check_eq!(Ok(8), writev(&pty.master, &parts), "writev");
    io::expect(&pty.master, b"one\r\ntwo\r\n")?;
    io::expect_read(&slave, b"one\n")?;
    io::expect_read(&slave, b"two\n")
}
