// SPDX-License-Identifier: GPL-2.0
//! What an operation gave.

use std::fmt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What an operation gave, as far as it must be the same on both file systems.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the call returned: 0 or more, or the negative error number.
    pub ret: i64,
    /// Bytes that it read.
    pub bytes: Vec<u8>,
    /// Numbers that it filled in, normalised by [`departures`](crate::departures).
    pub values: Vec<i64>,
    /// Text that it gave, likewise.
    pub text: Vec<String>,
}

impl Outcome {
    /// From what a system call returned; reads `errno`.
    pub fn from_ret(ret: i64) -> Self {
        let ret = if ret < 0 {
            -i64::from(Errno::last_raw())
        } else {
            ret
        };
        Self {
            ret,
            ..Self::default()
        }
    }

    /// From a result.
    pub fn from_result(result: nix::Result<i64>) -> Self {
        let ret = result.unwrap_or_else(|e| -i64::from(e as i32));
        Self {
            ret,
            ..Self::default()
        }
    }

    /// The same with numbers, if the call succeeded.
    pub fn with_values(mut self, values: impl IntoIterator<Item = i64>) -> Self {
        if self.ok() {
            self.values.extend(values);
        }
        self
    }

    /// Whether the call succeeded.
    pub fn ok(&self) -> bool {
        self.ret >= 0
    }

    /// The name of the error, or `ok`.
    pub fn errno(&self) -> String {
        if self.ok() {
            return "ok".to_owned();
        }
        match Errno::from_raw(i32::try_from(-self.ret).unwrap_or(0)) {
            Errno::UnknownErrno => format!("errno {}", -self.ret),
            errno => format!("{errno:?}"),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ok() {
            write!(f, "{}", self.errno())?;
        } else {
            write!(f, "{}", self.ret)?;
        }
        if !self.bytes.is_empty() {
            let shown = &self.bytes[..self.bytes.len().min(200)];
            write!(f, " \"{}\"", shown.escape_ascii())?;
            if shown.len() < self.bytes.len() {
                write!(
                    f,
                    "... ({} bytes, sum {:#x})",
                    self.bytes.len(),
                    sum(&self.bytes)
                )?;
            }
        }
        if !self.values.is_empty() {
            write!(f, " {:?}", self.values)?;
        }
        if !self.text.is_empty() {
            write!(f, " {:?}", self.text)?;
        }
        Ok(())
    }
}

/// A number that changes when the bytes or their order do.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(1, |sum: u32, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    })
}
