// SPDX-License-Identifier: GPL-2.0
//! Mounting, remounting with other options, unmounting.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use nix::mount::{mount, umount2, MntFlags, MsFlags};

use super::{Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::world::{mount_point, MOUNTS};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Mounts {
    /// mount(2) of a new instance, on what may be one already.
    Mount {
        point: usize,
        options: String,
        flags: u64,
    },
    /// mount(2) with `MS_REMOUNT`.
    Remount {
        point: usize,
        options: String,
        flags: u64,
    },
    /// umount2(2), with `MNT_DETACH` or without.
    Umount { point: usize, lazy: bool },
    /// The options that `/proc/self/mountinfo` shows.
    Options { point: usize },
}

/// Options, good and bad.
pub fn options() -> BoxedStrategy<String> {
    let good = prop::sample::select(vec![
        "mode=620",
        "mode=0600",
        "mode=666",
        "mode=0",
        "ptmxmode=666",
        "ptmxmode=000",
        "ptmxmode=600",
        "gid=5",
        "gid=0",
        "uid=0",
        "uid=1000",
        "max=2",
        "max=5",
        "max=1",
        "max=0",
        "max=1048576",
        "newinstance",
        "ro",
        "rw",
    ]);
    let odd = prop::sample::select(vec![
        "mode=7777",
        "mode=17777",
        "mode=8",
        "mode=",
        "mode",
        "mode=x",
        "ptmxmode=77777",
        "gid=-1",
        "gid=4294967295",
        "uid=x",
        "uid=",
        "max=1048577",
        "max=-1",
        "max=4294967296",
        "max=x",
        "max",
        "newinstance=1",
        "newinstance=",
        "bogus",
        "bogus=1",
        "=",
        "MODE=600",
        "mode= 600",
        "max=0x10",
        "max=010",
        "gid=+5",
    ]);
    let option = prop_oneof![8 => good, 1 => odd];
    prop::collection::vec(option, 0..4)
        .prop_map(|all| all.join(","))
        .boxed()
}

impl Family for Mounts {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let flags = || {
            prop_oneof![
                8 => Just(MsFlags::empty()),
                1 => Just(MsFlags::MS_RDONLY),
                1 => Just(MsFlags::MS_NODEV | MsFlags::MS_NOEXEC),
                1 => Just(MsFlags::MS_NOSUID),
            ]
            .prop_map(|flags| flags.bits())
        };
        // Most on the second and third, so that the first stays of use.
        let point = || prop_oneof![1 => Just(0_usize), 3 => 0..MOUNTS, 3 => Just(MOUNTS - 1)];
        vec![
            (
                3,
                (point(), options(), flags())
                    .prop_map(|(point, options, flags)| Self::Mount {
                        point,
                        options,
                        flags,
                    })
                    .boxed(),
            ),
            (
                5,
                (0..MOUNTS, options(), flags())
                    .prop_map(|(point, options, flags)| Self::Remount {
                        point,
                        options,
                        flags,
                    })
                    .boxed(),
            ),
            (
                3,
                (point(), prop::bool::weighted(0.3))
                    .prop_map(|(point, lazy)| Self::Umount { point, lazy })
                    .boxed(),
            ),
            (
                4,
                (0..MOUNTS)
                    .prop_map(|point| Self::Options { point })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, _model: &Model) -> Option<()> {
        Some(())
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        let call = |point: usize, fstype: Option<&str>, options: &str, flags: u64| {
            let flags = MsFlags::from_bits_retain(flags);
            let result = mount(
                Some("none"),
                mount_point(point).as_str(),
                fstype,
                flags,
                Some(options),
            );
            Outcome::from_result(result.map(|()| 0))
        };
        match self {
            Self::Mount {
                point,
                options,
                flags,
            } => call(*point, Some(&cx.target.fstype), options, *flags),
            Self::Remount {
                point,
                options,
                flags,
            } => call(*point, None, options, flags | MsFlags::MS_REMOUNT.bits()),
            Self::Umount { point, lazy } => {
                let flags = if *lazy {
                    MntFlags::MNT_DETACH
                } else {
                    MntFlags::empty()
                };
                Outcome::from_result(umount2(mount_point(*point).as_str(), flags).map(|()| 0))
            }
            Self::Options { point } => shown(cx, &mount_point(*point)),
        }
    }
}

/// What is shown of the last mount on a path.
fn shown(cx: &Cx<'_>, point: &str) -> Outcome {
    let info = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let line = info
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some(point));
    let text = line
        .map(|line| departures::mountinfo(cx.target, line))
        .into_iter()
        .collect();
    Outcome {
        text,
        ..Outcome::default()
    }
}
