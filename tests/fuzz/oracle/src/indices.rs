// SPDX-License-Identifier: GPL-2.0

//! Ptys of several mounts that come and go, under limits that change: who gets one, and with which index, against the
//! expressions of `devpts_new_index()`.

use arbitrary::{Arbitrary, Result, Unstructured};
use rdevpts_model::{
    index,
    limits::{self, DEFAULT_MAX, DEFAULT_RESERVE},
    options::Options,
};
use std::collections::BTreeSet;

/// A limit: mostly one that a few ptys reach.
fn limit(u: &mut Unstructured<'_>) -> Result<i32> {
    if u.ratio(7, 8)? {
        u.int_in_range(0..=12)
    } else {
        u.arbitrary()
    }
}

/// A limit as the sysctls take it: not negative.
fn sysctl(u: &mut Unstructured<'_>) -> Result<i32> {
    Ok(limit(u)? & i32::MAX)
}

/// What can happen.
#[derive(Arbitrary, Clone, Debug)]
pub enum Op {
    /// `kernel.rdevpts.max` is set.
    SetMax(#[arbitrary(with = sysctl)] i32),
    /// `kernel.rdevpts.reserve` is set.
    SetReserve(#[arbitrary(with = sysctl)] i32),
    /// A mount, with a value of `max=` or none, by who may use the reserve or not.
    Mount(#[arbitrary(with = opt_limit)] Option<i32>, bool),
    /// A remount of one of them.
    Remount(u8, #[arbitrary(with = opt_limit)] Option<i32>),
    /// Its `ptmx` is opened.
    Open(u8),
    /// One of its ptys goes.
    Close(u8, u8),
}

fn opt_limit(u: &mut Unstructured<'_>) -> Result<Option<i32>> {
    Ok(if u.arbitrary()? {
        Some(limit(u)?)
    } else {
        None
    })
}

struct Mount {
    options: Options,
    max: i64,
    may_use_reserve: bool,
    indices: BTreeSet<u32>,
}

/// The options of a mount with this `max=`, and what it means; nothing if it is refused.
fn options(max: Option<i32>) -> Option<(Options, i64)> {
    let mut options = Options::DEFAULT;
    let Some(max) = max else {
        return Some((options, 1 << 20));
    };
    let taken = options.set_max(max).is_ok();
    assert_eq!(taken, (0..=1 << 20).contains(&max));
    taken.then_some((options, i64::from(max)))
}

/// All of it, from the sysctls' defaults on.
pub fn run(ops: &[Op]) {
    let (mut max, mut reserve, mut count) = (DEFAULT_MAX, DEFAULT_RESERVE, 0);
    let mut mounts: Vec<Mount> = Vec::new();
    for op in ops {
        match *op {
            Op::SetMax(n) => max = n,
            Op::SetReserve(n) => reserve = n,
            Op::Mount(limit, may_use_reserve) => {
                if let Some((options, max)) = options(limit) {
                    mounts.push(Mount {
                        options,
                        max,
                        may_use_reserve,
                        indices: BTreeSet::new(),
                    });
                }
            }
            Op::Remount(which, limit) => {
                let n = mounts.len().max(1);
                if let (Some(mount), Some((options, max))) =
                    (mounts.get_mut(usize::from(which) % n), options(limit))
                {
                    (mount.options, mount.max) = (options, max);
                }
            }
            Op::Open(which) => {
                let n = mounts.len().max(1);
                if let Some(mount) = mounts.get_mut(usize::from(which) % n) {
                    count += i32::from(open(mount, count, max, reserve));
                }
            }
            Op::Close(which, pty) => {
                let n = mounts.len().max(1);
                if let Some(mount) = mounts.get_mut(usize::from(which) % n) {
                    let nth = usize::from(pty) % mount.indices.len().max(1);
                    if let Some(&index) = mount.indices.iter().nth(nth) {
                        mount.indices.remove(&index);
                        count -= 1;
                    }
                }
            }
        }
    }
    let all: usize = mounts.iter().map(|mount| mount.indices.len()).sum();
    assert_eq!(all as i64, i64::from(count));
}

/// One more pty of `mount`, if it is within the limits of all and of the mount.
fn open(mount: &mut Mount, count: i32, max: i32, reserve: i32) -> bool {
    let left = i64::from(max)
        - if mount.may_use_reserve {
            0
        } else {
            i64::from(reserve)
        };
    let admitted = limits::admits(count, max, reserve, mount.may_use_reserve);
    assert_eq!(admitted, i64::from(count) + 1 < left);

    // What the kernel's allocator gives: the lowest that is free.
    let highest = index::highest(mount.options.max());
    let mut free = (0..=highest).filter(|index| !mount.indices.contains(index));
    let Some(index) = free.next() else {
        assert!(mount.max > 0 && mount.indices.len() as i64 >= mount.max);
        return false;
    };
    assert!(index < 1 << 20 && (mount.max == 0 || i64::from(index) < mount.max));
    let ino = index::slave_ino(index);
    assert_eq!(ino, u64::from(index) + 3);
    assert!(mount
        .indices
        .iter()
        .all(|&other| index::slave_ino(other) != ino));
    admitted && mount.indices.insert(index)
}
