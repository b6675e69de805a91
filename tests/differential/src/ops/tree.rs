// SPDX-License-Identifier: GPL-2.0
//! The directory: names, their attributes, and what is not allowed in it.

use std::ffi::{CStr, CString};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::Name;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Tree {
    /// lstat(2).
    Stat { name: Name },
    /// statfs(2).
    Statfs { name: Name },
    /// The names in a directory, with inode number and type.
    List { name: Name },
    /// chmod(2).
    Chmod { name: Name, mode: u32 },
    /// chown(2).
    Chown { name: Name, uid: u32, gid: u32 },
    /// access(2).
    Access { name: Name, mode: i32 },
    /// utimensat(2) to the beginning of time.
    Touch { name: Name },
    /// unlink(2).
    Unlink { name: Name },
    /// mkdir(2).
    Mkdir { name: Name },
    /// rmdir(2).
    Rmdir { name: Name },
    /// mknod(2) of a null device.
    Mknod { name: Name },
    /// symlink(2).
    Symlink { name: Name },
    /// link(2).
    Link { from: Name, to: Name },
    /// rename(2).
    Rename { from: Name, to: Name },
    /// readlink(2).
    Readlink { name: Name },
    /// truncate(2).
    Truncate { name: Name },
    /// setxattr(2), then listxattr(2).
    Xattr { name: Name },
}

impl Family for Tree {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let mode = prop_oneof![
            Just(0o620),
            Just(0o600),
            Just(0),
            Just(0o666),
            Just(0o7777),
            any::<u32>()
        ];
        let id = || prop_oneof![Just(0), Just(5), Just(1000), Just(u32::MAX)];
        let mut all = vec![
            (6, Name::any().prop_map(|name| Self::Stat { name }).boxed()),
            (
                2,
                Name::any().prop_map(|name| Self::Statfs { name }).boxed(),
            ),
            (
                4,
                any::<u16>()
                    .prop_map(|n| Self::List {
                        name: Name::Root(n),
                    })
                    .boxed(),
            ),
            (1, Name::any().prop_map(|name| Self::List { name }).boxed()),
            (
                3,
                (Name::any(), mode)
                    .prop_map(|(name, mode)| Self::Chmod { name, mode })
                    .boxed(),
            ),
            (
                2,
                (Name::any(), id(), id())
                    .prop_map(|(name, uid, gid)| Self::Chown { name, uid, gid })
                    .boxed(),
            ),
            (
                2,
                (Name::any(), 0..8)
                    .prop_map(|(name, mode)| Self::Access { name, mode })
                    .boxed(),
            ),
            (
                1,
                (Name::any(), Name::any())
                    .prop_map(|(from, to)| Self::Link { from, to })
                    .boxed(),
            ),
            (
                1,
                (Name::any(), Name::any())
                    .prop_map(|(from, to)| Self::Rename { from, to })
                    .boxed(),
            ),
        ];
        let rare: [fn(Name) -> Self; 9] = [
            |name| Self::Touch { name },
            |name| Self::Unlink { name },
            |name| Self::Mkdir { name },
            |name| Self::Rmdir { name },
            |name| Self::Mknod { name },
            |name| Self::Symlink { name },
            |name| Self::Readlink { name },
            |name| Self::Truncate { name },
            |name| Self::Xattr { name },
        ];
        all.extend(rare.map(|make| (1, Name::any().prop_map(make).boxed())));
        all
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Link { from, to } | Self::Rename { from, to } => {
                from.resolve(model)?;
                to.resolve(model)
            }
            Self::Stat { name }
            | Self::Statfs { name }
            | Self::List { name }
            | Self::Chmod { name, .. }
            | Self::Chown { name, .. }
            | Self::Access { name, .. }
            | Self::Touch { name }
            | Self::Unlink { name }
            | Self::Mkdir { name }
            | Self::Rmdir { name }
            | Self::Mknod { name }
            | Self::Symlink { name }
            | Self::Readlink { name }
            | Self::Truncate { name }
            | Self::Xattr { name } => name.resolve(model),
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        let c = |name: &Name| CString::new(name.path()).unwrap_or_default();
        // SAFETY: paths, and values that outlive the calls.
        unsafe {
            let ret = match self {
                Self::Stat { name } => return stat(cx, &c(name)),
                Self::Statfs { name } => return statfs(&c(name)),
                Self::List { name } => return list(&c(name)),
                Self::Readlink { name } => return readlink(&c(name)),
                Self::Xattr { name } => return xattr(&c(name)),
                Self::Chmod { name, mode } => libc::chmod(c(name).as_ptr(), *mode),
                Self::Chown { name, uid, gid } => libc::chown(c(name).as_ptr(), *uid, *gid),
                Self::Access { name, mode } => libc::access(c(name).as_ptr(), *mode),
                Self::Touch { name } => {
                    let times = [libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 0,
                    }; 2];
                    libc::utimensat(libc::AT_FDCWD, c(name).as_ptr(), times.as_ptr(), 0)
                }
                Self::Unlink { name } => libc::unlink(c(name).as_ptr()),
                Self::Mkdir { name } => libc::mkdir(c(name).as_ptr(), 0o755),
                Self::Rmdir { name } => libc::rmdir(c(name).as_ptr()),
                Self::Mknod { name } => {
                    libc::mknod(c(name).as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3))
                }
                Self::Symlink { name } => libc::symlink(c"ptmx".as_ptr(), c(name).as_ptr()),
                Self::Link { from, to } => libc::link(c(from).as_ptr(), c(to).as_ptr()),
                Self::Rename { from, to } => libc::rename(c(from).as_ptr(), c(to).as_ptr()),
                Self::Truncate { name } => libc::truncate(c(name).as_ptr(), 0),
            };
            Outcome::from_ret(ret.into())
        }
    }
}

