// SPDX-License-Identifier: GPL-2.0
//! poll, select and epoll.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cx, Family};
use crate::departures;
use crate::model::{Kind, Model};
use crate::outcome::Outcome;
use crate::select::{Class, Fd};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Events {
    /// poll(2) for these events, without waiting, or until one comes.
    Poll { fd: Fd, events: i16, wait: bool },
    /// select(2) for reading, writing and exceptions, without waiting.
    Select { fd: Fd },
    /// epoll_create1(2).
    Epoll,
    /// epoll_ctl(2): adds (1), removes (2) or changes (3).
    Control {
        epoll: Fd,
        how: i32,
        fd: Fd,
        events: u32,
    },
    /// epoll_wait(2), without waiting, or until an event comes.
    Wait { epoll: Fd, wait: bool },
}

impl Events {
    /// Makes the outcomes of two waits one, with all events of each descriptor.
    pub fn merge(first: &mut Outcome, second: &Outcome) {
        let mut all: BTreeMap<i64, i64> = BTreeMap::new();
        for pair in [&first.values, &second.values]
            .iter()
            .flat_map(|values| values.chunks_exact(2))
        {
            *all.entry(pair[0]).or_default() |= pair[1];
        }
        first.ret = all.len() as i64;
        first.values = all
            .into_iter()
            .flat_map(|(data, events)| [data, events])
            .collect();
    }
}

impl Family for Events {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let epoll = || Fd::mostly(Class::Epoll);
        let events = prop_oneof![
            3 => Just(libc::EPOLLIN),
            2 => Just(libc::EPOLLOUT),
            3 => Just(libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP),
            1 => any::<u16>().prop_map(|n| i32::from(n) & 0x3fff),
        ];
        let mode = prop_oneof![
            2 => Just(0_u32),
            4 => Just(libc::EPOLLET as u32),
            1 => Just(libc::EPOLLONESHOT as u32),
        ];
        vec![
            (
                3,
                (
                    Fd::mostly(Class::Tty),
                    any::<i16>(),
                    prop::bool::weighted(0.1),
                )
                    .prop_map(|(fd, events, wait)| Self::Poll { fd, events, wait })
                    .boxed(),
            ),
            (
                1,
                Fd::mostly(Class::Tty)
                    .prop_map(|fd| Self::Select { fd })
                    .boxed(),
            ),
            (1, Just(Self::Epoll).boxed()),
            (
                4,
                (
                    epoll(),
                    prop_oneof![4 => Just(1), 1 => Just(2), 2 => Just(3)],
                    Fd::mostly(Class::Tty),
                    events,
                    mode,
                )
                    .prop_map(|(epoll, how, fd, events, mode)| Self::Control {
                        epoll,
                        how,
                        fd,
                        events: events as u32 | mode,
                    })
                    .boxed(),
            ),
            (
                8,
                (epoll(), prop::bool::weighted(0.05))
                    .prop_map(|(epoll, wait)| Self::Wait { epoll, wait })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Poll { fd, .. } | Self::Select { fd } => fd.resolve(model),
            Self::Epoll => Some(()),
            Self::Control { epoll, fd, .. } => {
                epoll.resolve(model)?;
                fd.resolve(model)
            }
            Self::Wait { epoll, .. } => epoll.resolve(model),
        }
    }

    fn waits(&self) -> bool {
        matches!(
            self,
            Self::Poll { wait: true, .. } | Self::Wait { wait: true, .. }
        )
    }

    fn run(&self, _cx: &Cx<'_>) -> Outcome {
        // SAFETY: pointers are to values that outlive the calls.
        unsafe {
            match self {
                Self::Poll { fd, events, wait } => {
                    let mut poll = libc::pollfd {
                        fd: fd.number(),
                        events: *events,
                        revents: 0,
                    };
                    let ret = libc::poll(&mut poll, 1, if *wait { -1 } else { 0 });
                    Outcome::from_ret(ret.into()).with_values([poll.revents.into()])
                }
                Self::Select { fd } => select(fd.number()),
                Self::Epoll => Outcome::from_ret(libc::epoll_create1(0).into()),
                Self::Control {
                    epoll,
                    how,
                    fd,
                    events,
                } => {
                    let mut event = libc::epoll_event {
                        events: departures::edges(*events),
                        u64: fd.number() as u64,
                    };
                    Outcome::from_ret(
                        libc::epoll_ctl(epoll.number(), *how, fd.number(), &mut event).into(),
                    )
                }
                Self::Wait { epoll, wait } => {
                    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
                    let ret = libc::epoll_wait(
                        epoll.number(),
                        events.as_mut_ptr(),
                        16,
                        if *wait { -1 } else { 0 },
                    );
                    let outcome = Outcome::from_ret(ret.into());
                    // The order is that of the wake-ups: a set.
                    let mut got: Vec<(i64, i64)> = events[..usize::try_from(ret).unwrap_or(0)]
                        .iter()
                        .map(|event| (event.u64 as i64, event.events.into()))
                        .collect();
                    got.sort_unstable();
                    outcome.with_values(got.into_iter().flat_map(|(fd, events)| [fd, events]))
                }
            }
        }
    }

    fn learn(&self, outcome: &Outcome, model: &mut Model) {
        if matches!(self, Self::Epoll) && outcome.ok() {
            model.opened(outcome.ret, Kind::Epoll);
        }
    }

    fn opens(&self) -> bool {
        matches!(self, Self::Epoll)
    }
}

/// select(2) on one descriptor, in all three sets.
fn select(fd: i32) -> Outcome {
    if !(0..1024).contains(&fd) {
        return Outcome::from_result(Err(nix::errno::Errno::EBADF));
    }
    // SAFETY: the sets are initialised, and the descriptor is below FD_SETSIZE.
    unsafe {
        let mut sets: [libc::fd_set; 3] = std::mem::zeroed();
        for set in &mut sets {
            libc::FD_SET(fd, set);
        }
        let [read, write, except] = &mut sets;
        let mut now = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        let ret = libc::select(fd + 1, read, write, except, &mut now);
        Outcome::from_ret(ret.into())
            .with_values(sets.iter().map(|set| libc::FD_ISSET(fd, set).into()))
    }
}
