// SPDX-License-Identifier: GPL-2.0
//! The calls: one function for each kind, with how often it is made.

use crate::worker::Worker;

mod data;
mod descriptors;
mod files;
mod ioctl;
mod mounts;
mod open;
mod process;
mod uring;
mod wait;

/// One kind of call.
pub struct Call {
    name: &'static str,
    weight: u32,
    run: fn(&mut Worker) -> i64,
}

impl Call {
    const fn new(name: &'static str, weight: u32, run: fn(&mut Worker) -> i64) -> Self {
        Self { name, weight, run }
    }
}

const FAMILIES: &[&[Call]] = &[
    open::CALLS,
    data::CALLS,
    descriptors::CALLS,
    files::CALLS,
    ioctl::CALLS,
    mounts::CALLS,
    process::CALLS,
    uring::CALLS,
    wait::CALLS,
];

/// A system call with these arguments; its result, with the error in `errno`.
macro_rules! sys {
    ($name:ident $(, $arg:expr)* $(,)?) => {
        // SAFETY: the kernel writes to what `Memory` has for it, to a structure that the caller made for it, or, if the
        // arguments are bad, nowhere.
        unsafe { libc::syscall(libc::$name $(, $arg as libc::c_long)*) }
    };
}
use sys;

fn all() -> impl Iterator<Item = &'static Call> {
    FAMILIES.iter().copied().flatten()
}

/// The names of all kinds.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|call| call.name)
}

/// Some kind.
pub fn choose(rng: &mut fastrand::Rng) -> usize {
    let sum: u32 = all().map(|call| call.weight).sum();
    let mut at = rng.u32(..sum);
    let chosen = all().position(|call| match at.checked_sub(call.weight) {
        Some(rest) => {
            at = rest;
            false
        }
        None => true,
    });
    chosen.unwrap_or(0)
}

/// Makes a call of this kind: what it returned, with the error in `errno`.
pub fn run(kind: usize, worker: &mut Worker) -> i64 {
    all().nth(kind).map_or(0, |call| (call.run)(worker))
}
