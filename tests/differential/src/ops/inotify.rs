// SPDX-License-Identifier: GPL-2.0
//! inotify: watches on roots and nodes, and the order of events.

use std::ffi::{CStr, CString};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cx, Family};
use crate::model::{Kind, Model};
use crate::outcome::Outcome;
use crate::select::{Class, Fd, Name};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Inotify {
    /// inotify_init1(2) with `IN_NONBLOCK`.
    Init,
    /// inotify_add_watch(2).
    Watch { fd: Fd, name: Name, mask: u32 },
    /// inotify_rm_watch(2).
    Unwatch { fd: Fd, watch: i32 },
    /// The events that are there.
    Happened { fd: Fd },
}

impl Family for Inotify {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let mask = prop_oneof![
            6 => Just(libc::IN_ALL_EVENTS),
            2 => Just(libc::IN_CREATE | libc::IN_DELETE),
            2 => Just(libc::IN_ALL_EVENTS & !(libc::IN_ACCESS | libc::IN_MODIFY)),
            1 => Just(libc::IN_DELETE_SELF | libc::IN_ATTRIB),
            1 => Just(libc::IN_ALL_EVENTS | libc::IN_ONESHOT),
            1 => Just(libc::IN_ALL_EVENTS | libc::IN_EXCL_UNLINK),
            1 => Just(libc::IN_ALL_EVENTS | libc::IN_ONLYDIR),
            1 => Just(libc::IN_OPEN | libc::IN_MASK_ADD),
            1 => Just(libc::IN_ALL_EVENTS | libc::IN_MASK_CREATE),
            1 => Just(0),
        ];
        let name = prop_oneof![
            5 => any::<u16>().prop_map(Name::Root),
            4 => Name::slave(),
            2 => any::<u16>().prop_map(Name::Ptmx),
            1 => Name::any(),
        ];
        vec![
            (1, Just(Self::Init).boxed()),
            (
                5,
                (Fd::mostly(Class::Inotify), name, mask)
                    .prop_map(|(fd, name, mask)| Self::Watch { fd, name, mask })
                    .boxed(),
            ),
            (
                1,
                (Fd::mostly(Class::Inotify), 0..6)
                    .prop_map(|(fd, watch)| Self::Unwatch { fd, watch })
                    .boxed(),
            ),
            (
                8,
                Fd::of(Class::Inotify)
                    .prop_map(|fd| Self::Happened { fd })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Init => Some(()),
            Self::Watch { fd, name, .. } => {
                fd.resolve(model)?;
                name.resolve(model)
            }
            Self::Unwatch { fd, .. } | Self::Happened { fd } => fd.resolve(model),
        }
    }

    fn run(&self, _cx: &Cx<'_>) -> Outcome {
        // SAFETY: a path that outlives the call, and no other pointers.
        let ret = unsafe {
            match self {
                Self::Init => libc::inotify_init1(libc::IN_NONBLOCK),
                Self::Watch { fd, name, mask } => {
                    let path = CString::new(name.path()).unwrap_or_default();
                    libc::inotify_add_watch(fd.number(), path.as_ptr(), *mask)
                }
                Self::Unwatch { fd, watch } => libc::inotify_rm_watch(fd.number(), *watch),
                Self::Happened { fd } => return happened(fd.number()),
            }
        };
        Outcome::from_ret(ret.into())
    }

    fn learn(&self, outcome: &Outcome, model: &mut Model) {
        if matches!(self, Self::Init) && outcome.ok() {
            model.opened(outcome.ret, Kind::Inotify);
        }
    }

    fn opens(&self) -> bool {
        matches!(self, Self::Init)
    }
}

/// The events of an inotify instance, in order.
fn happened(fd: i32) -> Outcome {
    const HEADER: usize = size_of::<libc::inotify_event>();
    let mut buf = vec![0_u8; 16 * 1024];
    // SAFETY: the buffer is as long as said.
    let got = unsafe { libc::read(fd, buf.as_mut_ptr().cast(), buf.len()) };
    let outcome = Outcome::from_ret(got as i64);
    let mut rest = &buf[..usize::try_from(got).unwrap_or(0)];
    let mut text = Vec::new();
    while let Some((header, more)) = rest.split_at_checked(HEADER) {
        // SAFETY: the kernel writes whole headers.
        let event = unsafe {
            header
                .as_ptr()
                .cast::<libc::inotify_event>()
                .read_unaligned()
        };
        let Some((name, next)) = more.split_at_checked(event.len as usize) else {
            break;
        };
        let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
        text.push(format!("{}: {:#x} {name:?}", event.wd, event.mask));
        rest = next;
    }
    Outcome { text, ..outcome }
}
