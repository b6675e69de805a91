// SPDX-License-Identifier: GPL-2.0
//! Descriptors: opening and closing in every order, duplicates, flags.

use std::ffi::CString;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::flags::OpenFlags;
use super::{Cx, Family};
use crate::departures;
use crate::model::{Kind, Model};
use crate::outcome::Outcome;
use crate::select::{Class, Fd, Name};
use crate::world::DEV_TTY;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Files {
    /// Opens a path.
    Open { name: Name, flags: OpenFlags },
    /// Opens `ptmx`, unlocks.
    NewPty { name: Name, flags: OpenFlags },
    /// `TIOCGPTPEER`.
    Peer { master: Fd, flags: OpenFlags },
    /// The controlling terminal, [`DEV_TTY`].
    DevTty { flags: OpenFlags },
    /// close(2).
    Close { fd: Fd },
    /// dup(2).
    Dup { fd: Fd },
    /// dup2(2).
    Dup2 { from: Fd, to: Fd },
    /// `F_GETFL`.
    GetFlags { fd: Fd },
    /// `F_SETFL`.
    SetFlags { fd: Fd, flags: OpenFlags },
    /// fstat(2).
    Stat { fd: Fd },
    /// lseek(2).
    Seek { fd: Fd, offset: i64, whence: i32 },
    /// fsync(2).
    Sync { fd: Fd },
    /// ftruncate(2).
    Truncate { fd: Fd, len: i64 },
    /// flock(2) with `LOCK_NB`.
    Flock { fd: Fd, how: i32 },
}

impl Family for Files {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let ptmx = || any::<u16>().prop_map(Name::Ptmx);
        let any_fd = || Fd::mostly(Class::Any);
        let set = prop_oneof![
            Just(0),
            Just(libc::O_NONBLOCK),
            Just(libc::O_NONBLOCK),
            Just(libc::O_APPEND),
            Just(libc::O_ASYNC | libc::O_NONBLOCK),
            Just(libc::O_DIRECT),
        ];
        vec![
            (
                8,
                (ptmx(), OpenFlags::plain())
                    .prop_map(|(name, flags)| Self::NewPty { name, flags })
                    .boxed(),
            ),
            (
                2,
                (ptmx(), OpenFlags::any())
                    .prop_map(|(name, flags)| Self::NewPty { name, flags })
                    .boxed(),
            ),
            (
                2,
                (ptmx(), OpenFlags::any())
                    .prop_map(|(name, flags)| Self::Open { name, flags })
                    .boxed(),
            ),
            (
                10,
                (Name::slave(), OpenFlags::plain())
                    .prop_map(|(name, flags)| Self::Open { name, flags })
                    .boxed(),
            ),
            (
                4,
                (Name::slave(), OpenFlags::any())
                    .prop_map(|(name, flags)| Self::Open { name, flags })
                    .boxed(),
            ),
            (
                1,
                (Name::any(), OpenFlags::any())
                    .prop_map(|(name, flags)| Self::Open { name, flags })
                    .boxed(),
            ),
            (
                6,
                (
                    Fd::mostly(Class::Master),
                    prop_oneof![OpenFlags::plain(), OpenFlags::any()],
                )
                    .prop_map(|(master, flags)| Self::Peer { master, flags })
                    .boxed(),
            ),
            (
                1,
                OpenFlags::any()
                    .prop_map(|flags| Self::DevTty { flags })
                    .boxed(),
            ),
            (
                7,
                Fd::of(Class::Any).prop_map(|fd| Self::Close { fd }).boxed(),
            ),
            (
                2,
                Fd::of(Class::Master)
                    .prop_map(|fd| Self::Close { fd })
                    .boxed(),
            ),
            (1, any_fd().prop_map(|fd| Self::Close { fd }).boxed()),
            (2, any_fd().prop_map(|fd| Self::Dup { fd }).boxed()),
            (
                1,
                (any_fd(), Fd::of(Class::Any))
                    .prop_map(|(from, to)| Self::Dup2 { from, to })
                    .boxed(),
            ),
            (1, any_fd().prop_map(|fd| Self::GetFlags { fd }).boxed()),
            (
                3,
                (any_fd(), set)
                    .prop_map(|(fd, flags)| Self::SetFlags {
                        fd,
                        flags: OpenFlags(flags),
                    })
                    .boxed(),
            ),
            (2, any_fd().prop_map(|fd| Self::Stat { fd }).boxed()),
            (
                1,
                (any_fd(), -1..5_i64, 0..4)
                    .prop_map(|(fd, offset, whence)| Self::Seek { fd, offset, whence })
                    .boxed(),
            ),
            (1, any_fd().prop_map(|fd| Self::Sync { fd }).boxed()),
            (
                1,
                (any_fd(), -1..5_i64)
                    .prop_map(|(fd, len)| Self::Truncate { fd, len })
                    .boxed(),
            ),
            (
                1,
                (Fd::of(Class::Tty), 0..16)
                    .prop_map(|(fd, how)| Self::Flock { fd, how })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Open { name, .. } | Self::NewPty { name, .. } => name.resolve(model),
            Self::DevTty { .. } => Some(()),
            Self::Dup2 { from, to } => {
                from.resolve(model)?;
                to.resolve(model)
            }
            Self::Peer { master: fd, .. }
            | Self::Close { fd }
            | Self::Dup { fd }
            | Self::GetFlags { fd }
            | Self::SetFlags { fd, .. }
            | Self::Stat { fd }
            | Self::Seek { fd, .. }
            | Self::Sync { fd }
            | Self::Truncate { fd, .. }
            | Self::Flock { fd, .. } => fd.resolve(model),
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        // SAFETY: no pointers but those to values that outlive the calls; the descriptors are the case's own.
        unsafe {
            match self {
                Self::Open { name, flags } => describe(cx, open(name.path(), *flags)),
                Self::NewPty { name, flags } => {
                    let fd = open(name.path(), *flags);
                    let mut unlock = -1;
                    if fd >= 0 {
                        unlock = libc::ioctl(fd, libc::TIOCSPTLCK, &0);
                    }
                    let errno = i64::from(if unlock < 0 {
                        nix::errno::Errno::last_raw()
                    } else {
                        0
                    });
                    describe(cx, fd).with_values([errno])
                }
                Self::Peer { master, flags } => {
                    describe(cx, libc::ioctl(master.number(), libc::TIOCGPTPEER, flags.0))
                }
                Self::DevTty { flags } => describe(cx, open(DEV_TTY, *flags)),
                Self::Close { fd } => Outcome::from_ret(libc::close(fd.number()).into()),
                Self::Dup { fd } => describe(cx, libc::dup(fd.number())),
                Self::Dup2 { from, to } => describe(cx, libc::dup2(from.number(), to.number())),
                Self::GetFlags { fd } => {
                    Outcome::from_ret(libc::fcntl(fd.number(), libc::F_GETFL).into())
                }
                Self::SetFlags { fd, flags } => {
                    Outcome::from_ret(libc::fcntl(fd.number(), libc::F_SETFL, flags.0).into())
                }
                Self::Stat { fd } => fstat(cx, fd.number()),
                Self::Seek { fd, offset, whence } => {
                    Outcome::from_ret(libc::lseek(fd.number(), *offset, *whence))
                }
                Self::Sync { fd } => Outcome::from_ret(libc::fsync(fd.number()).into()),
                Self::Truncate { fd, len } => {
                    Outcome::from_ret(libc::ftruncate(fd.number(), *len).into())
                }
                Self::Flock { fd, how } => {
                    Outcome::from_ret(libc::flock(fd.number(), how | libc::LOCK_NB).into())
                }
            }
        }
    }

    fn learn(&self, outcome: &Outcome, model: &mut Model) {
        match self {
            Self::Close { fd } => model.closed(fd.number()),
            Self::Dup { .. } | Self::Dup2 { .. } if outcome.ok() => {
                let (Self::Dup { fd: from } | Self::Dup2 { from, .. }) = self else {
                    return;
                };
                if let Some(open) = model.fds.get(&from.number()).copied() {
                    model.opened(outcome.ret, open.kind);
                }
            }
            Self::Open { name, .. } | Self::NewPty { name, .. } if outcome.ok() => {
                let kind = kind(Model::mount_of(name.path()), outcome);
                if let Kind::Master(mount, index) = kind {
                    model.born(mount, index);
                }
                model.opened(outcome.ret, kind);
            }
            Self::Peer { master, .. } if outcome.ok() => {
                let mount = match model.fds.get(&master.number()).map(|open| open.kind) {
                    Some(Kind::Master(mount, _)) => mount,
                    _ => 0,
                };
                model.opened(outcome.ret, kind(mount, outcome));
            }
            Self::DevTty { .. } if outcome.ok() => model.opened(outcome.ret, Kind::Slave(0, -1)),
            _ => {}
        }
    }

    fn opens(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::NewPty { .. }
                | Self::Peer { .. }
                | Self::DevTty { .. }
                | Self::Dup { .. }
        )
    }
}

