// SPDX-License-Identifier: GPL-2.0
//! Opening masters and slaves, by every way there is.

use std::ffi::CString;

use super::{sys, Call};
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("open ptmx", 30, ptmx),
    Call::new("open slave", 30, slave),
    Call::new("open path", 10, path),
    Call::new("open by descriptor", 8, by_descriptor),
    Call::new("openat in directory", 6, in_directory),
    Call::new("openat2", 5, openat2),
    Call::new("TIOCGPTPEER", 20, peer),
    Call::new("TIOCSPTLCK", 12, lock),
];

const FLAGS: &[i32] = &[
    libc::O_NONBLOCK,
    libc::O_NOCTTY,
    libc::O_CLOEXEC,
    libc::O_APPEND,
    libc::O_ASYNC,
    libc::O_DIRECT,
    libc::O_NOATIME,
    libc::O_NOFOLLOW,
    libc::O_DIRECTORY,
    libc::O_PATH,
    libc::O_SYNC,
    libc::O_TRUNC,
    libc::O_CREAT,
    libc::O_EXCL,
    libc::O_TMPFILE,
    libc::O_LARGEFILE,
];

/// Flags that mostly let an open succeed.
fn flags(w: &mut Worker) -> i32 {
    let access = if w.percent(85) {
        libc::O_RDWR
    } else {
        w.of(&[libc::O_RDONLY, libc::O_WRONLY, 3])
    };
    let more = match w.rng.u8(..8) {
        0 => w.flags(FLAGS),
        1..=5 => libc::O_NONBLOCK,
        _ => 0,
    };
    let terminal = if w.percent(70) { libc::O_NOCTTY } else { 0 };
    access | more | terminal
}

fn ptmx(w: &mut Worker) -> i64 {
    let path = CString::new(format!("{}/ptmx", w.mount_point())).unwrap_or_default();
    let flags = flags(w);
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o666);
    if fd >= 0 && w.percent(90) {
        let zero = 0;
        sys!(SYS_ioctl, fd, libc::TIOCSPTLCK, &raw const zero);
    }
    w.keep(fd, What::Master)
}

fn slave(w: &mut Worker) -> i64 {
    let master = w.fd(What::Master);
    let mut number = -1;
    let known = sys!(SYS_ioctl, master, libc::TIOCGPTN, &raw mut number) == 0 && w.percent(70);
    let number = if known { number } else { w.rng.i32(0..12) };
    let path = CString::new(format!("{}/{number}", w.mount_point())).unwrap_or_default();
    let flags = flags(w);
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
    w.keep(fd, What::Slave)
}

fn path(w: &mut Worker) -> i64 {
    let path = w.path();
    let flags = flags(w) | if w.percent(20) { w.flags(FLAGS) } else { 0 };
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600);
    w.keep_any(fd)
}

fn by_descriptor(w: &mut Worker) -> i64 {
    let path = CString::new(format!("/proc/self/fd/{}", w.tty())).unwrap_or_default();
    let flags = flags(w);
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
    w.keep_any(fd)
}

fn in_directory(w: &mut Worker) -> i64 {
    let directory = w.fd(What::Directory);
    let number = w.rng.u8(..12).to_string();
    let name = CString::new(w.of(&["ptmx", ".", number.as_str()])).unwrap_or_default();
    let flags = flags(w);
    let fd = sys!(SYS_openat, directory, name.as_ptr(), flags, 0);
    w.keep_any(fd)
}

fn openat2(w: &mut Worker) -> i64 {
    let path = w.path();
    let how: [u64; 3] = [flags(w) as u64, 0, w.rng.u64(..64)];
    let fd = sys!(SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how.as_ptr(), 24);
    w.keep_any(fd)
}

fn peer(w: &mut Worker) -> i64 {
    let master = w.fd(What::Master);
    let flags = flags(w);
    let fd = sys!(SYS_ioctl, master, libc::TIOCGPTPEER, flags);
    w.keep(fd, What::Slave)
}

fn lock(w: &mut Worker) -> i64 {
    let master = w.fd(What::Master);
    let on = i32::from(w.percent(30));
    sys!(SYS_ioctl, master, libc::TIOCSPTLCK, &raw const on)
}
