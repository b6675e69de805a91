// SPDX-License-Identifier: GPL-2.0
//! Waiting for something to happen, and being told that it did.

use super::{sys, Call};
use crate::worker::What;

pub const CALLS: &[Call] = &[
    Call::new("poll", 15, |w| {
        let n = w.rng.usize(1..6);
        let mut fds: Vec<libc::pollfd> = (0..n)
            .map(|_| libc::pollfd {
                fd: w.tty(),
                events: w.rng.i16(..),
                revents: 0,
            })
            .collect();
        sys!(SYS_poll, fds.as_mut_ptr(), n, w.rng.i32(0..8))
    }),
    Call::new("select", 6, |w| {
        let mut sets = [[0u64; 16]; 3];
        for set in &mut sets {
            let fd = w.tty();
            if (0..1024).contains(&fd) {
                set[fd as usize / 64] |= 1 << (fd % 64);
            }
        }
        let mut timeout = [0i64, w.rng.i64(0..8000)];
        let [a, b, c] = &mut sets;
        sys!(
            SYS_select,
            200,
            a.as_mut_ptr(),
            b.as_mut_ptr(),
            c.as_mut_ptr(),
            timeout.as_mut_ptr()
        )
    }),
    Call::new("epoll_create", 2, |w| {
        let fd = sys!(SYS_epoll_create1, 0);
        w.keep(fd, What::Watch)
    }),
    Call::new("epoll_ctl", 10, |w| {
        let (epoll, fd, operation) = (w.fd(What::Watch), w.tty(), w.rng.i32(1..4));
        // Packed: the events, then the data.
        let events = w.rng.u32(..) & !(1 << 28);
        let event = [events, fd as u32, 0];
        sys!(SYS_epoll_ctl, epoll, operation, fd, event.as_ptr())
    }),
    Call::new("epoll_wait", 8, |w| {
        let epoll = w.fd(What::Watch);
        let at = w.place(12 * 8);
        sys!(SYS_epoll_wait, epoll, at, 8, w.rng.i32(0..5))
    }),
    Call::new("inotify_init", 1, |w| {
        let fd = sys!(SYS_inotify_init1, libc::O_NONBLOCK);
        w.keep(fd, What::Watch)
    }),
    Call::new("inotify_add_watch", 4, |w| {
        let (fd, path) = (w.fd(What::Watch), w.path());
        let mask = w.of(&[u32::MAX >> 20, 0x100, 0x200, 0x300, 0x8000_0200]);
        sys!(SYS_inotify_add_watch, fd, path.as_ptr(), mask)
    }),
    Call::new("inotify_rm_watch", 1, |w| {
        let fd = w.fd(What::Watch);
        sys!(SYS_inotify_rm_watch, fd, w.rng.i32(0..8))
    }),
    Call::new("fanotify_init", 1, |w| {
        // FAN_REPORT_FID and FAN_REPORT_DIR_FID: what who has no privileges may have.
        let flags = w.of(&[0x202, 0x602, 0x2, 0xe02]);
        let fd = sys!(SYS_fanotify_init, flags, libc::O_RDONLY);
        w.keep(fd, What::Watch)
    }),
    Call::new("fanotify_mark", 3, |w| {
        let (fd, path) = (w.fd(What::Watch), w.path());
        let flags = w.of(&[1, 1, 2, 0x11, 0x101, 0x80]);
        // No events that wait for permission: nobody would give it.
        let mask = w.rng.u64(..) & 0x4800_0fff;
        sys!(
            SYS_fanotify_mark,
            fd,
            flags,
            mask,
            libc::AT_FDCWD,
            path.as_ptr()
        )
    }),
    Call::new("read events", 4, |w| {
        let fd = w.fd(What::Watch);
        let poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        if sys!(SYS_poll, &raw const poll, 1, 0) == 1 {
            let at = w.place(4096);
            return sys!(SYS_read, fd, at, 4096);
        }
        0
    }),
];
