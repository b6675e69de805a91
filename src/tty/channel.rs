// SPDX-License-Identifier: GPL-2.0

//! Output on its way from a slave to its master: the memory and the lock of [`model::channel`](crate::model::channel).
//!
//! The C driver queues output in a flip buffer, from which a kworker moves it to the master's line discipline, from which
//! it is read 64 bytes at a time. Here a writer puts it where the reader takes it from.

use super::{memory::Memory, read_lock::ReadLock};
use crate::{
    bindings::compat::{new_spinlock_irq, SpinLockIrq},
    model::{
        channel::{Channel as Model, Column, Consumed},
        lines,
        ring::{Ring, Span, Spans},
    },
};
use core::mem;
use kernel::{
    prelude::*,
    sync::atomic::{ordering::Relaxed, Atomic},
    types::NotThreadSafe,
};

/// What a terminal that shows prompts and echoes needs.
const SMALL: usize = 4096;
/// What a terminal that is written to in bulk needs; given back when it is read empty.
const LARGE: usize = Ring::MAX_CAPACITY;
/// Room that whole lines leave for the line discipline's echo while it may echo: as much as it can have pending.
const ECHO: usize = 4096;
/// How many bytes are copied at a time with interrupts disabled.
pub(super) const PIECE: usize = 8192;

/// The model with its memory.
struct State {
    model: Model,
    /// Of the capacity that the model's ring has, or of more.
    memory: Memory,
    /// What was in its place when the reader began that is copying now.
    retired: Memory,
}

impl State {
    /// Copies `data` to where the model wants it.
    fn fill(&mut self, spans: Spans, data: &[u8]) {
        let (first, second) = data.split_at_checked(spans.0.len).unwrap_or((data, &[]));
        self.copy_in(spans.0, first);
        self.copy_in(spans.1, second);
    }

    fn copy_in(&mut self, span: Span, data: &[u8]) {
        let len = data.len().min(span.len);
        if span.start.saturating_add(len) > self.memory.capacity() {
            return;
        }
        // SAFETY: The span lies within the memory, as was just checked; `data` is not part of that memory, which only this
        // file hands out, and never to writers.
        unsafe {
            self.memory
                .as_ptr()
                .add(span.start)
                .copy_from_nonoverlapping(data.as_ptr(), len)
        };
    }

    /// Puts in `data` as far as it fits. Returns how much did, and whether readers must be woken.
    fn put(&mut self, data: &[u8], tell: bool) -> (usize, bool) {
        let produced = self.model.produce(data.len(), tell);
        self.fill(produced.spans, data);
        (produced.spans.len(), produced.wake_readers)
    }

    /// Puts in the first line of `text`, with its `\n` made `\r\n`, if it is no longer than a piece, and all of it fits and leaves
    /// `spare` room. Returns how much of `text` that was.
    fn put_line(&mut self, text: &[u8], spare: usize, wake: &mut bool) -> usize {
        // A longer line is the line discipline's: interrupts are disabled.
        let near = text.get(..PIECE).unwrap_or(text);
        let Some((line, _)) = lines::first_newline(near).and_then(|end| text.split_at_checked(end))
        else {
            return 0;
        };
        if self.model.ring().room() < line.len().saturating_add(2).saturating_add(spare) {
            *wake |= self.model.starve();
            return 0;
        }
        let (_, now) = self.put(line, false);
        let (_, again) = self.put(b"\r\n", false);
        *wake |= now | again;
        line.len().saturating_add(1)
    }

    /// Takes `memory` into use, with what there is. Returns what may be freed: the old, unless a reader is copying from that.
    fn exchange(&mut self, memory: Memory) -> Memory {
        let ring = self.model.ring();
        let pinned = ring.is_pinned();
        let content = ring.content();
        if memory.capacity() < content.len() || (pinned && self.retired.capacity() > 0) {
            return memory;
        }
        let Spans(first, second) = content;
        // SAFETY: Both spans lie within the old memory, one after another in the new, which has room for as much.
        unsafe {
            let (old, new) = (self.memory.as_ptr(), memory.as_ptr());
            new.copy_from_nonoverlapping(old.add(first.start), first.len);
            new.add(first.len)
                .copy_from_nonoverlapping(old.add(second.start), second.len);
        }
        self.model.moved_to(memory.capacity());
        let old = mem::replace(&mut self.memory, memory);
        if pinned {
            mem::replace(&mut self.retired, old)
        } else {
            old
        }
    }

