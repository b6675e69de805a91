// SPDX-License-Identifier: GPL-2.0

//! `struct ida`: the lowest free number, for names in a directory.
//!
//! C header: [`include/linux/idr.h`](srctree/include/linux/idr.h)

use crate::bindings;
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::Opaque, //
};

/// Allocates numbers, the lowest free one first; it has a lock of its own.
///
/// # Invariants
///
/// `inner` is an initialised `struct ida`.
#[pin_data(PinnedDrop)]
pub(crate) struct Ida {
    #[pin]
    inner: Opaque<bindings::ida>,
}

// SAFETY: An `ida` can be used from any thread.
unsafe impl Send for Ida {}
// SAFETY: Its functions can be called concurrently.
unsafe impl Sync for Ida {}

impl Ida {
    /// One that has given out no number.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid, and pinned for as long as the `ida` is used. INVARIANT: Initialised here.
            inner <- Opaque::ffi_init(|slot| unsafe { bindings::rdevpts_ida_init(slot) }),
        })
    }

    /// Takes the lowest free number that is not above `highest` (nor above `i32::MAX`). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there is none, `ENOMEM`.
    pub(crate) fn alloc_max(&self, highest: u32) -> Result<u32> {
        // SAFETY: Initialised by the type invariants.
        let id = unsafe {
            bindings::ida_alloc_range(self.inner.get(), 0, highest, bindings::GFP_KERNEL)
        };
        to_result(id)?;
        u32::try_from(id).map_err(|_| EINVAL)
    }

    /// Gives back a number. One that is not taken leaves a warning in the kernel log, and no more.
    pub(crate) fn free(&self, id: u32) {
        if c_int::try_from(id).is_ok() {
            // SAFETY: Initialised by the type invariants.
            unsafe { bindings::ida_free(self.inner.get(), id) };
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Ida {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Initialised by the type invariants, and not used after this.
        unsafe { bindings::ida_destroy(self.inner.get()) };
    }
}
