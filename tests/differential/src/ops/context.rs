// SPDX-License-Identifier: GPL-2.0
//! The mount API of file system contexts.

use std::ffi::CString;

use crate::departures;
use crate::outcome::Outcome;
use crate::world::Target;

/// fsconfig(2) commands.
const SET_FLAG: u32 = 0;
const SET_STRING: u32 = 1;
const SET_PATH: u32 = 3;
const SET_FD: u32 = 5;
const CREATE: u32 = 6;
const RECONFIGURE: u32 = 7;

/// A file system context.
struct Context<'a> {
    target: &'a Target,
    fd: i64,
    rets: Vec<i64>,
}

impl Context<'_> {
    fn config(&mut self, command: u32, key: Option<&str>, value: Option<&str>, aux: i32) {
        let c = |text: &str| CString::new(text).unwrap_or_default();
        let (key, value) = (key.map(c), value.map(c));
        let ptr = |s: &Option<CString>| s.as_ref().map_or(std::ptr::null(), |s| s.as_ptr());
        // SAFETY: the strings outlive the call.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.fd,
                command,
                ptr(&key),
                ptr(&value),
                aux,
            )
        };
        self.rets.push(Outcome::from_ret(ret).ret);
    }

    fn set(&mut self, options: &str) {
        for option in options.split(',') {
            match option.split_once('=') {
                Some((key, value)) => self.config(SET_STRING, Some(key), Some(value), 0),
                None => self.config(SET_FLAG, Some(option), None, 0),
            }
        }
    }

    /// What came of it, and the messages.
    fn end(self) -> Outcome {
        let mut text = Vec::new();
        let mut line = [0_u8; 1024];
        loop {
            // SAFETY: the buffer is as long as said.
            let got = unsafe { libc::read(self.fd as i32, line.as_mut_ptr().cast(), line.len()) };
            let Some(line) = usize::try_from(got).ok().and_then(|n| line.get(..n)) else {
                break;
            };
            let line = String::from_utf8_lossy(line);
            text.push(departures::fstype(self.target, line.trim_end()));
            if line.is_empty() {
                break;
            }
        }
        // SAFETY: no pointers.
        unsafe { libc::close(self.fd as i32) };
        Outcome {
            values: self.rets,
            text,
            ..Outcome::default()
        }
    }
}

/// fsopen(2) to move_mount(2).
pub fn create(target: &Target, at: &str, options: &str, odd: u8) -> Outcome {
    let name = CString::new(target.fstype.as_str()).unwrap_or_default();
    // SAFETY: the name outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), 1) };
    if fd < 0 {
        return Outcome::from_ret(fd);
    }
    let mut context = Context {
        target,
        fd,
        rets: Vec::new(),
    };
    match odd % 16 {
        0 => context.config(RECONFIGURE, None, None, 0),
        1 => context.config(SET_FD, Some("mode"), None, 0),
        2 => context.config(SET_PATH, Some("mode"), Some("/"), libc::AT_FDCWD),
        3 => context.config(CREATE, None, None, 0),
        4 => context.config(99, None, None, 0),
        _ => {}
    }
    context.set(options);
    context.config(CREATE, None, None, 0);
    // SAFETY: strings that outlive the calls.
    unsafe {
        let made = libc::syscall(libc::SYS_fsmount, fd, 1, 0);
        let moved = if made >= 0 && odd >= 128 {
            let to = CString::new(at).unwrap_or_default();
            libc::syscall(
                libc::SYS_move_mount,
                made,
                c"".as_ptr(),
                libc::AT_FDCWD,
                to.as_ptr(),
                4,
            )
        } else {
            0
        };
        context.rets.push(Outcome::from_ret(made).ret);
        context.rets.push(moved);
        libc::close(made as i32);
    }
    context.end()
}

/// fspick(2), and all to the reconfiguration.
pub fn pick(target: &Target, path: &str, options: &str) -> Outcome {
    let name = CString::new(path).unwrap_or_default();
    // SAFETY: the path outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_fspick, libc::AT_FDCWD, name.as_ptr(), 1) };
    if fd < 0 {
        return Outcome::from_ret(fd);
    }
    let mut context = Context {
        target,
        fd,
        rets: Vec::new(),
    };
    context.set(options);
    context.config(RECONFIGURE, None, None, 0);
    context.end()
}
