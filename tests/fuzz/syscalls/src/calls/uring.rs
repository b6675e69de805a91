// SPDX-License-Identifier: GPL-2.0
//! The same by io_uring: many at once, by other threads, cancelled.

use io_uring::{opcode, squeue::Entry, types::Fd, IoUring};
use nix::errno::Errno;

use super::Call;
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("io_uring_setup", 1, |w| {
        let polled = w.percent(5);
        w.ring = None;
        let mut builder = IoUring::builder();
        if polled {
            builder.setup_sqpoll(5);
        }
        take(builder.build(16), |ring| w.ring = Some(ring))
    }),
    Call::new("io_uring submit", 15, submit),
    Call::new("io_uring reap", 6, |w| {
        let Some(ring) = w.ring.as_mut() else {
            return 0;
        };
        ring.completion().count() as i64
    }),
];

/// What a result is as a system call's.
fn take<T>(result: std::io::Result<T>, then: impl FnOnce(T)) -> i64 {
    match result {
        Ok(value) => {
            then(value);
            0
        }
        Err(error) => {
            Errno::set_raw(error.raw_os_error().unwrap_or(libc::EINVAL));
            -1
        }
    }
}

fn is_regular(fd: i32) -> bool {
    // SAFETY: zeroes are a value of the struct, which outlives the call.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(fd, &mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// A request. Only one that `may_stall` has a page where the kernel stalls, and not if it is for a regular file: when a process ends,
/// its io_uring's workers do such requests to the end after they took its SIGKILL, and the fault is broken off and begun anew for ever;
/// who would see to it is gone. See Documentation/testing.rst.
fn entry(w: &mut Worker, may_stall: bool) -> Entry {
    let tty = w.tty();
    let fd = Fd(tty);
    // The kernel cuts it down; what does not fit is a fault.
    let len = w.len().min(u32::MAX as usize);
    let mut at = w.place(len);
    if w.memory.stalls(at) && (!may_stall || is_regular(tty)) {
        at = w.good();
    }
    let len = len as u32;
    match w.rng.u8(..16) {
        0..=3 => opcode::Read::new(fd, at as *mut u8, len).build(),
        4..=7 => opcode::Write::new(fd, at as *const u8, len).build(),
        8..=9 => opcode::PollAdd::new(fd, w.rng.u32(..0x2020))
            .multi(w.rng.bool())
            .build(),
        10 => opcode::AsyncCancel::new(w.rng.u64(..16)).build(),
        11 => opcode::PollRemove::new(w.rng.u64(..16)).build(),
        12 => {
            let pipe = Fd(w.fd(What::Pipe));
            let (from, to) = if w.percent(50) {
                (fd, pipe)
            } else {
                (pipe, fd)
            };
            opcode::Splice::new(from, -1, to, -1, len.min(65536)).build()
        }
        13 => opcode::Fsync::new(fd).build(),
        14 => opcode::Nop::new().build(),
        _ => opcode::Read::new(fd, at as *mut u8, len).offset(0).build(),
    }
}

fn submit(w: &mut Worker) -> i64 {
    // What others come before, or a thread of the kernel looks up, may be for another file by then.
    let polled = w
        .ring
        .as_ref()
        .is_some_and(|r| r.params().is_setup_sqpoll());
    let count = w.rng.u8(1..5);
    for _ in 0..count {
        let mut entry = entry(w, count == 1 && !polled).user_data(w.rng.u64(..16));
        if w.percent(20) {
            let flags = w.of(&[
                io_uring::squeue::Flags::ASYNC,
                io_uring::squeue::Flags::IO_LINK,
                io_uring::squeue::Flags::IO_HARDLINK,
            ]);
            entry = entry.flags(flags);
        }
        if let Some(ring) = w.ring.as_mut() {
            // SAFETY: the memory stays mapped as long as the process lives.
            let _ = unsafe { ring.submission().push(&entry) };
        }
    }
    match w.ring.as_mut() {
        Some(ring) => take(ring.submit(), |_| ()),
        None => 0,
    }
}
