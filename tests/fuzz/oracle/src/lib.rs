// SPDX-License-Identifier: GPL-2.0

//! What `rdevpts-model` must do, said plainly: sequences of events run on the model and on something that is obviously right.
//!
//! The property tests of the model (`src/model/tests`) and its fuzzer (`tests/fuzz/model`) differ in where the events come
//! from, and share what is here. Whatever differs panics.

#![forbid(unsafe_code)]

pub mod channel;
pub mod indices;
pub mod lines;
pub mod options;
pub mod queue;
pub mod ring;

use arbitrary::{Result, Unstructured};
use rdevpts_model::channel::{LEAST, LOW_WATER, SETTLED};

/// How many bytes of memory a ring may get.
fn capacity(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(1 << u.int_in_range(0..=13)?)
}

/// A number of bytes: small, any, about one that means something, or all there is.
fn size(u: &mut Unstructured<'_>) -> Result<usize> {
    let about = [LEAST, LOW_WATER, SETTLED, 1 << 13];
    Ok(match u.int_in_range(0..=9)? {
        0..=4 => u.int_in_range(0..=20)?,
        5..=6 => u.int_in_range(0..=10_000)?,
        7..=8 => *u.choose(&about)? - 2 + u.int_in_range(0..=4usize)?,
        _ => usize::MAX,
    })
}
