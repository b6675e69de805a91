// SPDX-License-Identifier: GPL-2.0

//! A piece of memory for bytes.

use core::ptr::NonNull;
use kernel::{
    alloc::{
        allocator::{KVmalloc, Kmalloc},
        layout::ArrayLayout,
        Allocator, NumaNode,
    },
    page::PAGE_SIZE,
    prelude::*,
};

/// Memory for `capacity` bytes, which nobody has initialised.
///
/// # Invariants
///
/// `ptr` is an allocation that `kvfree()` takes, of `capacity` bytes, or dangling where `capacity` is 0.
pub(super) struct Memory {
    ptr: NonNull<u8>,
    capacity: usize,
}

// SAFETY: It owns its bytes.
unsafe impl Send for Memory {}

impl Memory {
    /// No memory.
    pub(super) const NONE: Self = Self {
        ptr: NonNull::dangling(),
        capacity: 0,
    };

    /// `capacity` bytes, charged to the current task's memory cgroup. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(capacity: usize) -> Result<Self> {
        let layout = ArrayLayout::<u8>::new(capacity).map_err(|_| ENOMEM)?;
        let ptr = KVmalloc::alloc(layout.into(), GFP_KERNEL_ACCOUNT, NumaNode::NO_NODE)?;
        // INVARIANT: Just allocated.
        Ok(Self {
            ptr: ptr.cast(),
            capacity,
        })
    }

    /// The same without sleeping: fails more often, and says nothing in the log. Up to a page is not charged where that is at its
    /// limit: it may be for an echo, which would be lost, and the C driver's is not charged either.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new_atomic(capacity: usize) -> Result<Self> {
        let layout = ArrayLayout::<u8>::new(capacity).map_err(|_| ENOMEM)?;
        // The difference of the first two is `__GFP_ACCOUNT`.
        let flags = (GFP_KERNEL_ACCOUNT & !GFP_KERNEL) | GFP_NOWAIT | __GFP_NOWARN;
        let uncharged = GFP_NOWAIT | __GFP_NOWARN;
        let ptr = Kmalloc::alloc(layout.into(), flags, NumaNode::NO_NODE).or_else(|error| {
            if capacity <= PAGE_SIZE {
                Kmalloc::alloc(layout.into(), uncharged, NumaNode::NO_NODE)
            } else {
                Err(error)
            }
        })?;
        // INVARIANT: Just allocated; `kvfree()` takes what `kmalloc()` gave.
        Ok(Self {
            ptr: ptr.cast(),
            capacity,
        })
    }

    /// How many bytes it is for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The first byte.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let (true, Ok(layout)) = (self.capacity > 0, ArrayLayout::<u8>::new(self.capacity)) {
            // SAFETY: An allocation that `kvfree()` takes, by the invariant.
            unsafe { KVmalloc::free(self.ptr, layout.into()) };
        }
    }
}
