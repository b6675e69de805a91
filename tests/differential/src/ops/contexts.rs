// SPDX-License-Identifier: GPL-2.0
//! File system contexts, binds, odd ways to unmount, and the limits.

use nix::mount::{mount, umount2, MntFlags, MsFlags};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{context, limits, mounts, Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::Name;
use crate::world::{mount_point, Target, MOUNTS};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Contexts {
    /// umount2(2) with these flags.
    Umount { at: u16, flags: i32 },
    /// mount(2) with `MS_BIND`; not on a slave, whose mounts go with it in rdevpts only.
    Bind { from: Name, to: Name },
    /// What mountinfo says of what is mounted below a mount point.
    Shown { at: u16 },
    /// fsopen(2), fsconfig(2) for each option and more, fsmount(2), move_mount(2).
    Context { at: u16, options: String, odd: u8 },
    /// fspick(2), fsconfig(2) for each option, and `FSCONFIG_CMD_RECONFIGURE`.
    Pick { name: Name, options: String },
    /// Leaves room for this many ptys in the sysctl, opens one after the other, and puts the limits back.
    Limit { at: u16, room: i8, reserve: i8 },
    /// The limits, written with this.
    Sysctl { name: u8, value: u8 },
}

fn point(at: u16) -> String {
    mount_point(usize::from(at) % MOUNTS)
}

impl Family for Contexts {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let at = any::<u16>;
        let options = mounts::options;
        vec![
            (
                3,
                (
                    at(),
                    prop_oneof![
                        4 => Just(0),
                        3 => Just(libc::MNT_DETACH),
                        1 => Just(libc::MNT_EXPIRE),
                        1 => Just(libc::UMOUNT_NOFOLLOW),
                        1 => Just(libc::MNT_FORCE),
                        1 => Just(1 << 20),
                    ],
                )
                    .prop_map(|(at, flags)| Self::Umount { at, flags })
                    .boxed(),
            ),
            (
                2,
                (
                    Name::any(),
                    prop_oneof![2 => at().prop_map(Name::Root), 1 => at().prop_map(Name::Ptmx)],
                )
                    .prop_map(|(from, to)| Self::Bind { from, to })
                    .boxed(),
            ),
            (6, at().prop_map(|at| Self::Shown { at }).boxed()),
            (
                4,
                (at(), options(), any::<u8>())
                    .prop_map(|(at, options, odd)| Self::Context { at, options, odd })
                    .boxed(),
            ),
            (
                2,
                (Name::any(), options())
                    .prop_map(|(name, options)| Self::Pick { name, options })
                    .boxed(),
            ),
            (
                3,
                (at(), -1..4_i8, prop_oneof![Just(0_i8), -1..4_i8])
                    .prop_map(|(at, room, reserve)| Self::Limit { at, room, reserve })
                    .boxed(),
            ),
            (
                1,
                any::<(u8, u8)>()
                    .prop_map(|(name, value)| Self::Sysctl { name, value })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Bind { from, to } => {
                from.resolve(model)?;
                to.resolve(model)?;
                // A mount on a slave's node, once that goes, is a departure; `to` may be one by now.
                (!model.bound.contains(to.path())).then_some(())
            }
            Self::Pick { name, .. } => name.resolve(model),
            _ => Some(()),
        }
    }

    fn learn(&self, outcome: &Outcome, model: &mut Model) {
        match self {
            Self::Bind { to, .. } if outcome.ok() && to.path().ends_with("ptmx") => {
                model.bound.insert(to.path().to_owned());
            }
            _ => {}
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        let none = None::<&str>;
        let result = match self {
            Self::Umount { at, flags } => {
                umount2(point(*at).as_str(), MntFlags::from_bits_retain(*flags))
            }
            Self::Bind { from, to } => {
                mount(Some(from.path()), to.path(), none, MsFlags::MS_BIND, none)
            }
            Self::Shown { at } => return shown(cx.target, &point(*at)),
            Self::Context { at, options, odd } => {
                return context::create(cx.target, &point(*at), options, *odd)
            }
            Self::Pick { name, options } => return context::pick(cx.target, name.path(), options),
            Self::Limit { at, room, reserve } => {
                return limits::fill(cx.target, &point(*at), (*room).into(), (*reserve).into())
            }
            Self::Sysctl { name, value } => return limits::write(cx.target, *name, *value),
        };
        Outcome::from_result(result.map(|()| 0))
    }
}

/// Root, options and superblock's options of all that is mounted below a path.
fn shown(target: &Target, path: &str) -> Outcome {
    let info = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let text: Vec<String> = info
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let dash = fields.iter().position(|field| *field == "-")?;
            let below = fields.get(4)?.starts_with(path);
            let said = [fields.get(3..6)?, fields.get(dash + 1..)?].concat();
            below.then(|| departures::fstype(target, &said.join(" ")))
        })
        .collect();
    Outcome {
        ret: text.len() as i64,
        text,
        ..Outcome::default()
    }
}
