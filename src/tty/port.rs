// SPDX-License-Identifier: GPL-2.0

//! The input side of one end: `struct tty_port` with its flip buffer, which a kworker feeds to the line discipline.
//!
//! C headers: [`include/linux/tty_port.h`](srctree/include/linux/tty_port.h),
//! [`include/linux/tty_flip.h`](srctree/include/linux/tty_flip.h)

use super::{ldisc::Ldisc, settings::Signals, tty_struct::Tty};
use crate::bindings::{
    self,
    compat::{new_spinlock_irq, SpinLockIrq},
};
use core::ptr::{addr_of_mut, NonNull};
use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::{Acquire, Relaxed, Release},
        Atomic,
    },
    types::{NotThreadSafe, Opaque},
};

/// How much waits in the flip buffer for the line discipline at least, when a writer waits for room (bytes).
const BAIT: usize = 64;

/// A port: where bytes for one end are put by the other.
///
/// # Invariants
///
/// `raw` is initialised by `tty_port_init()`. The producer side of its flip buffer (`buf.tail` and what it points to)
/// is only used under `producer`.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Port {
    #[pin]
    raw: Opaque<bindings::tty_port>,
    /// Serialises producers: output of the other end, and its echo.
    ///
    /// Not `port->lock`, as the core has it: queueing work under that lock is an inversion against the workqueue's pool
    /// lock, and the core's function that commits and queues apart is not exported. A lock of our own has its own class.
    /// Interrupts are off, since line disciplines (PPP) write from softirqs.
    #[pin]
    producer: SpinLockIrq<()>,
    /// Not 0 when something may be in the flip buffer.
    queued: Atomic<i32>,
    /// Not 0 when a reader has taken all that the line discipline had.
    pub(super) drained: Atomic<i32>,
    /// How much may be in it, about.
    limit: c_int,
}

// SAFETY: A port may be destroyed on any thread.
unsafe impl Send for Port {}
// SAFETY: The methods on `&Port` lock producers out of one another; the consumer side is the tty core's, made for that.
unsafe impl Sync for Port {}

