// SPDX-License-Identifier: GPL-2.0

//! The channel: nobody sleeps on what is there, and a flush takes what it takes on C devpts.

use crate::{capacity, queue::Queue, size};
use arbitrary::Arbitrary;
use rdevpts_model::channel::{Channel, Column, LEAST, LOW_WATER, SETTLED};

/// What can happen to a channel.
#[derive(Arbitrary, Clone, Debug)]
pub enum Op {
    /// A producer has so many bytes, and wants readers woken or not.
    Produce(#[arbitrary(with = size)] usize, bool),
    /// See [`Channel::begin_batch`].
    BeginBatch,
    /// See [`Channel::end_batch`].
    EndBatch,
    /// See [`Channel::flush`].
    Flush,
    /// See [`Channel::write_room`].
    WriteRoom,
    /// See [`Channel::starve`].
    Starve,
    /// A reader begins, and has room for so many bytes.
    Read(#[arbitrary(with = size)] usize),
    /// It is done, and took so many; none if its memory is bad.
    Consume(#[arbitrary(with = size)] usize),
    /// See [`Channel::flush_output`].
    FlushOutput,
    /// See [`Channel::flush_input`].
    FlushInput,
    /// See [`Channel::detach`].
    Detach,
    /// Other memory, of so many bytes, which is a power of two.
    Move(#[arbitrary(with = capacity)] usize),
    /// The line discipline's column is 0, or it is another.
    SetColumn(bool),
    /// The line discipline's column is as before.
    KeepColumn,
}

/// A channel with its memory, what it must do, and who sleeps.
pub struct Checked {
    channel: Channel,
    queue: Queue,
    batches: u32,
    /// Whether there is something that no reader has been told of.
    untold: bool,
    /// Whether a producer wanted room, and has not been told of any.
    starved: bool,
    detached: bool,
    at_line_start: bool,
    /// A reader that saw nothing sleeps until it is woken.
    reader_sleeps: bool,
    /// A writer that got less in than it wanted sleeps until it is woken.
    writer_sleeps: bool,
}

impl Checked {
    /// One with memory for `capacity` bytes, and a reader that waits.
    pub fn new(capacity: usize) -> Self {
        let mut checked = Self {
            channel: Channel::new(),
            queue: Queue::default(),
            batches: 0,
            untold: false,
            starved: false,
            detached: false,
            at_line_start: false,
            reader_sleeps: true,
            writer_sleeps: false,
        };
        checked.step(&Op::Move(capacity));
        checked
    }

    /// Readers are to be told if they have not been: what the channel says must be that.
    fn told(&mut self, when: bool, wake: bool) {
        assert_eq!(wake, when && self.untold);
        if when {
            self.untold = false;
            self.reader_sleeps &= !wake;
        }
    }

    fn produce(&mut self, want: usize, tell: bool) {
        let produced = self.channel.produce(want, tell);
        self.queue.produce(want, produced.spans);
        self.untold |= !produced.spans.is_empty();
        let short = produced.spans.len() < want;
        self.starved |= short;
        self.writer_sleeps |= short;
        self.told(short || (tell && self.batches == 0), produced.wake_readers);
        // Who waits for room waits for a reader that knows. Nothing more comes through a channel that is detached.
        let both_sleep = self.writer_sleeps && self.reader_sleeps;
        assert!(!both_sleep || self.queue.is_reading() || self.detached);
    }

    fn consume(&mut self, n: usize) {
        if !self.queue.is_reading() {
            return;
        }
        let consumed = self.channel.consume(n);
        self.queue.consume(n);
        let half = self.queue.room() >= self.queue.capacity() / 2;
        let wake = self.queue.len() <= LOW_WATER || (self.starved && half);
        assert_eq!(consumed.wake_writers, wake);
        if wake {
            self.starved = false;
            self.writer_sleeps = false;
        }
        assert!(!self.writer_sleeps || self.queue.room() < self.queue.capacity() / 2);
    }

    /// One thing happens.
    pub fn step(&mut self, op: &Op) {
        match *op {
            Op::Produce(want, tell) => self.produce(want, tell),
            Op::BeginBatch => {
                self.channel.begin_batch();
                self.batches += 1;
            }
            Op::EndBatch => {
                self.batches = self.batches.saturating_sub(1);
                let wake = self.channel.end_batch();
                self.told(self.batches == 0, wake);
            }
            Op::Flush => {
                let wake = self.channel.flush();
                self.told(true, wake);
            }
            Op::WriteRoom => {
                let room = self.queue.room();
                let enough = room >= LEAST;
                self.starved |= !enough;
                assert_eq!(self.channel.write_room(), if enough { room } else { 0 });
            }
            Op::Starve => {
                let wake = self.channel.starve();
                self.starved = true;
                self.told(true, wake);
            }
            Op::Read(max) => {
                if !self.queue.is_reading() {
                    let spans = self.channel.read(max);
                    self.queue.read(max, spans);
                    self.reader_sleeps |= self.queue.is_empty();
                }
            }
            Op::Consume(n) => self.consume(n),
            Op::FlushOutput => {
                self.channel.flush_output();
                self.queue.keep_oldest(SETTLED);
            }
            Op::FlushInput => {
                self.channel.flush_input();
                self.queue.drop_oldest(usize::MAX);
                // Whoever flushes tells the writers, by `tty_unthrottle()`.
                self.writer_sleeps = false;
            }
            Op::Detach => {
                self.channel.detach();
                self.queue.drop_oldest(SETTLED);
                self.detached = true;
            }
            Op::Move(capacity) => {
                let content = self.channel.ring().content();
                let moved_to = |capacity| self.channel.moved_to(capacity);
                self.queue.exchange(capacity, content, moved_to);
            }
            Op::SetColumn(zero) => {
                self.channel
                    .set_column(if zero { Column::Zero } else { Column::Other });
                self.at_line_start = zero;
            }
            Op::KeepColumn => self.channel.set_column(Column::Same),
        }
        self.queue.check(self.channel.ring());
        assert_eq!(self.channel.is_attached(), !self.detached);
        assert_eq!(self.channel.is_at_line_start(), self.at_line_start);
        let idle = self.queue.is_empty() && !self.queue.is_pinned() && self.batches == 0;
        assert_eq!(self.channel.is_idle(), idle);
    }

    /// Everybody is done, and all is flushed: no reader sleeps on what is there.
    pub fn end(mut self) {
        self.consume(0);
        for _ in 0..self.batches {
            self.step(&Op::EndBatch);
        }
        self.step(&Op::Flush);
        assert!(!self.reader_sleeps || self.queue.is_empty());
    }
}

/// All of it, from a channel with as much memory as it has in the kernel at first.
pub fn run(ops: &[Op]) {
    let mut checked = Checked::new(4096);
    for op in ops {
        checked.step(op);
    }
    checked.end();
}