/// open(2).
pub fn open(path: &str, flags: OpenFlags) -> i32 {
    let path = CString::new(path).unwrap_or_default();
    // SAFETY: a path; the mode is for O_CREAT.
    unsafe { libc::open(path.as_ptr(), flags.0, 0o600) }
}

/// What was opened: type, inode number, device, pty index of a master.
fn describe(cx: &Cx<'_>, fd: i32) -> Outcome {
    let outcome = Outcome::from_ret(fd.into());
    if fd < 0 {
        return outcome;
    }
    let Ok(stat) = nix::sys::stat::fstat(unsafe_fd(fd)) else {
        return outcome;
    };
    let mut index = -1_i32;
    // SAFETY: writes an int.
    unsafe { libc::ioctl(fd, libc::TIOCGPTN, &mut index) };
    let kind = i64::from(stat.st_mode & libc::S_IFMT);
    outcome.with_values([
        kind,
        stat.st_ino as i64,
        departures::device(cx.target, stat.st_rdev),
        index.into(),
    ])
}

/// A descriptor as `nix` wants it.
pub fn unsafe_fd(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: used for calls where a descriptor that is not open only gives EBADF; -1, which the type excludes, is not
    // passed on.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(if fd == -1 { i32::MAX } else { fd }) }
}

/// fstat(2).
fn fstat(cx: &Cx<'_>, fd: i32) -> Outcome {
    match nix::sys::stat::fstat(unsafe_fd(fd)) {
        Ok(stat) => Outcome::default().with_values(departures::stat(cx.target, &stat)),
        Err(e) => Outcome::from_result(Err(e)),
    }
}

/// What an open gave.
fn kind(mount: usize, outcome: &Outcome) -> Kind {
    match outcome.values[..] {
        [_, 2, _, index, ..] if index >= 0 => Kind::Master(mount, index),
        [kind, ino, ..] if kind == i64::from(libc::S_IFCHR) && ino >= 3 => {
            Kind::Slave(mount, ino - 3)
        }
        _ => Kind::Other,
    }
}