impl Port {
    /// Initialises a port whose flip buffer takes about `limit` bytes (`tty_buffer_set_limit()`).
    pub(super) fn new(limit: i32) -> impl PinInit<Self> {
        pin_init!(Self {
            raw <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes, pinned, and initialised by the first call when the second uses
                // it. The second fails only for a limit that is too small, and then leaves the default in place.
                unsafe {
                    bindings::tty_port_init(slot);
                    bindings::tty_buffer_set_limit(slot, limit);
                }
            }),
            producer <- new_spinlock_irq!(()),
            queued: Atomic::new(0),
            drained: Atomic::new(0),
            limit,
        })
    }

    /// The port of a slave.
    ///
    /// # Safety
    ///
    /// `slave` is one that `super::pair` made.
    pub(super) unsafe fn of_slave(slave: &Tty) -> &Self {
        // SAFETY: `raw` is the first field of a port (`repr(C)`), and a slave's `port` points to it. It lives as long.
        unsafe { &*(*slave.as_ptr()).port.cast() }
    }

    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::tty_port {
        self.raw.get()
    }

    /// Puts `data` into the flip buffer and starts the work that feeds it to the line discipline. Returns how many
    /// bytes were taken: fewer than `data.len()` when the buffer is full or memory is short. Does not sleep.
    ///
    /// Follows `tty_insert_flip_string_and_push_buffer()`.
    pub(super) fn receive(&self, data: &[u8]) -> usize {
        let _producer = self.producer.lock();
        // SAFETY: `producer` is held.
        let taken = unsafe { self.insert(data) };
        // Also for nothing: where the buffer is full, the work may have to be started again, as after a hangup.
        // SAFETY: The port is initialised and `producer` is held (invariant).
        unsafe { bindings::tty_flip_buffer_push(self.as_ptr()) };
        taken
    }

    /// Like [`receive`](Self::receive), without the work: for who sees to it that it is delivered.
    fn queue(&self, data: &[u8]) -> usize {
        let _producer = self.producer.lock();
        // SAFETY: `producer` is held, so that `tail` is ours, and what was written before is seen with `commit`.
        unsafe {
            let taken = self.insert(data);
            let tail = (*self.as_ptr()).buf.tail;
            Atomic::from_ptr(addr_of_mut!((*tail).commit)).store((*tail).used, Release);
            taken
        }
    }

    /// Puts `data` into the flip buffer, where it is not seen yet.
    ///
    /// # Safety
    ///
    /// `producer` is held.
    unsafe fn insert(&self, data: &[u8]) -> usize {
        const NORMAL: [u8; 1] = [bindings::TTY_NORMAL as u8];

        self.queued.store(1, Relaxed);
        // SAFETY: The port is initialised and `producer` is held (invariant). `data` is valid for its length, and one
        // flag byte is enough when flags are not mutable.
        unsafe {
            bindings::__tty_insert_flip_string_flags(
                self.as_ptr(),
                data.as_ptr(),
                NORMAL.as_ptr(),
                false,
                data.len(),
            )
        }
    }

    /// Puts all of `data` into the flip buffer, memory permitting, whatever its limit.
    pub(super) fn receive_all(&self, data: &[u8]) {
        // SAFETY: The port is initialised. The limits are within what the function takes, so it cannot fail.
        unsafe { bindings::tty_buffer_set_limit(self.as_ptr(), c_int::MAX) };
        self.receive(data);
        // SAFETY: As above.
        unsafe { bindings::tty_buffer_set_limit(self.as_ptr(), self.limit) };
    }

    /// Whether something may be in the flip buffer. A hint: what is put in later is told to the work.
    pub(super) fn may_be_queued(&self) -> bool {
        self.queued.load(Relaxed) != 0
    }

    /// Hands `data` to `ldisc`, on this thread; what it has no room for waits in the flip buffer, as far as there is room.
    /// Returns how much was taken. May sleep, on locks.
    ///
    /// Who `waits` for all to be taken, and does not find room for this and the `after` bytes that come next, keeps most of it
    /// if the line discipline would look through it for flow control, byte by byte: it finds that when it is delivered.
    /// Something waits in the flip buffer nevertheless, so that the line discipline goes on whatever happens to it, and tells
    /// the writer when it was read.
    ///
    /// What might have the line discipline wait for `slave`'s settings is left to the work: somebody may hold them for as long as
    /// it likes, in a page fault. `data` has none of `signals`, which were those of `slave`.
    pub(super) fn feed(
        &self,
        ldisc: &Ldisc<'_>,
        slave: &Tty,
        data: &[u8],
        signals: Signals,
        waits: bool,
        after: usize,
    ) -> usize {
        // Who has it delivers, or is held up: only who waits anyway waits for that, as long as no signal comes.
        let consumer = if waits {
            match self.lock_consumer_interruptible() {
                Some(consumer) => consumer,
                None => return 0,
            }
        } else {
            match self.try_lock_consumer() {
                Some(consumer) => consumer,
                None => return self.receive(data),
            }
        };
        // Again, as it may have waited for the lock. The work waits for that, and goes on when it is given up.
        let now = slave.signals();
        if (now != signals && now.contains_any(data)) || !slave.settings_are_free() {
            return self.receive(data);
        }
        let (empty, direct) = match consumer.pump(ldisc, Some(slave)) {
            Pumped::Held => return self.receive(data),
            Pumped::Full => (false, 0),
            // SAFETY: The consumer is locked, and what came before has been delivered.
            Pumped::Empty => (true, unsafe {
                ldisc.receive(data.as_ptr(), core::ptr::null(), data.len())
            }),
        };
        let rest = match data.get(direct..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => return data.len(),
        };
        let fits = rest.len().saturating_add(after) <= self.space_avail() as usize;
        let keeps = waits && !fits && ldisc.looks_ahead();
        let queued = if !keeps {
            self.queue(rest)
        } else if empty {
            self.queue(rest.get(..BAIT).unwrap_or(rest))
        } else {
            0
        };
        // Once more, lest it made room in between and saw nothing wait: from here on it starts the work when it has room.
        if consumer.pump(ldisc, Some(slave)) == Pumped::Full && ldisc.starts_work() {
            consumer.look_ahead(ldisc);
            consumer.leave_the_rest();
        }
        direct.saturating_add(queued)
    }

    /// How many bytes are in the flip buffer; `None` while somebody delivers them. Does not wait.
    pub(super) fn queued(&self) -> Option<usize> {
        self.try_lock_consumer().map(|consumer| consumer.len())
    }

    /// Delivers what is in the flip buffer to `ldisc`, on this thread, unless another does. May sleep, on locks.
    pub(super) fn deliver(&self, ldisc: &Ldisc<'_>) {
        if let Some(consumer) = self.try_lock_consumer() {
            if consumer.pump(ldisc, None) == Pumped::Full && ldisc.starts_work() {
                consumer.leave_the_rest();
            }
        }
    }

    /// Makes this thread the only consumer: `tty_buffer_lock_exclusive()`.
    fn lock_consumer(&self) -> Consumer<'_> {
        // SAFETY: The port is initialised.
        unsafe { bindings::tty_buffer_lock_exclusive(self.as_ptr()) };
        Consumer {
            port: self,
            _not_send: NotThreadSafe,
        }
    }

    /// The same, unless a signal comes first.
    fn lock_consumer_interruptible(&self) -> Option<Consumer<'_>> {
        let port = self.as_ptr();
        // SAFETY: The port is initialised. The same in the same order as `tty_buffer_lock_exclusive()`; undone, but for the
        // restart of a worker who gave way, where the lock is not had.
        unsafe {
            let priority = addr_of_mut!((*port).buf.priority);
            bindings::atomic_add(1, priority);
            if bindings::rdevpts_mutex_lock_interruptible(addr_of_mut!((*port).buf.lock)) != 0 {
                bindings::atomic_sub(1, priority);
                let _producer = self.producer.lock();
                bindings::tty_flip_buffer_push(port);
                return None;
            }
        }
        Some(Consumer {
            port: self,
            _not_send: NotThreadSafe,
        })
    }

    /// The same if nobody else is consumer.
    fn try_lock_consumer(&self) -> Option<Consumer<'_>> {
        let port = self.as_ptr();
        // SAFETY: The port is initialised. `tty_buffer_lock_exclusive()` without the wait. The order does not matter: priority
        // keeps out a worker that has the lock, and there is none.
        unsafe {
            if bindings::mutex_trylock(addr_of_mut!((*port).buf.lock)) == 0 {
                return None;
            }
            bindings::atomic_add(1, addr_of_mut!((*port).buf.priority));
        }
        Some(Consumer {
            port: self,
            _not_send: NotThreadSafe,
        })
    }

    /// How many bytes [`receive`](Self::receive) would take now, memory permitting.
    pub(crate) fn space_avail(&self) -> u32 {
        // SAFETY: The port is initialised.
        unsafe { bindings::tty_buffer_space_avail(self.as_ptr()) }
    }

    /// Drops what is in the flip buffer. May sleep.
    ///
    /// Does what `tty_buffer_flush(tty, NULL)` does, which is not exported.
    pub(crate) fn flush(&self) {
        self.lock_consumer().drop_all();
    }

    /// Lets lockdep tell this port's `buf.lock` from the other end's. Call before the port is in use.
    pub(super) fn set_slave_lock_class(&self) {
        // SAFETY: The port is initialised, and nobody holds the lock yet (the caller's promise, checked by lockdep).
        unsafe { bindings::rdevpts_tty_buffer_set_lock_subclass(self.as_ptr()) };
    }

    /// Says that the port is not opened by the kernel any more (`tty_port_set_kopened(port, 0)`).
    pub(super) fn clear_kopened(&self) {
        // SAFETY: The port is initialised, and `clear_bit()` is atomic.
        unsafe {
            bindings::clear_bit(
                bindings::TTY_PORT_KOPENED as usize,
                addr_of_mut!((*self.as_ptr()).iflags),
            )
        };
    }
}

