// SPDX-License-Identifier: GPL-2.0
//! What is done with descriptors, whatever they are of.

use super::{sys, Call};
use crate::memory::RESERVED_FD;
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("close", 45, Worker::close),
    Call::new("close_range", 2, |w| {
        let first = w.rng.i32(3..40);
        let last = first + w.rng.i32(0..8);
        let flags = w.of(&[0, 0, 2, 4, 6, 8]);
        let ret = sys!(SYS_close_range, first, last, flags);
        if ret == 0 && flags & 4 == 0 {
            w.forget(first, last);
        }
        ret
    }),
    Call::new("dup", 8, |w| {
        let fd = w.any_fd();
        let new = sys!(SYS_dup, fd);
        w.keep_any(new)
    }),
    Call::new("dup3", 4, |w| {
        let (old, new) = (w.any_fd(), w.any_fd());
        if (0..RESERVED_FD).contains(&new) {
            let ret = sys!(SYS_dup3, old, new, libc::O_CLOEXEC);
            if ret >= 0 {
                w.forget(new, new);
            }
            w.keep_any(ret)
        } else {
            sys!(SYS_dup3, old, -1, 0)
        }
    }),
    Call::new("fcntl", 20, fcntl),
    Call::new("fcntl lock", 4, |w| {
        let (fd, at) = (w.any_fd(), w.good());
        let command = w.of(&[
            libc::F_GETLK,
            libc::F_SETLK,
            libc::F_SETLKW,
            libc::F_OFD_SETLK,
        ]);
        let kind = w.of(&[libc::F_RDLCK, libc::F_WRLCK, libc::F_UNLCK]) as i16;
        let lock = libc::flock {
            l_type: kind,
            l_whence: 0,
            l_start: w.rng.i64(0..4),
            l_len: w.rng.i64(0..4),
            l_pid: 0,
        };
        let at = if w.percent(95) {
            &raw const lock as usize
        } else {
            at
        };
        sys!(SYS_fcntl, fd, command, at)
    }),
    Call::new("flock", 3, |w| {
        let fd = w.any_fd();
        sys!(SYS_flock, fd, w.rng.i32(0..16))
    }),
    Call::new("pipe", 5, |w| {
        let mut ends = [0i32; 2];
        let flags = w.of(&[0, libc::O_NONBLOCK, libc::O_NONBLOCK]);
        let ret = sys!(SYS_pipe2, ends.as_mut_ptr(), flags);
        if ret == 0 {
            w.keep(ends[0].into(), What::Pipe);
            w.keep(ends[1].into(), What::Pipe);
        }
        ret
    }),
    Call::new("memfd_create", 1, |w| {
        let fd = sys!(SYS_memfd_create, c"fuzz".as_ptr(), 0);
        if fd >= 0 {
            sys!(SYS_write, fd, w.good(), 5000);
        }
        w.keep(fd, What::Other)
    }),
    Call::new("SCM_RIGHTS send", 8, send),
    Call::new("SCM_RIGHTS receive", 8, receive),
    Call::new("pidfd_getfd", 2, |w| {
        let who = w.rng.usize(..w.plan.processes);
        let pid = w.shared.pids[who].load(std::sync::atomic::Ordering::Relaxed);
        let pidfd = sys!(SYS_pidfd_open, pid, 0);
        if pidfd < 0 {
            return pidfd;
        }
        let fd = sys!(SYS_pidfd_getfd, pidfd, w.rng.i32(3..40), 0);
        let error = nix::errno::Errno::last_raw();
        sys!(SYS_close, pidfd);
        nix::errno::Errno::set_raw(error);
        w.keep_any(fd)
    }),
    Call::new("kcmp", 1, |w| {
        let (a, b) = (w.any_fd(), w.any_fd());
        let pid = sys!(SYS_getpid);
        sys!(SYS_kcmp, pid, pid, 0, a, b)
    }),
];

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h
const F_SETSIG: i32 = 10;
const F_DUPFD_QUERY: i32 = 1027;

fn fcntl(w: &mut Worker) -> i64 {
    let fd = w.any_fd();
    let any = w.rng.i32(..);
    let commands = [
        (libc::F_GETFL, 0),
        (
            libc::F_SETFL,
            w.flags(&[
                libc::O_NONBLOCK,
                libc::O_ASYNC,
                libc::O_APPEND,
                libc::O_DIRECT,
            ]),
        ),
        (libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK),
        (libc::F_SETFL, 0),
        (libc::F_SETFD, w.rng.i32(0..2)),
        (libc::F_SETOWN, pid(w)),
        (libc::F_SETOWN, -pid(w)),
        (libc::F_GETOWN, 0),
        (F_SETSIG, w.rng.i32(0..70)),
        (libc::F_SETLEASE, w.rng.i32(0..3)),
        (libc::F_NOTIFY, w.rng.i32(..)),
        (libc::F_SETPIPE_SZ, 4096 << w.rng.u8(..5)),
        (F_DUPFD_QUERY, fd),
        (w.rng.i32(0..40), w.of(&[0, 1, any])),
    ];
    let (command, argument) = w.of(&commands);
    if command == libc::F_DUPFD {
        return 0;
    }
    sys!(SYS_fcntl, fd, command, argument)
}

fn pid(w: &mut Worker) -> i32 {
    let who = w.rng.usize(..w.plan.processes);
    w.shared.pids[who].load(std::sync::atomic::Ordering::Relaxed)
}

/// Room for the control message of some descriptors.
const CONTROL: usize = 64;

/// A message of a byte, with `control` bytes of control messages.
fn message(
    byte: &mut [u8; 4],
    vector: &mut libc::iovec,
    control: &mut [u64; CONTROL / 8],
    len: usize,
) -> libc::msghdr {
    *vector = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: zeroes are a valid message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = len;
    message
}

fn send(w: &mut Worker) -> i64 {
    let n = 1 + w.rng.usize(..3);
    let len = 16 + 4 * n;
    let mut control = [0u64; CONTROL / 8];
    control[0] = len as u64;
    // cmsg_level and cmsg_type, then the descriptors.
    control[1] = libc::SOL_SOCKET as u64 | ((libc::SCM_RIGHTS as u64) << 32);
    for at in 0..n {
        control[2 + at / 2] |= u64::from(w.any_fd() as u32) << (32 * (at % 2));
    }
    let (mut byte, mut vector) = (
        [0; 4],
        libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        },
    );
    let message = message(
        &mut byte,
        &mut vector,
        &mut control,
        len.next_multiple_of(8),
    );
    sys!(
        SYS_sendmsg,
        w.socket,
        &raw const message,
        libc::MSG_DONTWAIT
    )
}

fn receive(w: &mut Worker) -> i64 {
    let mut control = [0u64; CONTROL / 8];
    let (mut byte, mut vector) = (
        [0; 4],
        libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        },
    );
    let mut message = message(&mut byte, &mut vector, &mut control, CONTROL);
    let ret = sys!(SYS_recvmsg, w.socket, &raw mut message, libc::MSG_DONTWAIT);
    if ret >= 0 && message.msg_controllen > 16 {
        let n = (control[0] as usize).min(CONTROL).saturating_sub(16) / 4;
        for at in 0..n {
            let fd = (control[2 + at / 2] >> (32 * (at % 2))) as i32;
            w.keep_any(fd.into());
        }
    }
    ret
}
