// SPDX-License-Identifier: GPL-2.0

//! The C side: what the kernel's `bindings` crate lacks, made by bindgen at build time, and the helpers of `helpers.c`.
//!
//! Names that bindgen made here hide the kernel crate's of the same name (which has some as opaque types only); every
//! other name is the kernel crate's own, so a pointer means the same on both sides.

mod fops;

mod raw {
    #![allow(
        clippy::all,
        dead_code,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unreachable_pub,
        unsafe_op_in_unsafe_fn,
        unused_imports
    )]
    #![allow(clippy::undocumented_unsafe_blocks)]

    pub(crate) use kernel::bindings::*;
    use kernel::ffi;

    include!(concat!(env!("RDEVPTS_BINDINGS_DIR"), "/bindings_generated.rs"));
    include!(concat!(env!("RDEVPTS_BINDINGS_DIR"), "/helpers_generated.rs"));
}

pub(crate) use fops::FileOps;
pub(crate) use raw::*;