/// How [`Consumer::pump`] ended.
#[derive(PartialEq, Eq)]
enum Pumped {
    /// Nothing is left.
    Empty,
    /// The line discipline has no room.
    Full,
    /// What comes next is for the work to deliver.
    Held,
}

/// The only consumer of a port's flip buffer, in place of the work.
///
/// # Invariants
///
/// Between `tty_buffer_lock_exclusive()` and `tty_buffer_unlock_exclusive()` of the port, on one thread: `head` is ours, and so
/// are `read` and `lookahead` of each buffer. Producers only append to the last one: what has a `next` is ours to free.
struct Consumer<'a> {
    port: &'a Port,
    _not_send: NotThreadSafe,
}

impl Consumer<'_> {
    /// Delivers what is there, for the master's writer where `slave` is given. Follows `flush_to_ldisc()`.
    fn pump(&self, ldisc: &Ldisc<'_>, slave: Option<&Tty>) -> Pumped {
        let port = self.port.as_ptr();
        // Before the look: who puts something in after that, sets it after that.
        self.port.queued.store(0, Relaxed);
        loop {
            // SAFETY: The buffer and the bytes up to `commit` are ours by the invariant. What was delivered is wiped: it may be
            // a password.
            unsafe {
                let head = (*port).buf.head;
                let next = next_of(head);
                let commit = Atomic::from_ptr(addr_of_mut!((*head).commit)).load(Acquire);
                let read = (*head).read;
                let count = commit.saturating_sub(read) as usize;
                if count == 0 {
                    match NonNull::new(next) {
                        Some(next) => self.advance(next),
                        None => return Pumped::Empty,
                    }
                    continue;
                }
                let data = addr_of_mut!((*head).data).cast::<u8>().add(read as usize);
                let flags = if (*head).flags {
                    data.add((*head).size as usize).cast_const()
                } else {
                    core::ptr::null()
                };
                if slave.is_some_and(|slave| {
                    let bytes = core::slice::from_raw_parts(data, count);
                    slave.signals().contains_any(bytes)
                }) {
                    self.port.queued.store(1, Relaxed);
                    return Pumped::Held;
                }
                let n = ldisc.receive(data, flags, count).min(count);
                data.write_bytes(0, n);
                (*head).read = read.saturating_add(n as u32);
                if n < count {
                    self.port.queued.store(1, Relaxed);
                    return Pumped::Full;
                }
            }
        }
    }

    /// Lets `ldisc` act at once on the flow control (^S, ^Q) in what has to wait. Follows `lookahead_bufs()`.
    fn look_ahead(&self, ldisc: &Ldisc<'_>) {
        let port = self.port.as_ptr();
        // SAFETY: The buffers and their bytes up to `commit` are ours by the invariant.
        unsafe {
            let mut head = (*port).buf.head;
            (*head).lookahead = (*head).lookahead.max((*head).read);
            loop {
                let next = next_of(head);
                let commit = Atomic::from_ptr(addr_of_mut!((*head).commit)).load(Acquire);
                let from = (*head).lookahead;
                let count = commit.saturating_sub(from) as usize;
                if count > 0 {
                    let data = addr_of_mut!((*head).data).cast::<u8>().add(from as usize);
                    let flags = if (*head).flags {
                        data.add((*head).size as usize).cast_const()
                    } else {
                        core::ptr::null()
                    };
                    ldisc.look_ahead(data, flags, count);
                    (*head).lookahead = commit;
                }
                if next.is_null() {
                    return;
                }
                head = next;
            }
        }
    }

    /// Ends the exclusion without starting the work: `tty_buffer_unlock_exclusive()` without its last step. For when the line
    /// discipline was full after the last byte was put in, and starts the work when it is not.
    fn leave_the_rest(self) {
        let port = self.port.as_ptr();
        core::mem::forget(self);
        // SAFETY: Locked by the invariant. In this order, so that a worker who waits for the lock finds no priority.
        unsafe {
            bindings::atomic_sub(1, addr_of_mut!((*port).buf.priority));
            bindings::mutex_unlock(addr_of_mut!((*port).buf.lock));
        }
    }

    /// How many bytes there are.
    fn len(&self) -> usize {
        let mut len = 0usize;
        // SAFETY: Ours by the invariant: producers append to the last one alone, and `commit` says how far.
        unsafe {
            let mut buffer = NonNull::new((*self.port.as_ptr()).buf.head);
            while let Some(this) = buffer {
                let commit = Atomic::from_ptr(addr_of_mut!((*this.as_ptr()).commit)).load(Acquire);
                len = len.saturating_add(commit.saturating_sub((*this.as_ptr()).read) as usize);
                buffer = NonNull::new(next_of(this.as_ptr()));
            }
        }
        len
    }

    /// Drops what is there. Does what `tty_buffer_flush(tty, NULL)` does, which is not exported.
    fn drop_all(&self) {
        let port = self.port.as_ptr();
        // SAFETY: Ours by the invariant.
        unsafe {
            while let Some(next) = NonNull::new(next_of((*port).buf.head)) {
                self.advance(next);
            }
            let head = (*port).buf.head;
            let commit = (*head).commit;
            (*head).read = commit;
            (*head).lookahead = commit;
        }
    }

    /// Frees the first buffer; `next` is first then.
    ///
    /// # Safety
    ///
    /// `next` is the one after the first.
    unsafe fn advance(&self, next: NonNull<bindings::tty_buffer>) {
        let port = self.port.as_ptr();
        // SAFETY: Ours by the invariant: it has a next one. A size of 0 is that of the sentinel, which is part of the port.
        unsafe {
            let head = (*port).buf.head;
            (*port).buf.head = next.as_ptr();
            let size = (*head).size;
            if size > 0 {
                bindings::atomic_sub(size as c_int, addr_of_mut!((*port).buf.mem_used));
                bindings::kfree(head.cast());
            }
        }
    }
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by the invariant. Starts the work if something is left, as the core does.
        unsafe { bindings::tty_buffer_unlock_exclusive(self.port.as_ptr()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Port {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The port is initialised, and no tty uses it any more: it is owned by the pair, which each tty owns a
        // reference to until its `cleanup`. Cancels the work and frees the buffers.
        unsafe { bindings::tty_port_destroy(self.as_ptr()) };
    }
}

/// The buffer after `buffer`, with what its producer wrote before it was there (`smp_load_acquire()`).
///
/// # Safety
///
/// `buffer` is in the list of a port whose consumer the caller is.
unsafe fn next_of(buffer: *mut bindings::tty_buffer) -> *mut bindings::tty_buffer {
    // CAST: bindgen has the union of `next` and `free` as a marker; both are at its beginning.
    // SAFETY: The buffer is there for the consumer, and `next` is only accessed atomically while producers may.
    unsafe {
        let next = addr_of_mut!((*buffer).__bindgen_anon_1).cast::<*mut bindings::tty_buffer>();
        Atomic::from_ptr(next).load(Acquire)
    }
}
