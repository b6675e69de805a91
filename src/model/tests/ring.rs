// SPDX-License-Identifier: GPL-2.0

//! The ring against a plain queue: what is put in comes out, in order, and what a reader is copying does not change.

use proptest::prelude::*;
use rdevpts_model::ring::Ring;
use rdevpts_oracle::ring::{run, Op};

fn op() -> impl Strategy<Value = Op> {
    let n = || prop_oneof![0..20usize, 0..400usize, Just(usize::MAX)];
    prop_oneof![
        6 => n().prop_map(Op::Produce),
        4 => n().prop_map(Op::Read),
        4 => n().prop_map(Op::Consume),
        1 => n().prop_map(Op::DropOldest),
        1 => n().prop_map(Op::KeepOldest),
        1 => (0..9u32).prop_map(|log| Op::Move(1 << log)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_a_queue(ops in proptest::collection::vec(op(), 1..120)) {
        run(&ops);
    }
}

#[test]
fn positions_pass_the_end_of_their_range() {
    let mut ring = Ring::new();
    ring.moved_to(Ring::MAX_CAPACITY);
    // 2^32 bytes and some more go through, the largest piece at a time, at odd places.
    for _ in 0..(1u64 << 32) / 65_521 + 3 {
        assert_eq!(ring.produce(65_521).len(), 65_521);
        let spans = ring.read(usize::MAX);
        assert_eq!(spans.len(), 65_521);
        assert!(spans.0.start + spans.0.len <= ring.capacity());
        assert!(spans.1.len <= spans.0.start);
        ring.consume(65_521);
    }
    assert!(ring.is_empty());
}

#[test]
fn memory_is_rounded_down_to_what_a_ring_can_have() {
    let mut ring = Ring::new();
    for (memory, capacity) in [
        (0, 0),
        (1, 1),
        (100, 64),
        (4096, 4096),
        (1 << 20, Ring::MAX_CAPACITY),
    ] {
        ring.moved_to(memory);
        assert_eq!(ring.capacity(), capacity);
    }
}
