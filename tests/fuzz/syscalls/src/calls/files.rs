// SPDX-License-Identifier: GPL-2.0
//! The files of the mount as files: names, modes, attributes, listings, handles.

use std::ffi::CString;

use super::{sys, Call};
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("opendir", 5, |w| {
        let path = std::ffi::CString::new(w.mount_point()).unwrap_or_default();
        let fd = sys!(
            SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::O_DIRECTORY,
            0
        );
        w.keep(fd, What::Directory)
    }),
    Call::new("getdents", 20, |w| {
        let (fd, len) = (w.fd(What::Directory), w.len());
        let at = w.place(len);
        sys!(SYS_getdents64, fd, at, len)
    }),
    Call::new("rewinddir", 8, |w| {
        let fd = w.fd(What::Directory);
        let to = w.of(&[0, 0, 0, 1, 2, 3, 4, 7, i64::MAX]);
        sys!(SYS_lseek, fd, to, 0)
    }),
    Call::new("stat", 8, |w| {
        let (path, at) = (w.path(), w.place(144));
        sys!(SYS_newfstatat, libc::AT_FDCWD, path.as_ptr(), at, 0)
    }),
    Call::new("fstat", 6, |w| {
        let (fd, at) = (w.any_fd(), w.place(144));
        sys!(SYS_fstat, fd, at)
    }),
    Call::new("statx", 4, |w| {
        let (path, at) = (w.path(), w.place(256));
        let flags = w.of(&[0, 0x2000, 0x4000, 0x800]);
        sys!(
            SYS_statx,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            w.rng.u32(..),
            at
        )
    }),
    Call::new("statfs", 4, |w| {
        let (path, at) = (w.path(), w.place(120));
        sys!(SYS_statfs, path.as_ptr(), at)
    }),
    Call::new("fstatfs", 2, |w| {
        let (fd, at) = (w.any_fd(), w.place(120));
        sys!(SYS_fstatfs, fd, at)
    }),
    Call::new("access", 2, |w| {
        let path = w.path();
        sys!(
            SYS_faccessat,
            libc::AT_FDCWD,
            path.as_ptr(),
            w.rng.i32(0..8)
        )
    }),
    Call::new("chmod", 6, |w| {
        let path = w.path();
        let mode = w.of(&[0o666, 0o666, 0o620, 0, 0o7777, u32::MAX]);
        sys!(SYS_fchmodat, libc::AT_FDCWD, path.as_ptr(), mode)
    }),
    Call::new("fchmod", 3, |w| {
        let fd = w.any_fd();
        let mode = w.of(&[0o666, 0o666, 0o620, 0, 0o7777]);
        sys!(SYS_fchmod, fd, mode)
    }),
    Call::new("chown", 4, |w| {
        let path = w.path();
        let (user, group) = (w.of(&[-1, 1001, 1002, 0]), w.of(&[-1, 5, 1001]));
        sys!(SYS_fchownat, libc::AT_FDCWD, path.as_ptr(), user, group, 0)
    }),
    Call::new("fchown", 2, |w| {
        let fd = w.any_fd();
        sys!(SYS_fchown, fd, w.of(&[-1, 1001, 0]), -1)
    }),
    Call::new("utimensat", 3, |w| {
        let path = w.path();
        let times = [0i64, w.of(&[0, 0x3fff_ffff, 0x3fff_fffe, -1]), 5, 0];
        sys!(
            SYS_utimensat,
            libc::AT_FDCWD,
            path.as_ptr(),
            times.as_ptr(),
            0
        )
    }),
    Call::new("unlink", 3, |w| {
        let path = w.path();
        let flags = w.of(&[0, 0, libc::AT_REMOVEDIR]);
        sys!(SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), flags)
    }),
    Call::new("rename", 3, |w| {
        let (from, to) = (w.path(), w.path());
        let flags = w.rng.i32(0..4);
        sys!(
            SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            flags
        )
    }),
    Call::new("mkdir", 1, |w| {
        let path = w.path();
        sys!(SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), 0o777)
    }),
    Call::new("link", 2, |w| {
        let (from, to) = (w.path(), w.path());
        let flags = w.of(&[0, libc::AT_SYMLINK_FOLLOW]);
        sys!(
            SYS_linkat,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            flags
        )
    }),
    Call::new("symlink", 1, |w| {
        let (from, to) = (w.path(), w.path());
        sys!(SYS_symlinkat, from.as_ptr(), libc::AT_FDCWD, to.as_ptr())
    }),
    Call::new("mknod", 2, |w| {
        let path = w.path();
        // Of ptmx, of some slave, of nothing.
        let device = w.of(&[0x502, 0x8800, 0x8801, 0]);
        sys!(
            SYS_mknodat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::S_IFCHR | 0o666,
            device
        )
    }),
    Call::new("truncate", 1, |w| {
        let path = w.path();
        sys!(SYS_truncate, path.as_ptr(), w.len())
    }),
    Call::new("setxattr", 2, |w| {
        let path = w.path();
        let (name, at, len) = (attribute(w), w.good(), w.rng.usize(..300));
        sys!(
            SYS_setxattr,
            path.as_ptr(),
            name.as_ptr(),
            at,
            len,
            w.rng.i32(0..3)
        )
    }),
    Call::new("getxattr", 2, |w| {
        let (path, name) = (w.path(), attribute(w));
        let at = w.place(100);
        sys!(SYS_getxattr, path.as_ptr(), name.as_ptr(), at, 100)
    }),
    Call::new("listxattr", 2, |w| {
        let (fd, at) = (w.any_fd(), w.place(100));
        sys!(SYS_flistxattr, fd, at, w.of(&[0, 100]))
    }),
    Call::new("removexattr", 1, |w| {
        let (path, name) = (w.path(), attribute(w));
        sys!(SYS_removexattr, path.as_ptr(), name.as_ptr())
    }),
    Call::new("fdinfo", 8, |w| {
        let path = format!("/proc/self/fdinfo/{}", w.any_fd());
        text(w, CString::new(path).unwrap_or_default())
    }),
    Call::new("counters", 8, |w| {
        let path = w.counters();
        text(w, path)
    }),
    Call::new("name_to_handle_at", 2, handle),
    Call::new("readlink", 2, |w| {
        let path = w.path();
        let at = w.place(100);
        sys!(SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), at, 100)
    }),
    Call::new("chdir", 2, |w| {
        let path = w.path();
        let ret = sys!(SYS_chdir, path.as_ptr());
        if w.percent(70) {
            sys!(SYS_chdir, c"/".as_ptr());
        }
        ret
    }),
];

