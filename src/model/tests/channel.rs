// SPDX-License-Identifier: GPL-2.0

//! Who is woken when: nobody sleeps on what is there, and a flush takes what it takes on C devpts.

use proptest::prelude::*;
use rdevpts_model::channel::{Channel, LOW_WATER, SETTLED};

const CAPACITY: usize = 4096;

fn channel() -> Channel {
    let mut channel = Channel::new();
    channel.moved_to(CAPACITY);
    channel
}

#[derive(Clone, Debug)]
enum Op {
    Produce(usize, bool),
    Begin,
    End,
    Flush,
    Read(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let n = || prop_oneof![3 => 1..100usize, 1 => 1..10_000usize];
    prop_oneof![
        4 => (n(), any::<bool>()).prop_map(|(n, tell)| Op::Produce(n, tell)),
        1 => Just(Op::Begin),
        1 => Just(Op::End),
        1 => Just(Op::Flush),
        4 => (n(), any::<bool>()).prop_map(|(n, fault)| Op::Read(n, fault)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A reader goes to sleep when it sees nothing; a writer, when it got less in than it wanted. When nobody is inside of a
    /// write and all is flushed, none sleeps on what is there, whatever came before.
    #[test]
    fn nobody_sleeps_on_what_is_there(ops in proptest::collection::vec(op(), 1..60)) {
        let mut channel = channel();
        let (mut reader_sleeps, mut writer_sleeps) = (true, false);
        let mut batches = 0;
        for op in ops {
            match op {
                Op::Produce(n, tell) => {
                    let produced = channel.produce(n, tell);
                    let told = produced.wake_readers;
                    writer_sleeps |= produced.spans.len() < n;
                    if told {
                        reader_sleeps = false;
                    } else if tell && batches == 0 && !produced.spans.is_empty() {
                        prop_assert!(false, "the reader was not told");
                    }
                    // Who waits for room waits for a reader that knows.
                    prop_assert!(!(writer_sleeps && reader_sleeps));
                }
                Op::Begin => {
                    channel.begin_batch();
                    batches += 1;
                }
                Op::End if batches > 0 => {
                    batches -= 1;
                    reader_sleeps &= !channel.end_batch();
                }
                Op::End => {}
                Op::Flush => reader_sleeps &= !channel.flush(),
                Op::Read(max, fault) => {
                    let spans = channel.read(max);
                    let consumed = channel.consume(if fault { 0 } else { spans.len() });
                    if spans.is_empty() {
                        reader_sleeps = true;
                    }
                    if consumed.wake_writers {
                        writer_sleeps = false;
                    }
                    prop_assert!(!writer_sleeps || channel.ring().room() < CAPACITY / 2);
                    prop_assert_eq!(consumed.wake_writers || channel.ring().len() > LOW_WATER, true);
                    prop_assert_eq!(consumed.idle, channel.ring().is_empty() && batches == 0);
                }
            }
        }
        for _ in 0..batches {
            reader_sleeps &= !channel.end_batch();
        }
        reader_sleeps &= !channel.flush();
        prop_assert!(!reader_sleeps || channel.ring().is_empty());
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
fn what_is_detached_keeps_its_bytes_in_order() {
    let mut channel = channel();
    channel.produce(CAPACITY, true);
    channel.detach();
    assert!(!channel.is_attached());
    assert_eq!(channel.ring().content().len(), CAPACITY - SETTLED);
}
