// SPDX-License-Identifier: GPL-2.0

//! The kernel's `bindings`, and beside them what bindgen made of `helpers.h`.

mod raw {
    #![allow(
        clippy::all,
        clippy::undocumented_unsafe_blocks,
        dead_code,
        improper_ctypes,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unreachable_pub,
        unsafe_op_in_unsafe_fn,
        unused_imports
    )]
    // bindgen's bit fields.
    #![allow(
        clippy::as_ptr_cast_mut,
        clippy::as_underscore,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr
    )]
    #![cfg_attr(CONFIG_RUSTC_HAS_UNNECESSARY_TRANSMUTES, allow(unnecessary_transmutes))]

    pub(crate) use kernel::bindings::*;
    use kernel::ffi;

    include!(env!("RACYPTS_GENERATED"));
}

pub(crate) use raw::*;

/// A table of C function pointers that never changes after it is built.
#[repr(transparent)]
pub(crate) struct Table<T>(T);

// SAFETY: A `Table` is only ever read.
unsafe impl<T> Sync for Table<T> {}

impl<T> Table<T> {
    /// Wraps `table`.
    pub(crate) const fn new(table: T) -> Self {
        Self(table)
    }

    /// The address that C wants.
    pub(crate) const fn as_ptr(&self) -> *const T {
        &self.0
    }
}
