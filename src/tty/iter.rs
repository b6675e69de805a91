// SPDX-License-Identifier: GPL-2.0

//! Where `read(2)` puts its bytes, `struct iov_iter`.
//!
//! The kernel crate's `IovIterDest` is the same, but cannot be made without a panic path.
//!
//! C header: [`include/linux/uio.h`](srctree/include/linux/uio.h)

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};

/// The destination of a read.
///
/// # Invariants
///
/// A valid iterator over a destination, for `'a`, and used by nobody else.
pub(super) struct Destination<'a> {
    raw: NonNull<bindings::iov_iter>,
    _borrow: PhantomData<&'a mut bindings::iov_iter>,
}

impl Destination<'_> {
    /// Takes an iterator.
    ///
    /// # Safety
    ///
    /// `raw` is what the VFS gave a `read_iter`, and nobody else uses it for `'a`.
    pub(super) unsafe fn from_raw(raw: NonNull<bindings::iov_iter>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            raw,
            _borrow: PhantomData,
        }
    }

    /// How much there is room for.
    pub(super) fn len(&self) -> usize {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::rdevpts_iov_iter_count(self.raw.as_ptr()) }
    }

    /// Copies `bytes` to it. Returns how many: fewer where the destination ends or faults. May sleep.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> usize {
        // SAFETY: Valid by the invariant; the bytes can be read.
        unsafe {
            bindings::rdevpts_copy_to_iter(bytes.as_ptr().cast(), bytes.len(), self.raw.as_ptr())
        }
    }
}
