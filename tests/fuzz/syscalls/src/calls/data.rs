// SPDX-License-Identifier: GPL-2.0
//! Moving bytes.

use super::{sys, Call};
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("read", 60, |w| {
        let (fd, len) = (w.tty(), w.len());
        let at = w.place(len);
        sys!(SYS_read, fd, at, len)
    }),
    Call::new("write", 80, |w| {
        let (fd, len) = (w.tty(), w.len());
        let at = w.place(len);
        sys!(SYS_write, fd, at, len)
    }),
    Call::new("readv", 10, |w| vector(w, libc::SYS_readv)),
    Call::new("writev", 15, |w| vector(w, libc::SYS_writev)),
    Call::new("preadv2", 10, |w| vector(w, libc::SYS_preadv2)),
    Call::new("pwritev2", 10, |w| vector(w, libc::SYS_pwritev2)),
    Call::new("pread", 2, |w| {
        let (fd, len) = (w.tty(), w.len());
        let at = w.place(len);
        sys!(SYS_pread64, fd, at, len, w.rng.i64(-2..9))
    }),
    Call::new("pwrite", 2, |w| {
        let (fd, len) = (w.tty(), w.len());
        let at = w.place(len);
        sys!(SYS_pwrite64, fd, at, len, w.rng.i64(-2..9))
    }),
    Call::new("splice", 15, splice),
    Call::new("tee", 2, |w| {
        let (from, to, len) = (w.fd(What::Pipe), w.fd(What::Pipe), w.len());
        sys!(SYS_tee, from, to, len, libc::SPLICE_F_NONBLOCK)
    }),
    Call::new("vmsplice", 5, |w| {
        let vector = vectors(w);
        let fd = w.fd(What::Pipe);
        let flags = w.flags(&[1, 2, 4, 8]) | libc::SPLICE_F_NONBLOCK as i32;
        sys!(SYS_vmsplice, fd, vector.as_ptr(), vector.len(), flags)
    }),
    Call::new("sendfile", 6, |w| {
        let (to, from, len) = (w.any_fd(), w.any_fd(), w.len());
        let offset = 0i64;
        let offset = if w.percent(30) {
            &raw const offset as usize
        } else {
            0
        };
        sys!(SYS_sendfile, to, from, offset, len)
    }),
    Call::new("copy_file_range", 2, |w| {
        let (from, to, len) = (w.any_fd(), w.any_fd(), w.len());
        sys!(SYS_copy_file_range, from, 0, to, 0, len, 0)
    }),
    Call::new("lseek", 3, |w| {
        let (fd, whence) = (w.any_fd(), w.rng.i32(-1..6));
        let to = w.of(&[0, 1, 3, -1, i64::MAX, i64::MIN, 1 << 20]);
        sys!(SYS_lseek, fd, to, whence)
    }),
    Call::new("fsync", 2, |w| {
        let fd = w.any_fd();
        if w.percent(50) {
            sys!(SYS_fsync, fd)
        } else {
            sys!(SYS_fdatasync, fd)
        }
    }),
    Call::new("fallocate", 1, |w| {
        let (fd, mode) = (w.tty(), w.rng.i32(0..64));
        sys!(SYS_fallocate, fd, mode, 0, 4096)
    }),
    Call::new("ftruncate", 1, |w| {
        let (fd, len) = (w.tty(), w.len());
        sys!(SYS_ftruncate, fd, len)
    }),
    Call::new("fadvise", 1, |w| {
        let fd = w.tty();
        sys!(SYS_fadvise64, fd, 0, w.len(), w.rng.i32(0..8))
    }),
    Call::new("readahead", 1, |w| {
        let fd = w.tty();
        sys!(SYS_readahead, fd, 0, w.len())
    }),
    Call::new("mmap", 3, |w| {
        let (fd, protection) = (w.any_fd(), w.rng.i32(0..8));
        let kind = w.of(&[
            libc::MAP_SHARED,
            libc::MAP_PRIVATE,
            libc::MAP_SHARED_VALIDATE,
        ]);
        let at = sys!(SYS_mmap, 0, 4096, protection, kind, fd, 0);
        if at > 0 {
            sys!(SYS_munmap, at, 4096);
        }
        at
    }),
];

/// Some places for bytes.
fn vectors(w: &mut Worker) -> Vec<[usize; 2]> {
    let n = w.of(&[0, 1, 1, 2, 2, 3, 8]);
    let one = |w: &mut Worker| {
        let len = w.len();
        [w.place(len), len]
    };
    (0..n).map(|_| one(w)).collect()
}

fn vector(w: &mut Worker, call: i64) -> i64 {
    let vector = vectors(w);
    let fd = w.tty();
    let count = if w.percent(98) { vector.len() } else { w.len() };
    let offset = w.of(&[-1i64, -1, -1, 0, 5]);
    let flags = w.flags(&[1, 2, 4, 8, 16, 32, 64, 128, 256]);
    // SAFETY: the vectors are as many as said, or too many for the kernel; they are in memory that is for this.
    unsafe { libc::syscall(call, fd, vector.as_ptr(), count, offset, -1i64, flags) }
}

fn splice(w: &mut Worker) -> i64 {
    let (tty, pipe, len) = (w.tty(), w.fd(What::Pipe), w.len());
    let flags = w.flags(&[1, 2, 4, 8]);
    if w.percent(50) {
        sys!(SYS_splice, tty, 0, pipe, 0, len, flags)
    } else {
        sys!(SYS_splice, pipe, 0, tty, 0, len, flags)
    }
}
