// SPDX-License-Identifier: GPL-2.0

//! Where everything is read from: the machine, or what a test has made to look like one.

use nix::unistd::{Gid, Group, Uid, User};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Names of users and groups.
pub trait Names {
    /// The name of a user.
    fn user(&self, uid: u32) -> Option<String>;
    /// The name of a group.
    fn group(&self, gid: u32) -> Option<String>;
}

/// Those that the C library knows. It may have to ask a server: each is asked for once.
#[derive(Default)]
struct Accounts {
    users: RefCell<HashMap<u32, Option<String>>>,
    groups: RefCell<HashMap<u32, Option<String>>>,
}

impl Names for Accounts {
    fn user(&self, uid: u32) -> Option<String> {
        let ask = || Some(User::from_uid(Uid::from_raw(uid)).ok()??.name);
        self.users
            .borrow_mut()
            .entry(uid)
            .or_insert_with(ask)
            .clone()
    }

    fn group(&self, gid: u32) -> Option<String> {
        let ask = || Some(Group::from_gid(Gid::from_raw(gid)).ok()??.name);
        self.groups
            .borrow_mut()
            .entry(gid)
            .or_insert_with(ask)
            .clone()
    }
}

/// A machine to look at.
pub struct System {
    /// Where proc is mounted.
    pub proc: PathBuf,
    /// Where sysfs is mounted.
    pub sys: PathBuf,
    /// Who is who.
    pub names: Box<dyn Names>,
    /// What time it is, in seconds since 1970.
    pub now: i64,
}

impl System {
    /// This machine, now.
    pub fn this() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            names: Box::new(Accounts::default()),
            now: now.map_or(0, |now| now.as_secs().try_into().unwrap_or(i64::MAX)),
        }
    }
}

/// What was wrong without being a reason to stop: one line each, for standard error.
#[derive(Debug, Default)]
pub struct Warnings(pub Vec<String>);

impl Warnings {
    /// Notes what is wrong with a file.
    pub fn add(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.0.push(format!("{}: {what}", path.display()));
    }

    /// What was asked for, if it is there and the caller may have it. Processes and ptys come and go, and much is not for
    /// everybody: only other errors are worth a word.
    pub fn known<T>(&mut self, path: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !is_gone(&error) && error.kind() != io::ErrorKind::PermissionDenied {
                    self.add(path, error);
                }
                None
            }
        }
    }
}

/// Whether it says that a file or a process is not there.
pub fn is_gone(error: &io::Error) -> bool {
    // A process that ends while its files are read.
    let ended = Some(rustix::io::Errno::SRCH.raw_os_error());
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_strange_is_told() {
        let mut warnings = Warnings::default();
        let path = Path::new("/proc/1/fd");
        assert_eq!(warnings.known(path, Ok(1)), Some(1));
        for errno in [
            rustix::io::Errno::NOENT,
            rustix::io::Errno::SRCH,
            rustix::io::Errno::ACCESS,
            rustix::io::Errno::PERM,
        ] {
            assert_eq!(warnings.known::<()>(path, Err(errno.into())), None);
        }
        assert!(warnings.0.is_empty(), "{warnings:?}");
        assert_eq!(
            warnings.known::<()>(path, Err(rustix::io::Errno::IO.into())),
            None
        );
        assert_eq!(warnings.0.len(), 1);
        assert!(warnings.0[0].starts_with("/proc/1/fd: "), "{warnings:?}");
    }
}
