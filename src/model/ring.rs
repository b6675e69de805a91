// SPDX-License-Identifier: GPL-2.0

//! Positions in a ring of bytes with one reader at a time, who copies without holding the lock.
//!
//! The bytes themselves are elsewhere, with whoever has the memory. The ring says where in it they go, and is used under
//! a lock by all; only the copying of a reader, which can fault and sleep, is done outside of the lock, between
//! [`Ring::read`] and [`Ring::consume`]. What a reader may be copying is *pinned*: it is not overwritten. The ring may get other
//! memory meanwhile; the reader has the old, which must stay until it is done.

/// A part of the ring's memory that does not wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of its first byte in the memory.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
}

/// Up to two parts of the ring's memory, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spans(pub Span, pub Span);

impl Spans {
    /// Number of bytes in both.
    pub const fn len(&self) -> usize {
        self.0.len.wrapping_add(self.1.len)
    }

    /// Whether there is no byte in them.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the bytes of a ring are.
///
/// Invariants: `capacity` is 0 or a power of two, not above [`Ring::MAX_CAPACITY`]; `len <= capacity`;
/// `pinned <= len`. `tail` counts all bytes ever taken out, modulo 2^32.
#[derive(Debug, Default)]
pub struct Ring {
    /// Position of the oldest byte.
    tail: u32,
    /// Number of bytes.
    len: u32,
    /// Number of bytes, from the oldest on, that a reader may be copying.
    pinned: u32,
    /// Number of bytes to throw away, from the oldest on, once the reader is done.
    doomed: u32,
    /// Number of bytes that there is memory for.
    capacity: u32,
}

impl Ring {
    /// The largest capacity.
    pub const MAX_CAPACITY: usize = 1 << 16;

    /// A ring without memory.
    pub const fn new() -> Self {
        Self {
            tail: 0,
            len: 0,
            pinned: 0,
            doomed: 0,
            capacity: 0,
        }
    }

    /// How many bytes there are to be read.
    pub const fn len(&self) -> usize {
        self.len.saturating_sub(self.doomed) as usize
    }

    /// Whether there is nothing to be read.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes fit in.
    pub const fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len) as usize
    }

    /// How many bytes there is memory for.
    pub const fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Where `len` bytes from `position` on are.
    const fn spans(&self, position: u32, len: u32) -> Spans {
        let start = position & self.capacity.wrapping_sub(1);
        let to_end = self.capacity.saturating_sub(start);
        let first = if len < to_end { len } else { to_end };
        Spans(
            Span {
                start: start as usize,
                len: first as usize,
            },
            Span {
                start: 0,
                len: len.saturating_sub(first) as usize,
            },
        )
    }

    /// Puts in as many of `want` bytes as fit: the caller writes them to the spans before it gives up the lock.
    pub fn produce(&mut self, want: usize) -> Spans {
        let room = self.room();
        let n = if want < room { want } else { room } as u32;
        let spans = self.spans(self.tail.wrapping_add(self.len), n);
        self.len = self.len.saturating_add(n);
        spans
    }

    /// The oldest bytes, up to `max`. They stay where they are until [`consume`](Self::consume), which must be called; the
    /// caller may give up the lock in between. There is one such reader at a time.
    pub fn read(&mut self, max: usize) -> Spans {
        let len = self.len();
        self.pinned = if max < len { max } else { len } as u32;
        self.spans(self.tail, self.pinned)
    }

    /// Ends what [`read`](Self::read) began: takes out the first `n` of the bytes that it gave.
    pub fn consume(&mut self, n: usize) {
        let n = if n < self.pinned as usize {
            n as u32
        } else {
            self.pinned
        };
        self.pinned = 0;
        let doomed = core::mem::take(&mut self.doomed);
        self.take(if n < doomed { doomed } else { n });
    }

    fn take(&mut self, n: u32) {
        let n = if n < self.len { n } else { self.len };
        self.tail = self.tail.wrapping_add(n);
        self.len = self.len.saturating_sub(n);
    }

    /// Throws away the oldest `n` bytes, those that a reader is copying when it is done: it may have some of them.
    pub fn drop_oldest(&mut self, n: usize) {
        let n = if n < self.len as usize {
            n as u32
        } else {
            self.len
        };
        if self.pinned == 0 {
            self.take(n);
        } else if self.doomed < n {
            self.doomed = n;
        }
    }

    /// Throws away all but the oldest `n` bytes, and but those that a reader is copying.
    pub fn keep_oldest(&mut self, n: usize) {
        let n = if n < self.pinned as usize {
            self.pinned
        } else if n < self.len as usize {
            n as u32
        } else {
            return;
        };
        self.len = n;
        if self.doomed > n {
            self.doomed = n;
        }
    }

    /// Whether a reader may be copying from the memory.
    pub const fn is_pinned(&self) -> bool {
        self.pinned > 0
    }

    /// Where the bytes are that must be moved to the beginning of new memory.
    pub const fn content(&self) -> Spans {
        self.spans(self.tail, self.len)
    }

    /// The content is now at the beginning of memory for `capacity` bytes, rounded down to what a ring can have.
    ///
    /// What does not fit is lost. The old memory may be given up once it is not [pinned](Self::is_pinned).
    pub fn moved_to(&mut self, capacity: usize) {
        let capacity = if capacity < Self::MAX_CAPACITY {
            capacity as u32
        } else {
            Self::MAX_CAPACITY as u32
        };
        self.capacity = match capacity.checked_ilog2() {
            Some(log) => 1 << log,
            None => 0,
        };
        self.tail = 0;
        if self.len > self.capacity {
            self.len = self.capacity;
        }
    }
}
