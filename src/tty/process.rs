// SPDX-License-Identifier: GPL-2.0

//! Process groups, as terminals signal them.
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// An owned reference to the `struct pid` of a process group.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct Pgrp(NonNull<bindings::pid>);

impl Pgrp {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `ptr` must be NULL or carry a reference that the caller gives up.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::pid) -> Option<Self> {
        // INVARIANT: The caller gives us its reference.
        NonNull::new(ptr).map(Self)
    }

    /// Sends `signal` to every process of the group, as the kernel.
    pub(crate) fn kill(&self, signal: u32) {
        // SAFETY: We own a reference. The result only says that the group was empty, which is no error here.
        unsafe { bindings::kill_pgrp(self.0.as_ptr(), signal as c_int, 1) };
    }
}

impl Drop for Pgrp {
    fn drop(&mut self) {
        // SAFETY: Gives up the reference that we own by the invariant.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}
