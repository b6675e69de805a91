// SPDX-License-Identifier: GPL-2.0

//! A table that grows, of plain values: what `KVVec` is, without the arithmetic of its growth that can panic (with
//! `CONFIG_RUST_OVERFLOW_CHECKS`, a reference to a panic function for each instance of it).

use core::{marker::PhantomData, ptr::NonNull, slice};
use kernel::{
    alloc::{allocator::KVmalloc, layout::ArrayLayout, Allocator, NumaNode},
    prelude::*,
};

/// A table of `T`, which grow at the end.
///
/// # Invariants
///
/// `ptr` is an allocation of `KVmalloc` for `capacity` values, or dangling where `capacity` is 0. The first `len` are
/// initialised, and `len` is not more than `capacity`.
pub(super) struct Records<T: Copy> {
    ptr: NonNull<T>,
    len: usize,
    capacity: usize,
    _owns: PhantomData<T>,
}

// SAFETY: It owns its values.
unsafe impl<T: Copy + Send> Send for Records<T> {}
// SAFETY: `&Records` gives `&T` only.
unsafe impl<T: Copy + Sync> Sync for Records<T> {}

impl<T: Copy> Records<T> {
    /// An empty table.
    pub(super) const fn new() -> Self {
        // INVARIANT: No capacity, no values.
        Self {
            ptr: NonNull::dangling(),
            len: 0,
            capacity: 0,
            _owns: PhantomData,
        }
    }

    /// The values.
    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: The first `len` are initialised, by the type invariants.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// The values, to be changed.
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: The first `len` are initialised, by the type invariants.
        unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }

    /// Makes the table at least `len` long, by adding `value`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the table is as before then.
    pub(super) fn grow_to(&mut self, len: usize, value: T) -> Result {
        if len > self.capacity {
            // At least twice as many, so that the work of growing is in proportion to what is added.
            let capacity = len.max(self.capacity.saturating_mul(2)).max(16);
            let layout = ArrayLayout::<T>::new(capacity).map_err(|_| ENOMEM)?;
            let old_layout = ArrayLayout::<T>::new(self.capacity).map_err(|_| ENOMEM)?;
            let old = (self.capacity > 0).then(|| self.ptr.cast());
            // SAFETY: `old` is an allocation of this allocator with that layout, by the type invariants, or none.
            let ptr = unsafe {
                KVmalloc::realloc(
                    old,
                    layout.into(),
                    old_layout.into(),
                    GFP_KERNEL_ACCOUNT,
                    NumaNode::NO_NODE,
                )
            }?;
            // INVARIANT: That many fit, and the values came along.
            self.ptr = ptr.cast();
            self.capacity = capacity;
        }
        while self.len < len {
            // SAFETY: `len` is not more than the capacity.
            unsafe { self.ptr.as_ptr().add(self.len).write(value) };
            // INVARIANT: One more is initialised. It does not overflow, as it is less than `len`.
            self.len = self.len.wrapping_add(1);
        }
        Ok(())
    }

    /// Shortens the table to `len`, if it is longer.
    pub(super) fn truncate(&mut self, len: usize) {
        // INVARIANT: The first of more values are initialised, too; they need no drop.
        self.len = self.len.min(len);
    }
}

impl<T: Copy> Drop for Records<T> {
    fn drop(&mut self) {
        if let (true, Ok(layout)) = (self.capacity > 0, ArrayLayout::<T>::new(self.capacity)) {
            // SAFETY: An allocation of this allocator with that layout, by the type invariants.
            unsafe { KVmalloc::free(self.ptr.cast(), layout.into()) };
        }
    }
}
