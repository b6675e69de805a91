// SPDX-License-Identifier: GPL-2.0

//! The number of a mounted file system, which tells one mount of rdevpts from another.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A device number as mountinfo has it: `MAJOR:MINOR`, in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    major: u32,
    minor: u32,
}

impl Device {
    /// That of stat(2)'s `st_dev`.
    pub fn of(dev: u64) -> Self {
        Self {
            major: rustix::fs::major(dev),
            minor: rustix::fs::minor(dev),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// The text was no device number.
#[derive(Debug, PartialEq, Eq)]
pub struct NoDevice;

impl FromStr for Device {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| NoDevice),
            false => Err(NoDevice),
        };
        let (major, minor) = text.split_once(':').ok_or(NoDevice)?;
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_shown() {
        let device: Device = "0:45".parse().unwrap();
        assert_eq!(device.to_string(), "0:45");
        assert_eq!(device, Device::of(45));
        assert_eq!("259:4097".parse(), Ok(Device::of(0x101_0301)));
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "",
            ":",
            "0:",
            ":45",
            "0",
            "0:4x",
            "+0:45",
            "0:-1",
            "0:45:1",
            "0:99999999999",
            "/dev/pts",
        ] {
            assert_eq!(text.parse::<Device>(), Err(NoDevice), "{text}");
        }
    }
}
