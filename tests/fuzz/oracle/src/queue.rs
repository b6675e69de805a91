// SPDX-License-Identifier: GPL-2.0

//! A plain queue of bytes beside the memory that a ring says where to put them in.

use rdevpts_model::ring::{Ring, Span, Spans};
use std::collections::VecDeque;

/// The memory, what must be in it, and what a reader is copying from it.
#[derive(Default)]
pub struct Queue {
    memory: Vec<u8>,
    /// The memory before, which a reader is copying from.
    retired: Option<Vec<u8>>,
    expected: VecDeque<u8>,
    /// What a reader was given, and is copying.
    reading: Option<(Spans, Vec<u8>)>,
    doomed: usize,
    next: u8,
}

fn bytes_of(memory: &[u8], spans: Spans) -> Vec<u8> {
    let part = |span: Span| memory.iter().skip(span.start).take(span.len).copied();
    part(spans.0).chain(part(spans.1)).collect()
}

impl Queue {
    /// How many bytes there are to be read.
    pub fn len(&self) -> usize {
        self.expected.len() - self.doomed
    }

    /// Whether there is nothing to be read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes fit in.
    pub fn room(&self) -> usize {
        self.memory.len() - self.expected.len()
    }

    /// How many bytes there is memory for.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Whether a reader is copying.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Whether a reader is copying any bytes.
    pub fn is_pinned(&self) -> bool {
        self.pinned() > 0
    }

    fn pinned(&self) -> usize {
        self.reading.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    /// `want` bytes were asked for, and go to `spans`.
    pub fn produce(&mut self, want: usize, spans: Spans) {
        assert_eq!(spans.len(), want.min(self.room()));
        for span in [spans.0, spans.1] {
            for place in &mut self.memory[span.start..][..span.len] {
                *place = self.next;
                self.expected.push_back(self.next);
                self.next = self.next.wrapping_add(1);
            }
        }
    }

    /// A reader that has room for `max` bytes was given those in `spans`.
    pub fn read(&mut self, max: usize, spans: Spans) {
        assert!(self.reading.is_none());
        let bytes: Vec<u8> = self.expected.iter().take(max).copied().collect();
        assert_eq!(bytes_of(&self.memory, spans), bytes);
        self.reading = Some((spans, bytes));
    }

    /// The reader is done and took `n` bytes of those that it was given.
    pub fn consume(&mut self, n: usize) {
        let Some((spans, bytes)) = self.reading.take() else {
            return;
        };
        let retired = self.retired.take();
        let memory = retired.as_ref().unwrap_or(&self.memory);
        assert_eq!(bytes_of(memory, spans), bytes, "what is being read changed");
        let gone = n.min(bytes.len()).max(std::mem::take(&mut self.doomed));
        self.expected.drain(..gone);
    }

    /// The oldest `n` bytes were thrown away; those that a reader is copying when it is done.
    pub fn drop_oldest(&mut self, n: usize) {
        let n = n.min(self.expected.len());
        if self.is_pinned() {
            self.doomed = self.doomed.max(n);
        } else {
            self.expected.drain(..n);
        }
    }

    /// All but the oldest `n` bytes were thrown away, and but those that a reader is copying.
    pub fn keep_oldest(&mut self, n: usize) {
        self.expected.truncate(n.max(self.pinned()));
        self.doomed = self.doomed.min(self.expected.len());
    }

    /// Gives the ring other memory, by `moved_to`; not less than what is there needs, and not while a reader has the memory
    /// before this one.
    pub fn exchange(&mut self, capacity: usize, content: Spans, moved_to: impl FnOnce(usize)) {
        if self.retired.is_some() || capacity < self.expected.len() {
            return;
        }
        let content = bytes_of(&self.memory, content);
        assert!(self.expected.iter().eq(content.iter()));
        let old = std::mem::replace(&mut self.memory, vec![0; capacity]);
        self.retired = self.is_pinned().then_some(old);
        self.memory[..content.len()].copy_from_slice(&content);
        moved_to(capacity);
    }

    /// The ring says of itself what is so.
    pub fn check(&self, ring: &Ring) {
        assert_eq!(ring.is_pinned(), self.is_pinned());
        assert_eq!(ring.capacity(), self.capacity());
        assert_eq!(ring.len(), self.len());
        assert_eq!(ring.is_empty(), self.is_empty());
        assert_eq!(ring.room(), self.room());
        assert!(self
            .expected
            .iter()
            .eq(bytes_of(&self.memory, ring.content()).iter()));
    }
}