/// lstat(2).
fn stat(cx: &Cx<'_>, path: &CStr) -> Outcome {
    match nix::sys::stat::lstat(path) {
        Ok(stat) => Outcome::default().with_values(departures::stat(cx.target, &stat)),
        Err(e) => Outcome::from_result(Err(e)),
    }
}

/// statfs(2).
fn statfs(path: &CStr) -> Outcome {
    match nix::sys::statfs::statfs(path) {
        Ok(st) => Outcome::default().with_values(departures::statfs(&st)),
        Err(e) => Outcome::from_result(Err(e)),
    }
}

/// readlink(2).
fn readlink(path: &CStr) -> Outcome {
    let mut buf = vec![0_u8; 64];
    // SAFETY: the buffer is as long as said.
    let mut outcome = Outcome::from_ret(unsafe {
        libc::readlink(path.as_ptr(), buf.as_mut_ptr().cast(), buf.len())
    } as i64);
    buf.truncate(usize::try_from(outcome.ret).unwrap_or(0));
    outcome.bytes = buf;
    outcome
}

/// setxattr(2), then the length of what listxattr(2) gives.
fn xattr(path: &CStr) -> Outcome {
    // SAFETY: names and a value of the given length; no list is written.
    unsafe {
        let set = libc::setxattr(
            path.as_ptr(),
            c"user.x".as_ptr(),
            c"v".as_ptr().cast(),
            1,
            0,
        );
        let set = Outcome::from_ret(set.into()).ret;
        let list = libc::listxattr(path.as_ptr(), std::ptr::null_mut(), 0);
        Outcome::from_ret(list as i64).with_values([set])
    }
}

/// The entries of a directory.
fn list(path: &CStr) -> Outcome {
    let dir = match nix::dir::Dir::open(
        path,
        nix::fcntl::OFlag::O_RDONLY,
        nix::sys::stat::Mode::empty(),
    ) {
        Ok(dir) => dir,
        Err(e) => return Outcome::from_result(Err(e)),
    };
    let names: Vec<String> = dir
        .into_iter()
        .map(|entry| match entry {
            Ok(entry) => format!(
                "{}={} {:?}",
                entry.file_name().to_string_lossy(),
                entry.ino(),
                entry.file_type()
            ),
            Err(e) => format!("{e:?}"),
        })
        .collect();
    Outcome {
        ret: names.len() as i64,
        text: departures::entries(names),
        ..Outcome::default()
    }
}
