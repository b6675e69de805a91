// SPDX-License-Identifier: GPL-2.0

//! When the reader of a master is woken: at once, or by a kworker.
//!
//! A reader that is woken on the writer's own CPU runs as soon as the writer is back in user space, after each small write: two
//! context switches for a line. The C driver's kworker has the side effect that such writes come together, so it is used for
//! that here, and only for that: not for a reader that sleeps on another CPU, nor for an answer to what was typed, which
//! somebody waits for, nor after a large write, nor where there
//! is enough to read already.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::tty_struct::Tty;
use crate::bindings;
use core::ptr;
use kernel::{
    prelude::*,
    sync::atomic::{ordering::Relaxed, Atomic},
    types::Opaque,
};

/// A write of so much is worth two context switches (bytes).
const LARGE: usize = 8192;
/// So much to read is worth them, too: the writer will soon have to wait.
const ENOUGH: usize = 48 * 1024;

/// What is known of the reader, and the work that wakes it.
///
/// # Invariants
///
/// `work` is initialised, with `run`, and pinned. `master` is NULL, or a terminal that is not freed before
/// [`cancel`](Self::cancel).
#[pin_data(PinnedDrop)]
pub(super) struct Wakeup {
    #[pin]
    work: Opaque<bindings::work_struct>,
    master: Atomic<*mut bindings::tty_struct>,
    /// On which CPU a reader last found nothing; -1 for none.
    reader_cpu: Atomic<i32>,
    /// Not 0 when the slave has got input since it last wrote.
    asked: Atomic<i32>,
}

// SAFETY: Work may be queued and cancelled by any thread; the rest is atomic.
unsafe impl Send for Wakeup {}
// SAFETY: As above.
unsafe impl Sync for Wakeup {}

impl Wakeup {
    /// For a master that is to be named.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid for writes and pinned.
            work <- Opaque::ffi_init(|slot| unsafe {
                bindings::rdevpts_init_work(slot, Some(Self::run))
            }),
            master: Atomic::new(ptr::null_mut()),
            reader_cpu: Atomic::new(-1),
            asked: Atomic::new(0),
        })
    }

    /// Names the master.
    ///
    /// # Safety
    ///
    /// It is live until [`cancel`](Self::cancel) has returned.
    pub(super) unsafe fn set_master(&self, master: *mut bindings::tty_struct) {
        self.master.store(master, Relaxed);
    }

    /// Ends all work. Nobody calls [`tell`](Self::tell) any more. Sleeps.
    pub(super) fn cancel(&self) {
        // SAFETY: Initialised by the invariant.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
        self.master.store(ptr::null_mut(), Relaxed);
    }

    /// A reader has found nothing, and is about to sleep.
    pub(super) fn note_reader(&self) {
        self.reader_cpu.store(this_cpu(), Relaxed);
    }

    /// The slave is getting input.
    pub(super) fn note_input(&self) {
        self.asked.store(1, Relaxed);
    }

    /// Tells the readers of `master`, the master, that there is something for them, after a write of `len` bytes; `backlog` says
    /// how many there are to read.
    pub(super) fn tell(&self, master: &Tty, len: usize, backlog: impl FnOnce() -> usize) {
        if !master.has_readers() {
            return;
        }
        let asked = self.asked.load(Relaxed) != 0;
        if asked {
            self.asked.store(0, Relaxed);
        }
        let is_here = self.reader_cpu.load(Relaxed) == this_cpu();
        if asked || !is_here || len >= LARGE || backlog() >= ENOUGH {
            master.tell_readers();
        } else {
            // SAFETY: Initialised by the invariant.
            unsafe { bindings::rdevpts_queue_work(self.work.get()) };
        }
    }

    /// # Safety
    ///
    /// Called by a kworker, for the work of a `Wakeup`.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: The work is part of a `Wakeup`, which cancels it before it goes.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(work), Self, work) };
        let master = this.master.load(Relaxed);
        if !master.is_null() {
            // SAFETY: Live by the invariant: the work is not cancelled yet.
            unsafe { Tty::from_raw(master) }.tell_readers();
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Wakeup {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

fn this_cpu() -> i32 {
    // SAFETY: Always sound. It may be another one by the time that it is used, which only makes the guess worse.
    unsafe { bindings::rdevpts_raw_smp_processor_id() }
}
