// SPDX-License-Identifier: GPL-2.0

//! A mutex for which one may wait interruptibly, as the line discipline has for its readers.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

use crate::bindings;
use kernel::{prelude::*, static_lock_class, types::Opaque};

/// A mutex. Whoever locks it unlocks it.
///
/// # Invariants
///
/// Initialised by `__mutex_init()`.
#[pin_data]
pub(super) struct ReadLock {
    #[pin]
    mutex: Opaque<bindings::mutex>,
}

// SAFETY: A mutex may be used by any thread, and destroyed by any when nobody holds it.
unsafe impl Send for ReadLock {}
// SAFETY: As above.
unsafe impl Sync for ReadLock {}

impl ReadLock {
    /// An unlocked mutex.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes and pinned; name and class are static.
            mutex <- Opaque::ffi_init(|slot| unsafe {
                bindings::__mutex_init(
                    slot,
                    c"Channel::reading".as_char_ptr(),
                    static_lock_class!().as_ptr(),
                )
            }),
        })
    }

    /// Waits for the mutex. Returns whether it is locked now: not if a signal came first.
    #[must_use]
    pub(super) fn lock_interruptible(&self) -> bool {
        // SAFETY: Initialised by the invariant.
        unsafe { bindings::rdevpts_mutex_lock_interruptible(self.mutex.get()) == 0 }
    }

    /// Locks the mutex if nobody has. Returns whether it is locked now.
    #[must_use]
    pub(super) fn try_lock(&self) -> bool {
        // SAFETY: Initialised by the invariant.
        unsafe { bindings::mutex_trylock(self.mutex.get()) != 0 }
    }

    /// Unlocks the mutex.
    ///
    /// # Safety
    ///
    /// The current task locked it.
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: Initialised by the invariant; the rest is the caller's promise.
        unsafe { bindings::mutex_unlock(self.mutex.get()) };
    }
}
