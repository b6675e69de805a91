// SPDX-License-Identifier: GPL-2.0

//! The input side of one end: `struct tty_port` with its flip buffer, which a kworker feeds to the line discipline.
//!
//! C headers: [`include/linux/tty_port.h`](srctree/include/linux/tty_port.h),
//! [`include/linux/tty_flip.h`](srctree/include/linux/tty_flip.h)

use crate::bindings;
use core::ptr::{addr_of_mut, NonNull};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{barrier, SpinLockIrq},
    types::Opaque,
};

/// A port: where bytes for one end are put by the other.
///
/// # Invariants
///
/// `raw` is initialised by `tty_port_init()`. The producer side of its flip buffer (`buf.tail` and what it points to)
/// is only used under `producer`.
#[pin_data(PinnedDrop)]
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
        })
    }

    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::tty_port {
        self.raw.get()
    }

    /// Puts `data` into the flip buffer and starts the work that feeds it to the line discipline. Returns how many
    /// bytes were taken: fewer than `data.len()` when the buffer is full or memory is short. Does not sleep.
    ///
    /// Follows `tty_insert_flip_string_and_push_buffer()`.
    pub(crate) fn receive(&self, data: &[u8]) -> usize {
        const NORMAL: [u8; 1] = [bindings::TTY_NORMAL as u8];

        let _producer = self.producer.lock();
        // SAFETY: The port is initialised and `producer` is held (invariant). `data` is valid for its length, and one
        // flag byte is enough when flags are not mutable.
        unsafe {
            let taken = bindings::__tty_insert_flip_string_flags(
                self.as_ptr(),
                data.as_ptr(),
                NORMAL.as_ptr(),
                false,
                data.len(),
            );
            if taken > 0 {
                bindings::tty_flip_buffer_push(self.as_ptr());
            }
            taken
        }
    }

    /// How many bytes [`receive`](Self::receive) would take now, memory permitting.
    pub(crate) fn space_avail(&self) -> u32 {
        // SAFETY: The port is initialised.
        unsafe { bindings::tty_buffer_space_avail(self.as_ptr()) }
    }

    /// Drops what is in the flip buffer. May sleep.
    ///
    /// Does what `tty_buffer_flush(tty, NULL)` does, which is not exported: marks everything committed as read with the
    /// consumer locked out, then has the consumer free the buffers.
    pub(crate) fn flush(&self) {
        // SAFETY: The port is initialised. Between the two calls we are the only consumer: `head`, and `read` and
        // `lookahead` of each buffer, are ours. Producers only append: `next` and `commit` are read with acquire
        // semantics, which pair with the release stores in __tty_buffer_request_room() and tty_flip_buffer_commit().
        // Each buffer in the list stays allocated until a consumer passes it.
        unsafe {
            bindings::tty_buffer_lock_exclusive(self.as_ptr());
            let mut next = NonNull::new((*self.as_ptr()).buf.head);
            while let Some(buffer) = next {
                let buffer = buffer.as_ptr();
                // Read before `commit`: where there is a next buffer, this one's `commit` is final.
                // CAST: bindgen has the union of `next` and `free` as a marker; both are at its beginning.
                let following = addr_of_mut!((*buffer).__bindgen_anon_1)
                    .cast::<*mut bindings::tty_buffer>()
                    .read_volatile();
                barrier::smp_mb(barrier::Read);
                let commit = addr_of_mut!((*buffer).commit).read_volatile();
                barrier::smp_mb(barrier::Read);
                (*buffer).read = commit;
                (*buffer).lookahead = commit;
                next = NonNull::new(following);
            }
            bindings::tty_buffer_unlock_exclusive(self.as_ptr());
        }
        // The work frees the buffers that are read; the unlock starts it only if there is something left to read.
        let _producer = self.producer.lock();
        // SAFETY: The port is initialised and `producer` is held.
        unsafe { bindings::tty_flip_buffer_push(self.as_ptr()) };
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

#[pinned_drop]
impl PinnedDrop for Port {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The port is initialised, and no tty uses it any more: it is owned by the pair, which each tty owns a
        // reference to until its `cleanup`. Cancels the work and frees the buffers.
        unsafe { bindings::tty_port_destroy(self.as_ptr()) };
    }
}
