// SPDX-License-Identifier: GPL-2.0
//! Assertions that return instead of panicking, and say what was seen.

use anyhow::{bail, Result};
use nix::errno::Errno;

/// Fails unless both sides are equal; shows both.
macro_rules! check_eq {
    ($left:expr, $right:expr, $($what:tt)+) => {
        match (&$left, &$right) {
            (left, right) => {
                if left != right {
                    anyhow::bail!("{}: expected {:?}, got {:?} ({}:{})", format!($($what)+), left, right, file!(), line!());
                }
            }
        }
    };
}
pub(crate) use check_eq;

/// Fails unless the condition holds.
macro_rules! check {
    ($cond:expr, $($what:tt)+) => {
        if !$cond {
            anyhow::bail!("{} ({}:{})", format!($($what)+), file!(), line!());
        }
    };
}
pub(crate) use check;

/// What carries an errno.
pub trait ErrnoOf {
    /// The errno.
    fn errno(&self) -> Errno;
}

impl ErrnoOf for Errno {
    fn errno(&self) -> Errno {
        *self
    }
}

impl ErrnoOf for std::io::Error {
    fn errno(&self) -> Errno {
        Errno::from_raw(self.raw_os_error().unwrap_or(0))
    }
}

/// Fails unless `result` is the error `want`.
pub fn check_errno<T, E: ErrnoOf>(
    result: std::result::Result<T, E>,
    want: Errno,
    what: &str,
) -> Result<()> {
    match result {
        Ok(_) => bail!("{what}: expected {want:?}, but it succeeded"),
        Err(e) if e.errno() == want => Ok(()),
        Err(e) => bail!("{what}: expected {want:?}, got {:?}", e.errno()),
    }
}
