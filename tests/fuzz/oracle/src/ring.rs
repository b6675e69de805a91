// SPDX-License-Identifier: GPL-2.0

//! The ring against a plain queue: what is put in comes out, in order, and what a reader is copying does not change.

use crate::{capacity, queue::Queue, size};
use arbitrary::Arbitrary;
use rdevpts_model::ring::Ring;

/// What can happen to a ring.
#[derive(Arbitrary, Clone, Debug)]
pub enum Op {
    /// A producer has so many bytes.
    Produce(#[arbitrary(with = size)] usize),
    /// A reader begins, and has room for so many.
    Read(#[arbitrary(with = size)] usize),
    /// It is done, and took so many.
    Consume(#[arbitrary(with = size)] usize),
    /// See [`Ring::drop_oldest`].
    DropOldest(#[arbitrary(with = size)] usize),
    /// See [`Ring::keep_oldest`].
    KeepOldest(#[arbitrary(with = size)] usize),
    /// Other memory, of so many bytes, which is a power of two.
    Move(#[arbitrary(with = capacity)] usize),
}

/// A ring with its memory, and what it must do.
#[derive(Default)]
pub struct Checked {
    ring: Ring,
    queue: Queue,
}

impl Checked {
    /// One thing happens.
    pub fn step(&mut self, op: &Op) {
        let Self { ring, queue } = self;
        match *op {
            Op::Produce(want) => queue.produce(want, ring.produce(want)),
            Op::Read(max) if !queue.is_reading() => queue.read(max, ring.read(max)),
            Op::Read(_) => {}
            Op::Consume(n) => {
                if queue.is_reading() {
                    ring.consume(n);
                    queue.consume(n);
                }
            }
            Op::DropOldest(n) => {
                ring.drop_oldest(n);
                queue.drop_oldest(n);
            }
            Op::KeepOldest(n) => {
                ring.keep_oldest(n);
                queue.keep_oldest(n);
            }
            Op::Move(capacity) => {
                queue.exchange(capacity, ring.content(), |capacity| ring.moved_to(capacity));
            }
        }
        queue.check(ring);
    }
}

/// All of it, from a ring with a little memory on.
pub fn run(ops: &[Op]) {
    let mut checked = Checked::default();
    checked.step(&Op::Move(64));
    for op in ops {
        checked.step(op);
    }
}
