// SPDX-License-Identifier: GPL-2.0

//! Where `read(2)` puts its bytes, and `write(2)` has them from: `struct iov_iter`.
//!
//! The kernel crate's `IovIterDest` and `IovIterSource` are the same, but cannot be made without a panic path.
//!
//! C header: [`include/linux/uio.h`](srctree/include/linux/uio.h)

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};

/// An iterator over the memory of a read or a write.
///
/// # Invariants
///
/// Valid for `'a`, in the direction that `D` says, and used by nobody else.
pub(super) struct IovIter<'a, D> {
    raw: NonNull<bindings::iov_iter>,
    _borrow: PhantomData<(&'a mut bindings::iov_iter, D)>,
}

/// The direction of a read.
pub(super) enum Dest {}
/// The direction of a write.
pub(super) enum Src {}

/// The destination of a read.
pub(super) type Destination<'a> = IovIter<'a, Dest>;
/// The source of a write.
pub(super) type Source<'a> = IovIter<'a, Src>;

impl<D> IovIter<'_, D> {
    /// Takes an iterator.
    ///
    /// # Safety
    ///
    /// `raw` is what the VFS gave a `read_iter` or a `write_iter`, as `D` says, and nobody else uses it for `'a`.
    pub(super) unsafe fn from_raw(raw: NonNull<bindings::iov_iter>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            raw,
            _borrow: PhantomData,
        }
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::rdevpts_iov_iter_count(self.raw.as_ptr()) }
    }
}

impl Destination<'_> {
    /// Copies `bytes` to it. Returns how many: fewer where the destination ends or faults. May sleep.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> usize {
        // SAFETY: Valid by the invariant; the bytes can be read.
        unsafe {
            bindings::rdevpts_copy_to_iter(bytes.as_ptr().cast(), bytes.len(), self.raw.as_ptr())
        }
    }
}

impl Source<'_> {
    /// Copies from it to `bytes`. Returns how many: fewer where the source ends or faults. May sleep.
    pub(super) fn copy(&mut self, bytes: &mut [u8]) -> usize {
        // SAFETY: Valid by the invariant; the bytes can be written.
        unsafe {
            bindings::rdevpts_copy_from_iter(
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                self.raw.as_ptr(),
            )
        }
    }

    /// Puts back the last `n` bytes of what was copied.
    pub(super) fn revert(&mut self, n: usize) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::iov_iter_revert(self.raw.as_ptr(), n) };
    }
}