    /// Takes out memory that is more than an idle terminal needs.
    fn trim(&mut self) -> Memory {
        if self.model.is_idle() && self.memory.capacity() > SMALL {
            self.model.moved_to(0);
            mem::replace(&mut self.memory, Memory::NONE)
        } else {
            Memory::NONE
        }
    }
}

/// What is to be known of a [`Channel`].
pub(super) struct Tally {
    /// Bytes that were ever put in.
    pub(super) produced: u64,
    /// How often a writer found too little room.
    pub(super) stalls: u64,
    /// Bytes that there are.
    pub(super) queued: usize,
    /// Bytes of memory.
    pub(super) memory: usize,
}

/// Output on its way from a slave to its master.
#[pin_data]
pub(super) struct Channel {
    /// Interrupts are off, since line disciplines (PPP) write from softirqs.
    #[pin]
    state: SpinLockIrq<State>,
    /// Held by who reads, one at a time.
    #[pin]
    reading: ReadLock,
    /// Not 0 while the line discipline has input, which it may echo.
    echoing: Atomic<i32>,
}

impl Channel {
    /// An empty channel.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_spinlock_irq!(State {
                model: Model::new(),
                memory: Memory::NONE,
                retired: Memory::NONE,
            }),
            reading <- ReadLock::new(),
            echoing: Atomic::new(0),
        })
    }

    /// Whether output goes this way.
    pub(super) fn is_attached(&self) -> bool {
        self.state.lock().model.is_attached()
    }

    /// Puts in `data` as far as it fits; `None` if output goes another way. Does not sleep.
    ///
    /// `tell` is whether readers are to be woken now, unless a [`Batch`] holds that back; else with
    /// [`flush`](Self::flush). The second result is whether they must be. `column` is the line discipline's after this.
    pub(super) fn write(&self, data: &[u8], tell: bool, column: Column) -> Option<(usize, bool)> {
        let mut taken = 0usize;
        let mut wake = false;
        for piece in data.chunks(PIECE) {
            let mut state = self.state.lock();
            if state.model.ring().room() < piece.len() && state.memory.capacity() < LARGE {
                drop(state);
                self.provide(data.len(), Memory::new_atomic);
                state = self.state.lock();
            }
            if !state.model.is_attached() {
                return (taken > 0).then_some((taken, wake));
            }
            // All but the last piece can wait for it.
            let last = taken.saturating_add(piece.len()) >= data.len();
            state.model.set_column(column);
            let (n, now) = state.put(piece, tell && last);
            taken = taken.saturating_add(n);
            wake |= now;
            if n < piece.len() {
                break;
            }
        }
        Some((taken, wake))
    }

    /// Puts in `lines`, each of which ends in a newline, with each `\n` made `\r\n`, as far as they are short and fit, and as long
    /// as the line discipline is at the beginning of a line. Returns how much was taken, and whether readers must be woken.
    ///
    /// The line discipline's echo goes by the room that it was told a moment ago, and does not look how much of it was taken: while
    /// there may be one, as much room as it can need is left. It says so before it asks for room, under the lock: where it is not
    /// seen here, it will not find the room that is taken here.
    pub(super) fn write_lines(&self, lines: &[u8]) -> (usize, bool) {
        let mut rest = lines;
        let mut wake = false;
        let mut full = false;
        while !rest.is_empty() && !full {
            let mut state = self.state.lock();
            let end = rest.len().saturating_sub(PIECE);
            let spare = match self.echoing.load(Relaxed) {
                0 => 0,
                _ => ECHO,
            };
            while rest.len() > end {
                if !state.model.is_attached() || !state.model.is_at_line_start() {
                    return (lines.len().saturating_sub(rest.len()), wake);
                }
                let taken = state.put_line(rest, spare, &mut wake);
                full = taken == 0;
                if full {
                    break;
                }
                rest = rest.get(taken..).unwrap_or(&[]);
            }
        }
        (lines.len().saturating_sub(rest.len()), wake)
    }

    /// How many bytes [`write`](Self::write) takes now; `None` if output goes another way. Does not sleep.
    ///
    /// The line discipline goes by it, and loses what was promised and is not taken: it is what there is memory for. Where there
    /// is none at all, it is what little can be had.
    pub(super) fn write_room(&self) -> Option<usize> {
        let mut state = self.state.lock();
        let capacity = state.memory.capacity();
        if capacity > 0 && capacity < LARGE && state.model.ring().room() < SMALL / 2 {
            drop(state);
            self.provide(SMALL, Memory::new_atomic);
            state = self.state.lock();
        }
        if !state.model.is_attached() {
            None
        } else if state.memory.capacity() == 0 {
            Some(SMALL)
        } else {
            Some(state.model.write_room())
        }
    }

    /// Says that the line discipline has input, and may echo, until what is returned is dropped. One at a time.
    pub(super) fn echoing(&self) -> Echoing<'_> {
        self.echoing.store(1, Relaxed);
        Echoing(self)
    }

    /// Sees to memory for the echo of `len` bytes of input, as far as there can be any. May sleep.
    pub(super) fn provide_for_echo(&self, len: usize) {
        // A control character is echoed as two.
        self.provide(len.saturating_mul(2).min(ECHO), Memory::new);
    }

    /// Says what the line discipline's column is.
    pub(super) fn set_column(&self, column: Column) {
        self.state.lock().model.set_column(column);
    }

    /// Whether readers must be woken for what was written without telling them.
    pub(super) fn flush(&self) -> bool {
        self.state.lock().model.flush()
    }

    /// The slave's output is flushed; see [`Model::flush_output`].
    pub(super) fn flush_output(&self) {
        self.state.lock().model.flush_output();
    }

    /// The master's input is flushed; see [`Model::flush_input`].
    pub(super) fn flush_input(&self) {
        self.state.lock().model.flush_input();
    }

    /// How many bytes there are to be read.
    pub(super) fn len(&self) -> usize {
        self.state.lock().model.ring().len()
    }

    /// What is to be known of it.
    pub(super) fn tally(&self) -> Tally {
        let state = self.state.lock();
        Tally {
            produced: state.model.produced(),
            stalls: state.model.stalls(),
            queued: state.model.ring().len(),
            memory: state
                .memory
                .capacity()
                .saturating_add(state.retired.capacity()),
        }
    }

    /// Sends what is written another way from now on: `next` is called with what must go there before, under the lock.
    pub(super) fn detach(&self, next: impl Fn(&[u8])) {
        let mut state = self.state.lock();
        if !state.model.is_attached() {
            return;
        }
        state.model.detach();
        let Spans(first, second) = state.model.ring().content();
        for span in [first, second] {
            if span.len > 0 {
                // SAFETY: The span is within the memory, was written when it was put in, and does not change under the lock.
                next(unsafe {
                    core::slice::from_raw_parts(state.memory.as_ptr().add(span.start), span.len)
                });
            }
        }
        state.model.flush_input();
    }

    /// Begins a write of several pieces of `len` bytes in all, for which readers are woken once. May sleep.
    ///
    /// # Errors
    ///
    /// There is no memory at all; the error is whether readers must be woken.
    pub(super) fn batch(&self, len: usize) -> Result<Batch<'_>, bool> {
        // A newline, or a control character, may be printed as two.
        let want = len.saturating_mul(2);
        let mut state = self.state.lock();
        state.model.begin_batch();
        let enough = want <= state.model.ring().room();
        drop(state);
        let batch = Batch { channel: self };
        if !enough {
            self.provide(want, Memory::new);
            if self.state.lock().memory.capacity() == 0 {
                return Err(batch.end());
            }
        }
        Ok(batch)
    }

    /// Sees to memory for `len` bytes more, as far as there can be any.
    fn provide(&self, len: usize, new: impl Fn(usize) -> Result<Memory>) {
        let (room, capacity) = {
            let state = self.state.lock();
            (state.model.ring().room(), state.memory.capacity())
        };
        if len <= room || capacity >= LARGE {
            return;
        }
        let memory = if len > SMALL || capacity > 0 {
            new(LARGE)
        } else {
            Err(ENOMEM)
        };
        // A small one is better than none.
        let memory = match memory {
            Ok(memory) => memory,
            Err(_) if capacity == 0 => match new(SMALL) {
                Ok(memory) => memory,
                Err(_) => return,
            },
            Err(_) => return,
        };
        let mut state = self.state.lock();
        let unused = if memory.capacity() > state.memory.capacity() {
            state.exchange(memory)
        } else {
            memory
        };
        drop(state);
        // Freed without the lock.
        drop(unused);
    }

    /// The right to read; `None` if a signal came while waiting for it.
    pub(super) fn lock_reading(&self) -> Option<Reader<'_>> {
        self.reading.lock_interruptible().then(|| Reader::new(self))
    }

    /// The right to read, if nobody has it.
    pub(super) fn try_lock_reading(&self) -> Option<Reader<'_>> {
        self.reading.try_lock().then(|| Reader::new(self))
    }
}

