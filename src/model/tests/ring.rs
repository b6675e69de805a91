// SPDX-License-Identifier: GPL-2.0

//! The ring against a plain queue: what is put in comes out, in order, and what a reader is copying does not change.

use proptest::prelude::*;
use rdevpts_model::ring::{Ring, Span, Spans};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Op {
    Produce(usize),
    Read(usize),
    Consume(usize),
    DropOldest(usize),
    KeepOldest(usize),
    Move(usize),
}

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

/// A ring with its memory, and what it must do.
#[derive(Default)]
struct Checked {
    ring: Ring,
    memory: Vec<u8>,
    /// The memory before, which a reader is copying from.
    retired: Option<Vec<u8>>,
    expected: VecDeque<u8>,
    /// What a reader was given, and is copying.
    reading: Option<(Spans, Vec<u8>)>,
    doomed: usize,
    next: u8,
}

impl Checked {
    fn bytes(&self, spans: Spans) -> Vec<u8> {
        Self::bytes_of(&self.memory, spans)
    }

    fn bytes_of(memory: &[u8], spans: Spans) -> Vec<u8> {
        let part = |span: Span| memory.iter().skip(span.start).take(span.len).copied();
        part(spans.0).chain(part(spans.1)).collect()
    }

    fn pinned(&self) -> usize {
        self.reading.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Produce(want) => {
                let room = self.memory.len() - self.expected.len();
                let spans = self.ring.produce(want);
                assert_eq!(spans.len(), want.min(room));
                for span in [spans.0, spans.1] {
                    for place in &mut self.memory[span.start..][..span.len] {
                        *place = self.next;
                        self.expected.push_back(self.next);
                        self.next = self.next.wrapping_add(1);
                    }
                }
            }
            Op::Read(max) if self.reading.is_none() => {
                let spans = self.ring.read(max);
                let n = max.min(self.expected.len());
                let bytes: Vec<u8> = self.expected.iter().take(n).copied().collect();
                assert_eq!(self.bytes(spans), bytes);
                self.reading = Some((spans, bytes));
            }
            Op::Read(_) => {}
            Op::Consume(n) => {
                let Some((spans, bytes)) = self.reading.take() else {
                    return;
                };
                let retired = self.retired.take();
                let memory = retired.as_ref().unwrap_or(&self.memory);
                assert_eq!(
                    Self::bytes_of(memory, spans),
                    bytes,
                    "what is being read changed"
                );
                self.ring.consume(n);
                let gone = n.min(bytes.len()).max(std::mem::take(&mut self.doomed));
                self.expected.drain(..gone);
            }
            Op::DropOldest(n) => {
                self.ring.drop_oldest(n);
                let n = n.min(self.expected.len());
                if self.pinned() > 0 {
                    self.doomed = self.doomed.max(n);
                } else {
                    self.expected.drain(..n);
                }
            }
            Op::KeepOldest(n) => {
                self.ring.keep_oldest(n);
                self.expected.truncate(n.max(self.pinned()));
                self.doomed = self.doomed.min(self.expected.len());
            }
            Op::Move(capacity) => {
                assert_eq!(self.ring.is_pinned(), self.pinned() > 0);
                if self.retired.is_some() || capacity < self.expected.len() {
                    return;
                }
                let content = self.bytes(self.ring.content());
                let old = std::mem::replace(&mut self.memory, vec![0; capacity]);
                self.retired = self.ring.is_pinned().then_some(old);
                self.memory[..content.len()].copy_from_slice(&content);
                self.ring.moved_to(capacity);
            }
        }
        assert_eq!(self.ring.capacity(), self.memory.len());
        assert_eq!(self.ring.len(), self.expected.len() - self.doomed);
        assert_eq!(self.ring.is_empty(), self.expected.len() == self.doomed);
        assert_eq!(self.ring.room(), self.memory.len() - self.expected.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_a_queue(ops in proptest::collection::vec(op(), 1..120)) {
        let mut checked = Checked::default();
        checked.step(&Op::Move(64));
        for op in &ops {
            checked.step(op);
        }
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
