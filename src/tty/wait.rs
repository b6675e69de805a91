// SPDX-License-Identifier: GPL-2.0

//! Sleeping on one of a terminal's wait queues, as the line discipline does.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::tty_struct::Tty;
use crate::bindings;
use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{prelude::*, types::Opaque};

/// The current task's place in a wait queue of a terminal, left when dropped.
///
/// A wake-up between the creation and [`wait`](Self::wait) is not lost: join, look, wait.
///
/// # Invariants
///
/// `entry` is in the queue `head`, which outlives it.
#[pin_data(PinnedDrop)]
pub(super) struct Waiter<'a> {
    #[pin]
    entry: Opaque<bindings::wait_queue_entry>,
    head: *mut bindings::wait_queue_head,
    _tty: PhantomData<&'a Tty>,
}

impl<'a> Waiter<'a> {
    /// Joins `tty->read_wait`.
    pub(super) fn for_input(tty: &'a Tty) -> impl PinInit<Self> + use<'a> {
        // SAFETY: The queue is part of the terminal, which is live for `'a`.
        Self::new(unsafe { addr_of_mut!((*tty.as_ptr()).read_wait) })
    }

    /// Joins `tty->write_wait`.
    pub(super) fn for_room(tty: &'a Tty) -> impl PinInit<Self> + use<'a> {
        // SAFETY: The queue is part of the terminal, which is live for `'a`.
        Self::new(unsafe { addr_of_mut!((*tty.as_ptr()).write_wait) })
    }

    fn new(head: *mut bindings::wait_queue_head) -> impl PinInit<Self> + use<'a> {
        pin_init!(Self {
            // SAFETY: The slot is valid for writes and pinned until it leaves the queue when it is dropped.
            entry <- Opaque::ffi_init(|slot| unsafe {
                bindings::rdevpts_init_wait_woken(slot);
                bindings::add_wait_queue(head, slot);
            }),
            head,
            _tty: PhantomData,
        })
    }

    /// Sleeps until somebody woke the queue since the last call, or a signal comes.
    pub(super) fn wait(self: Pin<&Self>) {
        // SAFETY: The entry is initialised with the function that this wants, and this is its task: it cannot be sent.
        unsafe {
            bindings::wait_woken(
                self.entry.get(),
                bindings::TASK_INTERRUPTIBLE,
                kernel::task::MAX_SCHEDULE_TIMEOUT,
            )
        };
    }
}

#[pinned_drop]
impl PinnedDrop for Waiter<'_> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: In that queue by the invariant.
        unsafe { bindings::remove_wait_queue(self.head, self.entry.get()) };
    }
}

/// Whether a signal is waiting for the current task.
pub(super) fn signal_pending() -> bool {
    kernel::current!().signal_pending()
}
