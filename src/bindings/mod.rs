// SPDX-License-Identifier: GPL-2.0

//! The C side: what the kernel's `bindings` crate lacks, made by bindgen at build time, and the helpers of `helpers.c`.
//!
//! Names that bindgen made here hide the kernel crate's of the same name (which has some as opaque types only); every
//! other name is the kernel crate's own, so a pointer means the same on both sides.

#![allow(unsafe_code)]

pub(crate) mod compat;
mod fops;
mod racy;
pub(crate) mod release;

mod raw {
    #![allow(
        clippy::all,
        clippy::as_underscore,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr,
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
    #![cfg_attr(CONFIG_RUSTC_HAS_UNNECESSARY_TRANSMUTES, allow(unnecessary_transmutes))]

    pub(crate) use kernel::bindings::*;
    use kernel::ffi;

    include!(concat!(
        env!("RDEVPTS_BINDINGS_DIR"),
        "/bindings_generated.rs"
    ));
    include!(concat!(
        env!("RDEVPTS_BINDINGS_DIR"),
        "/helpers_generated.rs"
    ));
}

pub(crate) use fops::FileOps;
pub(crate) use racy::read_racy;
pub(crate) use raw::*;

/// Fails the build if `$type` is not laid out as in C, where bindgen took the type of a field for smaller than it is: the
/// kernel crate has types that it does not need as empty ones.
macro_rules! assert_layout {
    ($type:ident, $size:ident $(, $field:ident = $offset:ident)* $(,)?) => {
        const _: () = {
            assert!(core::mem::size_of::<raw::$type>() == raw::$size as usize);
            $(assert!(core::mem::offset_of!(raw::$type, $field) == raw::$offset as usize);)*
        };
    };
}

assert_layout!(
    tty_struct,
    RDEVPTS_SIZEOF_TTY_STRUCT,
    link = RDEVPTS_OFFSETOF_TTY_LINK,
    SAK_work = RDEVPTS_OFFSETOF_TTY_SAK_WORK,
);
assert_layout!(
    tty_driver,
    RDEVPTS_SIZEOF_TTY_DRIVER,
    ops = RDEVPTS_OFFSETOF_TTY_DRIVER_OPS,
);
assert_layout!(tty_operations, RDEVPTS_SIZEOF_TTY_OPERATIONS);
assert_layout!(
    tty_port,
    RDEVPTS_SIZEOF_TTY_PORT,
    iflags = RDEVPTS_OFFSETOF_TTY_PORT_IFLAGS,
);
assert_layout!(tty_buffer, RDEVPTS_SIZEOF_TTY_BUFFER);
assert_layout!(tty_file_private, RDEVPTS_SIZEOF_TTY_FILE_PRIVATE);
assert_layout!(
    fs_context,
    RDEVPTS_SIZEOF_FS_CONTEXT,
    sb_flags = RDEVPTS_OFFSETOF_FS_CONTEXT_SB_FLAGS,
);
assert_layout!(fs_context_operations, RDEVPTS_SIZEOF_FS_CONTEXT_OPERATIONS);
assert_layout!(fs_parameter_spec, RDEVPTS_SIZEOF_FS_PARAMETER_SPEC);
assert_layout!(fs_parse_result, RDEVPTS_SIZEOF_FS_PARSE_RESULT);