/// The line discipline has input.
#[must_use]
pub(super) struct Echoing<'a>(&'a Channel);

impl Drop for Echoing<'_> {
    fn drop(&mut self) {
        self.0.echoing.store(0, Relaxed);
    }
}

/// A write of several pieces; readers are not woken before [`end`](Self::end), which must be called.
#[must_use]
pub(super) struct Batch<'a> {
    channel: &'a Channel,
}

impl Batch<'_> {
    /// Ends it. Returns whether readers must be woken.
    #[must_use]
    pub(super) fn end(self) -> bool {
        let mut state = self.channel.state.lock();
        let wake = state.model.end_batch();
        let unused = state.trim();
        drop(state);
        drop(unused);
        wake
    }
}

/// The right to read.
pub(super) struct Reader<'a> {
    channel: &'a Channel,
    _not_send: NotThreadSafe,
}

impl<'a> Reader<'a> {
    /// Of `channel`, whose `reading` this task has locked.
    fn new(channel: &'a Channel) -> Self {
        Self {
            channel,
            _not_send: NotThreadSafe,
        }
    }

    /// Hands up to `max` of the oldest bytes to `copy`, which takes some of them and says how many; it may be called twice,
    /// and may sleep. What it takes is gone from the channel.
    pub(super) fn read(
        &self,
        max: usize,
        mut copy: impl FnMut(&[u8]) -> usize,
    ) -> (usize, Consumed) {
        let (Spans(first, second), base) = {
            let mut state = self.channel.state.lock();
            (state.model.read(max), state.memory.as_ptr())
        };
        let mut taken = 0usize;
        for span in [first, second] {
            if span.len == 0 {
                break;
            }
            // SAFETY: The span is within the memory and initialised: it was written before it could be read. It is pinned
            // until `consume`: not overwritten, and where the memory is exchanged, the old is kept as `retired`, which only
            // we free, below. `ReadLock` keeps a second reader out.
            let n = copy(unsafe { core::slice::from_raw_parts(base.add(span.start), span.len) });
            taken = taken.saturating_add(n);
            if n < span.len {
                break;
            }
        }
        let mut state = self.channel.state.lock();
        let consumed = state.model.consume(taken);
        let unused = (state.trim(), mem::replace(&mut state.retired, Memory::NONE));
        drop(state);
        drop(unused);
        (taken, consumed)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: A `Reader` is made with the lock held, once.
        unsafe { self.channel.reading.unlock() };
    }
}
