// SPDX-License-Identifier: GPL-2.0
//! Jobs: children in the foreground and the background that stop and go on, and session leaders that exit.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::job::{self, Deed, Manner, Place};
use super::{Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Jobs {
    /// The actor's group, session, terminal and foreground group, from `/proc/self/stat`.
    ProcStat,
    /// A child does something with the terminal, which the actor may take for its own before; if the child stops, it is put
    /// into the foreground and goes on.
    Job {
        fd: Fd,
        take: bool,
        place: Place,
        manner: Manner,
        deed: Deed,
        resume: bool,
    },
    /// A child leads a session on the terminal, a child of that is a stopped job of it, and the leader exits.
    LeaderExits {
        fd: Fd,
        foreground: bool,
        hang: bool,
    },
}

impl Family for Jobs {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let slave = || Fd::mostly(Class::Slave);
        vec![
            (4, Just(Self::ProcStat).boxed()),
            (
                12,
                (
                    prop_oneof![6 => slave(), 1 => Fd::mostly(Class::Tty)],
                    prop::bool::weighted(0.6),
                    Place::any(),
                    Manner::any(),
                    Deed::any(),
                    any::<bool>(),
                )
                    .prop_map(|(fd, take, place, manner, deed, resume)| Self::Job {
                        fd,
                        take,
                        place,
                        manner,
                        deed,
                        resume,
                    })
                    .boxed(),
            ),
            (
                3,
                (slave(), any::<bool>(), prop::bool::weighted(0.15))
                    .prop_map(|(fd, foreground, hang)| Self::LeaderExits {
                        fd,
                        foreground,
                        hang,
                    })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Job { fd, deed, .. } => {
                fd.resolve(model)?;
                // Its bytes are compared as they come, and an echo comes in pieces.
                if matches!(deed, Deed::Read | Deed::Write) && model.is_master(fd.number()) {
                    *deed = Deed::Settings;
                }
                Some(())
            }
            Self::LeaderExits { fd, .. } => fd.resolve(model),
            Self::ProcStat => Some(()),
        }
    }

    fn learn(&self, _outcome: &Outcome, model: &mut Model) {
        match self {
            // A session leader that ends hangs its terminal up.
            Self::LeaderExits { fd, .. }
            | Self::Job {
                fd,
                place: Place::Leader | Place::LeaderBehind,
                ..
            } => model.hang_up(fd.number()),
            _ => {}
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        match self {
            Self::ProcStat => proc_stat(cx),
            Self::Job {
                fd,
                take,
                place,
                manner,
                deed,
                resume,
            } => {
                let took = job::take_tty(fd.number(), *take);
                let mut outcome = job::run(fd.number(), *place, *manner, *deed, *resume);
                outcome.values.insert(0, took);
                outcome
            }
            Self::LeaderExits {
                fd,
                foreground,
                hang,
            } => job::leader_exits(fd.number(), *foreground, *hang),
        }
    }

    fn writes(&self) -> bool {
        matches!(
            self,
            Self::Job {
                deed: Deed::Write,
                ..
            }
        )
    }
}

/// Group, session, terminal and foreground group.
fn proc_stat(cx: &Cx<'_>) -> Outcome {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<i64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(2)
        .take(4)
        .map(|field| field.parse().unwrap_or(-9))
        .collect();
    let [group, session, tty, foreground] = fields[..] else {
        return Outcome::default();
    };
    let tty = departures::device(cx.target, tty as u64);
    Outcome::default().with_values([group, session, tty, foreground])
}
