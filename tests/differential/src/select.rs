// SPDX-License-Identifier: GPL-2.0
//! How an operation names what it works on.
//!
//! A generated operation holds random numbers, which choose among what exists when its turn comes: so that every
//! sub-sequence of a case is a case, and shrinking works. [`Model`] turns them into the real thing just before the
//! operation is sent to both worlds.

use std::fmt;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::Model;

/// What kind of descriptor an operation would like to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// Any that the case opened.
    Any,
    /// An end of a pty.
    Tty,
    /// A master.
    Master,
    /// A slave.
    Slave,
    /// An end of a pty that has something to read; any end where none has.
    Readable,
    /// An epoll instance.
    Epoll,
    /// An inotify instance.
    Inotify,
}

/// A descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fd {
    /// The one of this class that is next to the number.
    Pick(Class, u16),
    /// This number.
    Is(i32),
}

impl fmt::Debug for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pick(class, n) => write!(f, "{class:?}#{n}"),
            Self::Is(fd) => write!(f, "{fd}"),
        }
    }
}

impl Fd {
    /// The number, once resolved.
    pub fn number(self) -> i32 {
        match self {
            Self::Is(fd) => fd,
            Self::Pick(..) => -1,
        }
    }

    /// Replaces a choice by what it means now; `None` where there is nothing to choose from.
    pub fn resolve(&mut self, model: &Model) -> Option<()> {
        if let Self::Pick(class, n) = *self {
            *self = Self::Is(model.pick_fd(class, n)?);
        }
        Some(())
    }

    /// Descriptors of this class.
    pub fn of(class: Class) -> BoxedStrategy<Self> {
        any::<u16>()
            .no_shrink()
            .prop_map(move |n| Self::Pick(class, n))
            .boxed()
    }

    /// Mostly of this class, now and then of any, rarely a bad one.
    pub fn mostly(class: Class) -> BoxedStrategy<Self> {
        prop_oneof![
            60 => any::<u16>().no_shrink().prop_map(move |n| Self::Pick(class, n)),
            3 => any::<u16>().no_shrink().prop_map(|n| Self::Pick(Class::Any, n)),
            1 => prop_oneof![Just(-1), Just(77), Just(i32::MAX)].prop_map(Self::Is),
        ]
        .boxed()
    }
}

/// A path below a mount.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// `ptmx` of a mount, by number modulo how many there are.
    Ptmx(u16),
    /// The root of a mount.
    Root(u16),
    /// The node of a slave whose master is open, and so on.
    Slave(u16),
    /// A number that may be the name of a slave: mount, index.
    Index(u16, u16),
    /// Another name in the root of a mount.
    Other(u16, String),
    /// This path.
    Is(String),
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(path) => write!(f, "{path:?}"),
            Self::Ptmx(n) => write!(f, "ptmx#{n}"),
            Self::Root(n) => write!(f, "root#{n}"),
            Self::Slave(n) => write!(f, "slave#{n}"),
            Self::Index(m, n) => write!(f, "m{m}/{n}"),
            Self::Other(m, name) => write!(f, "m{m}/{name}"),
        }
    }
}

impl Name {
    /// The path, once resolved.
    pub fn path(&self) -> &str {
        match self {
            Self::Is(path) => path,
            _ => "",
        }
    }

    /// Replaces a choice by what it means now; `None` where there is nothing to choose from.
    pub fn resolve(&mut self, model: &Model) -> Option<()> {
        let path = match self {
            Self::Is(_) => return Some(()),
            Self::Ptmx(n) => format!("{}/ptmx", model.pick_mount(*n)),
            Self::Root(n) => model.pick_mount(*n),
            Self::Slave(n) => model.pick_slave(*n)?,
            Self::Index(m, n) => format!("{}/{}", model.pick_mount(*m), *n % 8),
            Self::Other(m, name) => format!("{}/{name}", model.pick_mount(*m)),
        };
        *self = Self::Is(path);
        Some(())
    }

    /// Slaves that exist, mostly.
    pub fn slave() -> BoxedStrategy<Self> {
        prop_oneof![
            12 => any::<u16>().no_shrink().prop_map(Self::Slave),
            1 => any::<(u16, u16)>().prop_map(|(m, n)| Self::Index(m, n)),
        ]
        .boxed()
    }

    /// Anything in a mount, and its root.
    pub fn any() -> BoxedStrategy<Self> {
        let odd = prop::sample::select(vec![
            "x",
            ".",
            "..",
            "00",
            "+1",
            "ptmx/",
            "0/x",
            "4294967296",
        ]);
        prop_oneof![
            6 => any::<u16>().no_shrink().prop_map(Self::Slave),
            2 => any::<u16>().prop_map(Self::Ptmx),
            2 => any::<u16>().prop_map(Self::Root),
            2 => any::<(u16, u16)>().prop_map(|(m, n)| Self::Index(m, n)),
            1 => (any::<u16>(), odd).prop_map(|(m, name)| Self::Other(m, name.to_owned())),
        ]
        .boxed()
    }
}
