// SPDX-License-Identifier: GPL-2.0

//! Who is woken when: nobody sleeps on what is there, and a flush takes what it takes on C devpts.

use proptest::prelude::*;
use rdevpts_model::channel::{Channel, SETTLED};
use rdevpts_oracle::channel::{run, Op};

const CAPACITY: usize = 4096;

fn channel() -> Channel {
    let mut channel = Channel::new();
    channel.moved_to(CAPACITY);
    channel
}

/// A read as it is when nobody comes between, or a fault is met.
fn read(max: usize, fault: bool) -> Vec<Op> {
    vec![Op::Read(max), Op::Consume(if fault { 0 } else { max })]
}

fn op() -> impl Strategy<Value = Vec<Op>> {
    let n = || prop_oneof![3 => 1..100usize, 1 => 1..10_000usize];
    let one = |op: Op| Just(vec![op]);
    prop_oneof![
        8 => (n(), any::<bool>()).prop_map(|(n, tell)| vec![Op::Produce(n, tell)]),
        2 => one(Op::BeginBatch),
        2 => one(Op::EndBatch),
        2 => one(Op::Flush),
        8 => (n(), any::<bool>()).prop_map(|(n, fault)| read(n, fault)),
        2 => n().prop_map(|n| vec![Op::Read(n)]),
        2 => n().prop_map(|n| vec![Op::Consume(n)]),
        1 => one(Op::WriteRoom),
        1 => one(Op::Starve),
        1 => one(Op::FlushOutput),
        1 => one(Op::FlushInput),
        1 => one(Op::Detach),
        1 => (8..14u32).prop_map(|log| vec![Op::Move(1 << log)]),
        1 => any::<bool>().prop_map(|zero| vec![Op::SetColumn(zero)]),
        1 => one(Op::KeepColumn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A reader goes to sleep when it sees nothing; a writer, when it got less in than it wanted. When nobody is inside of a
    /// write and all is flushed, none sleeps on what is there, whatever came before.
    #[test]
    fn nobody_sleeps_on_what_is_there(ops in proptest::collection::vec(op(), 1..60)) {
        run(&ops.concat());
    }

    #[test]
    fn a_flush_of_the_output_keeps_what_a_c_master_has(n in 0..CAPACITY + 10) {
        let mut channel = channel();
        let n = channel.produce(n, true).spans.len();
        channel.flush_output();
        prop_assert_eq!(channel.ring().len(), n.min(SETTLED));
    }

    #[test]
    fn a_flush_of_the_input_drops_all(n in 0..CAPACITY + 10) {
        let mut channel = channel();
        channel.produce(n, true);
        channel.flush_input();
        prop_assert!(channel.ring().is_empty());
    }
}

#[test]
fn readers_hear_of_a_write_of_several_pieces_once() {
    let mut channel = channel();
    channel.begin_batch();
    assert!(!channel.produce(10, true).wake_readers);
    assert!(!channel.produce(10, true).wake_readers);
    assert!(channel.end_batch());
    assert!(!channel.flush());
}

#[test]
fn readers_hear_of_it_at_once_when_there_is_no_room() {
    let mut channel = channel();
    channel.begin_batch();
    assert!(!channel.produce(CAPACITY, true).wake_readers);
    assert!(channel.produce(1, true).wake_readers);
    assert!(!channel.end_batch());
}

#[test]
fn what_was_put_in_and_what_had_no_room_is_counted() {
    let mut channel = channel();
    channel.produce(CAPACITY - 1, true);
    assert_eq!(
        (channel.produced(), channel.stalls()),
        (CAPACITY as u64 - 1, 0)
    );
    // Once, until somebody is told of room.
    channel.produce(2, true);
    channel.produce(1, true);
    assert_eq!(channel.write_room(), 0);
    assert_eq!((channel.produced(), channel.stalls()), (CAPACITY as u64, 1));
    let all = channel.read(CAPACITY).len();
    assert!(channel.consume(all).wake_writers);
    channel.produce(CAPACITY, true);
    let _ = channel.starve();
    channel.flush_input();
    assert_eq!(
        (channel.produced(), channel.stalls()),
        (2 * CAPACITY as u64, 2)
    );
}

#[test]
fn what_is_detached_keeps_its_bytes_in_order() {
    let mut channel = channel();
    channel.produce(CAPACITY, true);
    channel.detach();
    assert!(!channel.is_attached());
    assert_eq!(channel.ring().content().len(), CAPACITY - SETTLED);
}

/// Found by the fuzzer, in what it compared with: a writer that waits for room is told by who empties the ring, not by a reader.
#[test]
fn who_flushes_or_detaches_tells_the_writers() {
    let full = Op::Produce(2 * CAPACITY, true);
    let rest = [
        Op::Read(1),
        Op::BeginBatch,
        Op::Produce(CAPACITY - 200, true),
        Op::Consume(0),
        Op::Produce(1, true),
    ];
    for empty in [[Op::FlushInput, Op::FlushInput], [Op::Detach, Op::Detach]] {
        run(&[std::slice::from_ref(&full), &empty, &rest].concat());
    }
}