fn attribute(w: &mut Worker) -> &'static std::ffi::CStr {
    w.of(&[
        c"user.x",
        c"security.x",
        c"trusted.x",
        c"system.posix_acl_access",
        c"security.capability",
        c"nonsense",
    ])
}

/// Reads a file of text once, and may keep it, to be read again or by others.
fn text(w: &mut Worker, path: CString) -> i64 {
    let flags = libc::O_RDONLY;
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
    if fd < 0 {
        return fd;
    }
    let len = w.of(&[1, 100, 4096, 65536]);
    let at = w.place(len);
    let ret = sys!(SYS_read, fd, at, len);
    let error = nix::errno::Errno::last_raw();
    if w.percent(20) {
        w.keep(fd, What::Other);
    } else {
        sys!(SYS_close, fd);
    }
    nix::errno::Errno::set_raw(error);
    ret
}

/// To a handle, and back by it.
fn handle(w: &mut Worker) -> i64 {
    let path = w.path();
    // handle_bytes and handle_type, then the bytes.
    let mut handle = [0u32; 34];
    handle[0] = w.of(&[128, 128, 0, 8]);
    let mut mount = 0;
    let flags = w.of(&[0, 0x200, 0x400]);
    let ret = sys!(
        SYS_name_to_handle_at,
        libc::AT_FDCWD,
        path.as_ptr(),
        handle.as_mut_ptr(),
        &raw mut mount,
        flags
    );
    if ret < 0 {
        return ret;
    }
    let directory = w.fd(What::Directory);
    let fd = sys!(
        SYS_open_by_handle_at,
        directory,
        handle.as_ptr(),
        libc::O_RDONLY
    );
    w.keep_any(fd)
}
