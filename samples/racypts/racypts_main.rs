// SPDX-License-Identifier: GPL-2.0

//! racypts: the pty directory of 2018, on today's kernel. **A control that must crash.**
//!
//! In 2018 devpts removed a pty's node with `d_delete()` and `dput()` without the directory's lock, while `readdir` walked
//! the children without taking references: a reader could find a child positive, lose it to a closing pty, and read the
//! inode number through a NULL `d_inode`. This module does the same by hand, so that a tool which claims to find such a
//! race can be shown to find it, on the same kernel that everything else is tested on:
//!
//! - `racypts.parent_lock=0` (the default): nodes come and go without the directory's lock. Reading the directory while
//!   another thread opens and closes `ptmx` ends in `BUG: kernel NULL pointer dereference, address: 0000000000000040`.
//! - `racypts.parent_lock=1`: creation and teardown hold the directory's `i_rwsem`, as the patch of 2018 did. The same load
//!   survives.
//!
//! Everything here is raw `bindings` and `unsafe` on purpose. **No code of it may be copied to anything that people use.**
//!
//! The window has not been widened: no delay, no sleep, no preemption point stands between the test for a positive child
//! and the use of its inode. What the load needs is two CPUs, one thread that opens and closes and one that reads.
//!
//! What differs from 2018, and why:
//! - `d_delete()` and `dput()`, the child list and `simple_positive()` are today's; `readdir` is written after 2018's.
//! - No cursor dentries: today's are freed without waiting for RCU, so a walk without locks may not meet one. A position is
//!   the creation number of a child instead; children stand newest first in the list, so it only falls along the way.
//! - Nodes are not ttys. `ptmx` knows one ioctl, TIOCGPTN; nodes can be opened, and do nothing.

#![crate_name = "racypts_main"]

mod bindings;
mod node;
mod readdir;

use bindings::Table;
use core::{borrow::Borrow, cell::UnsafeCell};
use kernel::{error::to_result, ffi::c_int, prelude::*, str::as_char_ptr_in_const_context};

module! {
    type: RacyPts,
    name: "racypts",
    authors: ["The rdevpts authors"],
    description: "The devpts directory race of 2018, kept alive as a control: never use it",
    license: "GPL",
    alias: ["fs-racypts"],
    params: {
        parent_lock: u8 {
            default: 0,
            description: "Hold the directory's lock around creation and teardown, as the 2018 patch did",
        },
    },
}

/// Whether the directory's lock is taken, as the 2018 patch did.
pub(crate) fn parent_lock() -> bool {
    // A value, or a reference to one, by the version of the kernel's crate, which has no `bool` everywhere.
    *Borrow::<u8>::borrow(&module_parameters::parent_lock.value()) != 0
}

struct RacyPts;

impl kernel::Module for RacyPts {
    fn init(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: Called once, before anything can mount and so use the lock.
        unsafe { node::CREATED.init() };
        // SAFETY: Nobody else knows the type before it is registered.
        unsafe { (*FS_TYPE.0.get()).owner = module.as_ptr() };
        // SAFETY: The type is static, and `drop` unregisters it before the module goes.
        to_result(unsafe { bindings::register_filesystem(FS_TYPE.0.get()) })?;
        pr_warn!(
            "the pty directory race of 2018, with{} the parent lock: for tests only\n",
            if parent_lock() { "" } else { "out" }
        );
        Ok(RacyPts)
    }
}

impl Drop for RacyPts {
    fn drop(&mut self) {
        // SAFETY: Registered in `init`. No mount is left, since each pins `owner`.
        unsafe { bindings::unregister_filesystem(FS_TYPE.0.get()) };
    }
}

struct FsType(UnsafeCell<bindings::file_system_type>);

// SAFETY: Written in `init` before it is registered, and from then on by the VFS alone, under its own lock.
unsafe impl Sync for FsType {}

static FS_TYPE: FsType = FsType(UnsafeCell::new(bindings::file_system_type {
    name: as_char_ptr_in_const_context(c"racypts"),
    init_fs_context: Some(init_fs_context),
    kill_sb: Some(kill_sb),
    ..pin_init::zeroed()
}));

static CONTEXT_OPS: Table<bindings::fs_context_operations> =
    Table::new(bindings::fs_context_operations {
        free: None,
        dup: None,
        parse_param: None,
        parse_monolithic: None,
        get_tree: Some(get_tree),
        reconfigure: None,
    });

static SUPER_OPS: Table<bindings::super_operations> = Table::new(bindings::super_operations {
    statfs: Some(bindings::simple_statfs),
    ..pin_init::zeroed()
});

/// # Safety
///
/// Called by the VFS with a new, exclusive `fc`.
unsafe extern "C" fn init_fs_context(fc: *mut kernel::bindings::fs_context) -> c_int {
    // CAST: The kernel's `bindings` know the type's name only, ours its fields as well.
    let fc = fc.cast::<bindings::fs_context>();
    // SAFETY: Per this function's contract.
    unsafe { (*fc).ops = CONTEXT_OPS.as_ptr() };
    0
}

/// # Safety
///
/// Called by the VFS with the `fc` of [`init_fs_context`].
unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> c_int {
    // SAFETY: Per this function's contract.
    unsafe { bindings::get_tree_nodev(fc, Some(fill_super)) }
}

/// # Safety
///
/// Called by the VFS with a new superblock that nobody else can see yet.
unsafe extern "C" fn fill_super(
    sb: *mut bindings::super_block,
    _fc: *mut bindings::fs_context,
) -> c_int {
    // SAFETY: Per this function's contract.
    match unsafe { try_fill_super(sb) } {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// # Safety
///
/// As [`fill_super`].
unsafe fn try_fill_super(sb: *mut bindings::super_block) -> Result {
    // SAFETY: Zeroed memory is a valid `ida` to initialise; `kill_sb` frees it, also when this function fails.
    unsafe {
        let ida = KBox::into_raw(KBox::<bindings::ida>::new(pin_init::zeroed(), GFP_KERNEL)?);
        bindings::racypts_ida_init(ida);
        (*sb).s_fs_info = ida.cast();
    }

    // SAFETY: `sb` is ours alone until this function returns.
    unsafe {
        (*sb).s_blocksize = 1024;
        (*sb).s_blocksize_bits = 10;
        (*sb).s_magic = node::MAGIC;
        (*sb).s_op = SUPER_OPS.as_ptr();
        (*sb).s_maxbytes = i64::MAX;
        (*sb).s_time_gran = 1;
        (*sb).s_d_flags = bindings::dentry_flags_DCACHE_DONTCACHE;
        node::make_root(sb)
    }
}

/// # Safety
///
/// Called by the VFS for a superblock that nobody uses any more.
unsafe extern "C" fn kill_sb(sb: *mut bindings::super_block) {
    // SAFETY: `s_fs_info` is NULL or the `ida` of `try_fill_super`, whose last users went with the last open file.
    unsafe {
        let ida = (*sb).s_fs_info.cast::<bindings::ida>();
        bindings::kill_anon_super(sb);
        if !ida.is_null() {
            bindings::ida_destroy(ida);
            drop(KBox::from_raw(ida));
        }
    }
}
