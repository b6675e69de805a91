// SPDX-License-Identifier: GPL-2.0

//! Output on its way from a slave to its master: what is there, and who must be woken.
//!
//! Producers are the slave's writers and the echo of its line discipline, in any number; the consumer is whoever reads the
//! master, one at a time. All events come under one lock; what must be woken is returned, and done after the lock is
//! released. A reader that finds nothing sleeps on a wait queue that it joined before it looked, so that a producer who
//! comes later sees it there.

use super::ring::{Ring, Spans};

/// How much the C driver's master has in its line discipline, past the reach of a flush: `N_TTY_BUF_SIZE` less one.
pub const SETTLED: usize = 4095;

/// Writers are told about room whenever a read leaves no more than this, as the line discipline of a C master does
/// (`TTY_THRESHOLD_UNTHROTTLE`).
pub const LOW_WATER: usize = 128;

/// Less room than this counts as none: the line discipline does not part a newline from its carriage return, nor the spaces of
/// a tab, and would find room and not use it.
pub const LEAST: usize = 8;

/// Output on its way from a slave to its master.
#[derive(Debug, Default)]
pub struct Channel {
    ring: Ring,
    /// Whether the ring is not used (any more): what is written goes another way.
    detached: bool,
    /// How many writers hold back the wake-up of readers until they are done.
    batches: u32,
    /// Whether there is something that no reader has been woken for.
    untold: bool,
    /// Whether the line discipline's column is known to be 0: the last that it processed was a newline.
    at_line_start: bool,
    /// Whether a producer found less room than it wanted, and nobody has been told of room since.
    starved: bool,
    /// How often that has become so, modulo 2^64.
    stalls: u64,
    /// How many bytes were ever put in, modulo 2^64.
    produced: u64,
}

/// The line discipline's column after a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// 0: it was a processed newline.
    Zero,
    /// Unknown.
    Other,
    /// As before: it was not processed.
    Same,
}

/// What [`Channel::produce`] did.
#[derive(Debug, PartialEq, Eq)]
pub struct Produced {
    /// Where to put the bytes, before the lock is released.
    pub spans: Spans,
    /// Whether readers must be woken.
    pub wake_readers: bool,
}

/// What [`Channel::consume`] did.
#[derive(Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Whether writers must be told that there is room.
    pub wake_writers: bool,
}

impl Channel {
    /// An empty channel without memory.
    pub const fn new() -> Self {
        Self {
            ring: Ring::new(),
            detached: false,
            batches: 0,
            untold: false,
            at_line_start: false,
            starved: false,
            stalls: 0,
            produced: 0,
        }
    }

    /// How many bytes were ever put in, modulo 2^64; those that a flush threw away are among them.
    pub const fn produced(&self) -> u64 {
        self.produced
    }

    /// How often producers found too little room, modulo 2^64: once until they are told of room.
    pub const fn stalls(&self) -> u64 {
        self.stalls
    }

    fn set_starved(&mut self) {
        if !self.starved {
            self.starved = true;
            self.stalls = self.stalls.wrapping_add(1);
        }
    }

    /// The positions.
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The memory was exchanged, see [`Ring::moved_to`].
    pub fn moved_to(&mut self, capacity: usize) {
        self.ring.moved_to(capacity);
    }

    /// Whether the line discipline's column is known to be 0, so that whole lines may pass it by.
    pub const fn is_at_line_start(&self) -> bool {
        self.at_line_start
    }

    /// Says what the line discipline's column is after what it has output.
    pub fn set_column(&mut self, column: Column) {
        match column {
            Column::Zero => self.at_line_start = true,
            Column::Other => self.at_line_start = false,
            Column::Same => {}
        }
    }

    /// Whether output goes through the ring.
    pub const fn is_attached(&self) -> bool {
        !self.detached
    }

    /// Output goes another way from now on. What the C driver's line discipline would have had, and lost, is thrown away;
    /// the rest is the caller's to send after it: see [`Ring::content`].
    pub fn detach(&mut self) {
        self.detached = true;
        self.ring.drop_oldest(SETTLED);
    }

    /// How many bytes fit, as far as there is memory.
    ///
    /// A producer that goes by the answer, and waits when it is too little, is told of room by a later
    /// [`consume`](Self::consume).
    pub fn write_room(&mut self) -> usize {
        let room = self.ring.room();
        if room < LEAST {
            self.set_starved();
            return 0;
        }
        room
    }

    /// A producer found too little room for what it cannot part. Returns whether readers must be woken.
    #[must_use]
    pub fn starve(&mut self) -> bool {
        self.set_starved();
        self.flush()
    }

    /// Puts in as many of `want` bytes as fit. `tell` is whether this producer wants its readers woken now, unless a writer
    /// holds that back: see [`begin_batch`](Self::begin_batch), [`flush`](Self::flush).
    pub fn produce(&mut self, want: usize, tell: bool) -> Produced {
        let spans = self.ring.produce(want);
        if !spans.is_empty() {
            self.untold = true;
        }
        self.produced = self.produced.wrapping_add(spans.len() as u64);
        let short = spans.len() < want;
        if short {
            self.set_starved();
        }
        // Who is short of room waits for a reader: it must know.
        let now = short || (tell && self.batches == 0);
        Produced {
            spans,
            wake_readers: now && self.flush(),
        }
    }

    /// A writer begins a write of several pieces, for which readers are woken once, at its end.
    pub fn begin_batch(&mut self) {
        self.batches = self.batches.saturating_add(1);
    }

    /// The end of what [`begin_batch`](Self::begin_batch) began. Returns whether readers must be woken.
    #[must_use]
    pub fn end_batch(&mut self) -> bool {
        self.batches = self.batches.saturating_sub(1);
        self.batches == 0 && self.flush()
    }

    /// Whether readers must be woken for what was put in before.
    #[must_use]
    pub fn flush(&mut self) -> bool {
        core::mem::take(&mut self.untold)
    }

    /// The oldest bytes, up to `max`; see [`Ring::read`].
    pub fn read(&mut self, max: usize) -> Spans {
        self.ring.read(max)
    }

    /// Takes out the first `n` bytes of what [`read`](Self::read) gave; see [`Ring::consume`].
    pub fn consume(&mut self, n: usize) -> Consumed {
        self.ring.consume(n);
        let len = self.ring.len();
        let low = len <= LOW_WATER;
        let half = self.ring.room() >= self.ring.capacity() / 2;
        let wake_writers = low || (self.starved && half);
        if wake_writers {
            self.starved = false;
        }
        Consumed { wake_writers }
    }

    /// Whether nothing is there and nobody is writing: the memory may be given back.
    pub const fn is_idle(&self) -> bool {
        self.ring.is_empty() && !self.ring.is_pinned() && self.batches == 0
    }

    /// The slave's output is flushed (`TCOFLUSH`, `INTR`): what a C master has already got stays.
    pub fn flush_output(&mut self) {
        self.ring.keep_oldest(SETTLED);
    }

    /// The master's input is flushed (`TCIFLUSH`), or nobody will read it: everything is thrown away.
    pub fn flush_input(&mut self) {
        self.ring.drop_oldest(usize::MAX);
    }
}
