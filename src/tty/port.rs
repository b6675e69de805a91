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
    sync::{
        atomic::{ordering::Acquire, Atomic},
        SpinLockIrq,
    },
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
            // Also for nothing: where the buffer is full, the work may have to be started again, as after a hangup.
            bindings::tty_flip_buffer_push(self.as_ptr());
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
    /// Does what `tty_buffer_flush(tty, NULL)` does, which is not exported.
    pub(crate) fn flush(&self) {
        let port = self.as_ptr();
        // SAFETY: The port is initialised. Between the two calls we are the only consumer, so `head` is ours, and `read` and
        // `lookahead` of each buffer. Producers only append to the last one: what has a `next` is the consumer's, to free.
        unsafe {
            bindings::tty_buffer_lock_exclusive(port);
            let mut head = (*port).buf.head;
            while let Some(next) = NonNull::new(next_of(head)) {
                let size = (*head).size;
                if size > 0 {
                    bindings::atomic_sub(size as c_int, addr_of_mut!((*port).buf.mem_used));
                    bindings::kfree(head.cast());
                }
                head = next.as_ptr();
                (*port).buf.head = head;
            }
            let commit = (*head).commit;
            (*head).read = commit;
            (*head).lookahead = commit;
            bindings::tty_buffer_unlock_exclusive(port);
        }
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
