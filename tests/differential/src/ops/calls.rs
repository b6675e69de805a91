// SPDX-License-Identifier: GPL-2.0
//! Other ways to read and write, and calls on files that a terminal refuses.

use std::ffi::CString;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::data::Text;
use super::{refused, Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::{Class, Fd, Name};

/// What fits into a pipe at once.
const PIPE: usize = 4096;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Calls {
    /// preadv2(2).
    Preadv2 {
        fd: Fd,
        len: u16,
        offset: i64,
        flags: i32,
    },
    /// pwritev2(2).
    Pwritev2 {
        fd: Fd,
        text: Text,
        offset: i64,
        flags: i32,
    },
    /// splice(2) into a pipe, and what is in that then.
    SpliceFrom { fd: Fd, len: u16 },
    /// splice(2) of a page at most from a pipe.
    SpliceTo { fd: Fd, text: Text },
    /// sendfile(2) from a file in memory.
    Sendfile { fd: Fd, text: Text },
    /// sendfile(2) from a terminal, which is refused.
    SendfileFrom { fd: Fd },
    /// statx(2).
    Statx { name: Name, flags: i32 },
    /// fchmod(2).
    Fchmod { fd: Fd, mode: u32 },
    /// fchown(2).
    Fchown { fd: Fd, uid: u32, gid: u32 },
    /// faccessat2(2).
    Access { name: Name, mode: i32, flags: i32 },
    /// One of the calls of [`refused::odd`].
    Odd { fd: Fd, which: u8 },
    /// A path that is not mapped, to one of the calls of [`refused::bad_path`].
    BadPath { which: u8 },
}

impl Family for Calls {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let tty = || Fd::mostly(Class::Tty);
        // Not of an epoll or inotify instance: the inode of these is the whole kernel's.
        let own = || Fd::of(Class::Tty);
        let offset = || prop_oneof![8 => Just(-1_i64), 1 => Just(0), 1 => Just(7), 1 => Just(-2)];
        let flags = || prop_oneof![4 => Just(0), 6 => 0..512, 1 => any::<i32>()];
        let id = || prop_oneof![Just(0), Just(5), Just(1000), Just(u32::MAX)];
        vec![
            (
                6,
                (Fd::mostly(Class::Readable), 0..300_u16, offset(), flags())
                    .prop_map(|(fd, len, offset, flags)| Self::Preadv2 {
                        fd,
                        len,
                        offset,
                        flags,
                    })
                    .boxed(),
            ),
            (
                6,
                (tty(), Text::any(), offset(), flags())
                    .prop_map(|(fd, text, offset, flags)| Self::Pwritev2 {
                        fd,
                        text,
                        offset,
                        flags,
                    })
                    .boxed(),
            ),
            (
                4,
                (Fd::mostly(Class::Readable), 0..4096_u16)
                    .prop_map(|(fd, len)| Self::SpliceFrom { fd, len })
                    .boxed(),
            ),
            (
                4,
                (tty(), Text::any())
                    .prop_map(|(fd, text)| Self::SpliceTo { fd, text })
                    .boxed(),
            ),
            (
                2,
                (tty(), Text::any())
                    .prop_map(|(fd, text)| Self::Sendfile { fd, text })
                    .boxed(),
            ),
            (1, tty().prop_map(|fd| Self::SendfileFrom { fd }).boxed()),
            (
                2,
                (
                    Name::any(),
                    prop_oneof![4 => Just(0), 1 => Just(libc::AT_SYMLINK_NOFOLLOW), 1 => any::<i32>()],
                )
                    .prop_map(|(name, flags)| Self::Statx { name, flags })
                    .boxed(),
            ),
            (
                1,
                (own(), any::<u32>())
                    .prop_map(|(fd, mode)| Self::Fchmod { fd, mode })
                    .boxed(),
            ),
            (
                1,
                (own(), id(), id())
                    .prop_map(|(fd, uid, gid)| Self::Fchown { fd, uid, gid })
                    .boxed(),
            ),
            (
                1,
                (Name::any(), 0..9, prop_oneof![Just(0), Just(libc::AT_EACCESS), any::<i32>()])
                    .prop_map(|(name, mode, flags)| Self::Access { name, mode, flags })
                    .boxed(),
            ),
            (
                3,
                (own(), any::<u8>())
                    .prop_map(|(fd, which)| Self::Odd { fd, which })
                    .boxed(),
            ),
            (
                1,
                any::<u8>().prop_map(|which| Self::BadPath { which }).boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Preadv2 { fd, .. }
            | Self::Pwritev2 { fd, .. }
            | Self::SpliceFrom { fd, .. }
            | Self::SpliceTo { fd, .. }
            | Self::Sendfile { fd, .. }
            | Self::SendfileFrom { fd }
            | Self::Fchmod { fd, .. }
            | Self::Fchown { fd, .. }
            | Self::Odd { fd, .. } => fd.resolve(model),
            Self::Statx { name, .. } | Self::Access { name, .. } => name.resolve(model),
            Self::BadPath { .. } => Some(()),
        }
    }

    fn text(&mut self) -> Option<(i32, &mut Text)> {
        match self {
            Self::Pwritev2 { fd, text, .. }
            | Self::SpliceTo { fd, text }
            | Self::Sendfile { fd, text } => Some((fd.number(), text)),
            _ => None,
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        let c = |name: &Name| CString::new(name.path()).unwrap_or_default();
        // SAFETY: buffers are as long as said, and outlive the calls.
        unsafe {
            match self {
                Self::Preadv2 {
                    fd,
                    len,
                    offset,
                    flags,
                } => {
                    let flags = departures::may_wait(fd.number(), *flags);
                    read_with(fd.number(), usize::from(*len), *offset, flags)
                }
                Self::Pwritev2 {
                    fd,
                    text,
                    offset,
                    flags,
                } => {
                    let bytes = departures::at_once(fd.number(), text.bytes());
                    let part = segment(bytes.as_ptr(), bytes.len());
                    let flags = departures::may_wait(fd.number(), *flags);
                    let wrote = libc::pwritev2(fd.number(), &part, 1, *offset, flags);
                    Outcome::from_ret(wrote as i64)
                }
                Self::SpliceFrom { fd, len } => splice_from(fd.number(), usize::from(*len)),
                Self::SpliceTo { fd, text } => {
                    splice_to(fd.number(), &departures::at_once(fd.number(), text.bytes()))
                }
                Self::Sendfile { fd, text } => {
                    sendfile(fd.number(), &departures::at_once(fd.number(), text.bytes()))
                }
                Self::SendfileFrom { fd } => {
                    let to = libc::memfd_create(c"to".as_ptr(), 0);
                    let sent = libc::sendfile(to, fd.number(), std::ptr::null_mut(), 10);
                    let outcome = Outcome::from_ret(sent as i64);
                    libc::close(to);
                    outcome
                }
                Self::Statx { name, flags } => statx(cx, &c(name), *flags),
                Self::Fchmod { fd, mode } => {
                    Outcome::from_ret(libc::fchmod(fd.number(), *mode).into())
                }
                Self::Fchown { fd, uid, gid } => {
                    Outcome::from_ret(libc::fchown(fd.number(), *uid, *gid).into())
                }
                Self::Access { name, mode, flags } => {
                    let path = c(name);
                    Outcome::from_ret(libc::syscall(
                        libc::SYS_faccessat2,
                        libc::AT_FDCWD,
                        path.as_ptr(),
                        *mode,
                        *flags,
                    ))
                }
                Self::Odd { fd, which } => refused::odd(fd.number(), *which),
                Self::BadPath { which } => refused::bad_path(*which),
            }
        }
    }

    fn writes(&self) -> bool {
        matches!(
            self,
            Self::Pwritev2 { .. } | Self::SpliceTo { .. } | Self::Sendfile { .. }
        )
    }

    fn stream_read(&self) -> Option<(i32, usize)> {
        match self {
            Self::Preadv2 { fd, len, .. } | Self::SpliceFrom { fd, len } => {
                Some((fd.number(), (*len).into()))
            }
            _ => None,
        }
    }
}

fn segment(base: *const u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: base.cast_mut().cast(),
        iov_len: len,
    }
}

/// preadv2(2).
fn read_with(fd: i32, len: usize, offset: i64, flags: i32) -> Outcome {
    let mut bytes = vec![0_u8; len];
    let part = segment(bytes.as_mut_ptr(), len);
    // SAFETY: the buffer is as long as said.
    let got = unsafe { libc::preadv2(fd, &part, 1, offset, flags) };
    let outcome = Outcome::from_ret(got as i64);
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    Outcome { bytes, ..outcome }
}

/// A pipe, closed when dropped.
struct Pipe([i32; 2]);

impl Pipe {
    fn new() -> Self {
        let mut ends = [-1; 2];
        // SAFETY: writes two ints.
        unsafe { libc::pipe(ends.as_mut_ptr()) };
        Self(ends)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for end in self.0 {
            // SAFETY: no pointers.
            unsafe { libc::close(end) };
        }
    }
}

fn splice(from: i32, to: i32, len: usize) -> Outcome {
    let none = std::ptr::null_mut();
    // SAFETY: no offsets.
    Outcome::from_ret(unsafe { libc::splice(from, none, to, none, len, 0) } as i64)
}

fn splice_from(fd: i32, len: usize) -> Outcome {
    let pipe = Pipe::new();
    let outcome = splice(fd, pipe.0[1], len);
    let mut bytes = vec![0_u8; usize::try_from(outcome.ret).unwrap_or(0)];
    if !bytes.is_empty() {
        // SAFETY: the buffer is as long as said, and so much is in the pipe.
        unsafe { libc::read(pipe.0[0], bytes.as_mut_ptr().cast(), bytes.len()) };
    }
    Outcome { bytes, ..outcome }
}

fn splice_to(fd: i32, bytes: &[u8]) -> Outcome {
    let pipe = Pipe::new();
    let len = bytes.len().min(PIPE);
    if len == 0 {
        return Outcome::default();
    }
    // SAFETY: the buffer is as long as said, and the pipe has room.
    unsafe { libc::write(pipe.0[1], bytes.as_ptr().cast(), len) };
    splice(pipe.0[0], fd, len)
}

fn sendfile(fd: i32, bytes: &[u8]) -> Outcome {
    // SAFETY: buffers are as long as said, and outlive the calls.
    unsafe {
        let from = libc::memfd_create(c"from".as_ptr(), 0);
        libc::write(from, bytes.as_ptr().cast(), bytes.len());
        let mut at = 0;
        let sent = libc::sendfile(fd, from, &mut at, bytes.len());
        let outcome = Outcome::from_ret(sent as i64).with_values([at]);
        libc::close(from);
        outcome
    }
}

/// statx(2), without times and what differs between any two mounts.
fn statx(cx: &Cx<'_>, path: &CString, flags: i32) -> Outcome {
    // SAFETY: the path and the buffer outlive the call.
    unsafe {
        let mut st: libc::statx = std::mem::zeroed();
        let ret = libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, 0x7ff, &mut st);
        Outcome::from_ret(ret.into()).with_values([
            st.stx_mask.into(),
            st.stx_ino as i64,
            st.stx_mode.into(),
            st.stx_nlink.into(),
            st.stx_uid.into(),
            st.stx_gid.into(),
            st.stx_blksize.into(),
            st.stx_attributes as i64,
            st.stx_attributes_mask as i64,
            departures::device(
                cx.target,
                libc::makedev(st.stx_rdev_major, st.stx_rdev_minor),
            ),
        ])
    }
}
