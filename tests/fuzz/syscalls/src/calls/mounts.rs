// SPDX-License-Identifier: GPL-2.0
//! Mounts: made, changed, moved, put on top of nodes, taken away.

use std::ffi::CString;

use super::{sys, Call};
use crate::worker::{Role, What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("mount", 5, |w| {
        let (at, options) = (target(w), options(w));
        let flags = w.flags(FLAGS);
        mount(w, &at, flags as u64, &options)
    }),
    Call::new("remount", 4, |w| {
        let (at, options) = (target(w), options(w));
        let flags = libc::MS_REMOUNT | w.flags(FLAGS) as u64;
        mount(w, &at, flags, &options)
    }),
    Call::new("bind", 4, |w| {
        let (from, to) = (w.path(), w.path());
        let flags = libc::MS_BIND | w.of(&[0, libc::MS_REC]);
        sys!(SYS_mount, from.as_ptr(), to.as_ptr(), 0, flags, 0)
    }),
    Call::new("remount bind", 1, |w| {
        let to = w.path();
        let flags = libc::MS_BIND | libc::MS_REMOUNT | w.flags(FLAGS) as u64;
        sys!(SYS_mount, 0, to.as_ptr(), 0, flags, 0)
    }),
    Call::new("move mount", 1, |w| {
        let (from, to) = (target(w), target(w));
        sys!(SYS_mount, from.as_ptr(), to.as_ptr(), 0, libc::MS_MOVE, 0)
    }),
    Call::new("propagation", 1, |w| {
        let to = target(w);
        let kind = w.of(&[
            libc::MS_SHARED,
            libc::MS_PRIVATE,
            libc::MS_SLAVE,
            libc::MS_UNBINDABLE,
        ]);
        sys!(SYS_mount, 0, to.as_ptr(), 0, kind, 0)
    }),
    Call::new("umount", 6, |w| {
        let path = if w.percent(60) { w.path() } else { target(w) };
        let flags = w.of(&[
            0,
            libc::MNT_DETACH,
            libc::MNT_DETACH,
            libc::MNT_EXPIRE,
            libc::MNT_FORCE,
        ]);
        sys!(SYS_umount2, path.as_ptr(), flags)
    }),
    Call::new("fsmount", 3, fsmount),
    Call::new("fspick", 2, |w| {
        let at = target(w);
        let context = sys!(SYS_fspick, libc::AT_FDCWD, at.as_ptr(), 0);
        if context < 0 {
            return context;
        }
        for _ in 0..w.rng.u8(..3) {
            configure(w, context);
        }
        let ret = sys!(SYS_fsconfig, context, 7, 0, 0, 0);
        w.keep(context, What::Other);
        ret
    }),
    Call::new("open_tree", 2, |w| {
        let path = w.path();
        let flags = w.of(&[0, 1, 1, 0x8001]);
        let fd = sys!(SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        w.keep(fd, What::Directory)
    }),
    Call::new("move_mount", 2, |w| {
        let (from, to) = (w.fd(What::Directory), w.path());
        sys!(
            SYS_move_mount,
            from,
            c"".as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            4
        )
    }),
    Call::new("sysctl", 3, sysctl),
];

/// `MS_MANDLOCK` is not among them: what the kernel says about it has the word WARNING, and is none.
const FLAGS: &[i32] = &[1, 2, 4, 8, 16, 1024, 2048, 32768, 1 << 21, 1 << 24, 1 << 25];

/// Where something is mounted, mostly.
fn target(w: &mut Worker) -> CString {
    CString::new(w.mount_point()).unwrap_or_default()
}

fn mount(w: &mut Worker, at: &CString, flags: u64, options: &CString) -> i64 {
    let fstype = w.plan.fstype.as_ptr();
    let data = if w.percent(95) {
        options.as_ptr() as usize
    } else {
        w.place(4096)
    };
    let ret = sys!(SYS_mount, fstype, at.as_ptr(), fstype, flags, data);
    // A new one is of use when all can open its ptmx.
    if ret == 0 && w.percent(70) {
        let options = c"ptmxmode=666,mode=666";
        sys!(
            SYS_mount,
            fstype,
            at.as_ptr(),
            fstype,
            libc::MS_REMOUNT,
            options.as_ptr()
        );
    }
    ret
}

/// One option, right or wrong.
fn option(w: &mut Worker) -> String {
    let name = w.of(&[
        "uid",
        "gid",
        "mode",
        "ptmxmode",
        "max",
        "newinstance",
        "nonsense",
        "",
        "source",
    ]);
    let any = w.rng.u32(..).to_string();
    let value = w.of(&[
        "0",
        "1",
        "5",
        "8",
        "20",
        "666",
        "0666",
        "0x1b6",
        "1000",
        "1048576",
        "1048577",
        "-1",
        "",
        "x",
        "4294967296",
        any.as_str(),
    ]);
    match w.rng.u8(..8) {
        0 => name.to_string(),
        1 => "newinstance".to_string(),
        2..=3 => "ptmxmode=666".to_string(),
        _ => format!("{name}={value}"),
    }
}

fn options(w: &mut Worker) -> CString {
    let n = w.rng.usize(..4);
    let options: Vec<String> = (0..n).map(|_| option(w)).collect();
    CString::new(options.join(",")).unwrap_or_default()
}

fn configure(w: &mut Worker, context: i64) -> i64 {
    let option = option(w);
    let (name, value) = option.split_once('=').unwrap_or((&option, ""));
    let name = CString::new(name).unwrap_or_default();
    let value = CString::new(value).unwrap_or_default();
    let (command, value) = match w.rng.u8(..8) {
        0 => (0, 0),
        1 => (w.rng.i32(0..10), w.place(64)),
        _ => (1, value.as_ptr() as usize),
    };
    sys!(SYS_fsconfig, context, command, name.as_ptr(), value, 0)
}

fn fsmount(w: &mut Worker) -> i64 {
    let fstype = w.plan.fstype.as_ptr();
    let context = sys!(SYS_fsopen, fstype, 0);
    if context < 0 {
        return context;
    }
    for _ in 0..w.rng.u8(..4) {
        configure(w, context);
    }
    let create = w.of(&[6, 6, 6, 8]);
    let mut ret = sys!(SYS_fsconfig, context, create, 0, 0, 0);
    if ret == 0 {
        ret = sys!(SYS_fsmount, context, 0, w.of(&[0, 2, 8]));
        if ret >= 0 && w.percent(50) {
            let at = target(w);
            sys!(
                SYS_move_mount,
                ret,
                c"".as_ptr(),
                libc::AT_FDCWD,
                at.as_ptr(),
                4
            );
        }
        w.keep(ret, What::Directory);
    }
    let error = nix::errno::Errno::last_raw();
    sys!(SYS_close, context);
    nix::errno::Errno::set_raw(error);
    ret
}

/// The limits of all mounts: mostly high enough for something to go on.
fn sysctl(w: &mut Worker) -> i64 {
    let name = w.of(&["max", "max", "reserve", "nr"]);
    let path = CString::new(format!("{}/{name}", w.plan.sysctl)).unwrap_or_default();
    let write = w.role == Role::Root && w.percent(50);
    let fd = sys!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDWR, 0);
    if fd < 0 {
        return fd;
    }
    let ret = if write {
        let n = w.of(&[
            "4096",
            "4096",
            "4096",
            "64",
            "64",
            "4",
            "0",
            "-1",
            "1048576",
            "9999999999",
            "x",
        ]);
        sys!(SYS_write, fd, n.as_ptr(), n.len())
    } else {
        let at = w.place(64);
        sys!(SYS_read, fd, at, 64)
    };
    let error = nix::errno::Errno::last_raw();
    sys!(SYS_close, fd);
    nix::errno::Errno::set_raw(error);
    ret
}
