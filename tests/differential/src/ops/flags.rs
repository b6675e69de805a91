// SPDX-License-Identifier: GPL-2.0
//! Words of flags that print by name.

use std::fmt;

use nix::fcntl::OFlag;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Flags of `open(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFlags(pub i32);

impl fmt::Debug for OpenFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 & libc::O_ACCMODE == 0 {
            f.write_str("O_RDONLY ")?;
        }
        write!(f, "{}", bitflags_text(OFlag::from_bits_retain(self.0)))
    }
}

fn bitflags_text(flags: OFlag) -> String {
    let mut names: Vec<_> = flags
        .iter_names()
        .map(|(name, _)| name.to_owned())
        .collect();
    names.dedup();
    names.join("|")
}

impl OpenFlags {
    /// What a program would pass, and, now and then, what none would.
    pub fn any() -> BoxedStrategy<Self> {
        let access = prop_oneof![
            12 => Just(libc::O_RDWR),
            2 => Just(libc::O_RDONLY),
            2 => Just(libc::O_WRONLY),
            1 => Just(libc::O_ACCMODE),
        ];
        let more = prop_oneof![
            8 => Just(0),
            1 => Just(libc::O_TRUNC),
            1 => Just(libc::O_APPEND),
            1 => Just(libc::O_CREAT),
            1 => Just(libc::O_CREAT | libc::O_EXCL),
            1 => Just(libc::O_SYNC),
            1 => Just(libc::O_DIRECTORY),
            1 => Just(libc::O_NOFOLLOW),
            1 => Just(libc::O_PATH),
            1 => Just(libc::O_ASYNC),
            1 => Just(libc::O_DIRECT),
            1 => Just(libc::O_TMPFILE),
            1 => Just(libc::O_NOATIME),
        ];
        // Mostly without a new controlling terminal: the first one taken stays.
        (
            access,
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.85),
            prop::bool::weighted(0.1),
            more,
        )
            .prop_map(|(access, nonblock, noctty, cloexec, more)| {
                let flag = |on: bool, flag| if on { flag } else { 0 };
                Self(
                    access
                        | flag(nonblock, libc::O_NONBLOCK)
                        | flag(noctty, libc::O_NOCTTY)
                        | flag(cloexec, libc::O_CLOEXEC)
                        | more,
                )
            })
            .boxed()
    }

    /// To read and write.
    pub fn plain() -> BoxedStrategy<Self> {
        prop::bool::weighted(0.8)
            .prop_map(|nonblock| {
                Self(libc::O_RDWR | libc::O_NOCTTY | if nonblock { libc::O_NONBLOCK } else { 0 })
            })
            .boxed()
    }
}

/// One named flag or value of a table.
#[derive(Clone, Copy)]
pub struct Named<T> {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: T,
}

/// A table of constants of `libc`, by name.
#[macro_export]
macro_rules! named {
    ($type:ty: $($name:ident),+ $(,)?) => {
        &[$($crate::ops::flags::Named { name: stringify!($name), value: libc::$name as $type }),+]
    };
}
