// SPDX-License-Identifier: GPL-2.0

//! `readdir` as it was in 2018: the walk takes no lock and no reference.
//!
//! The VFS holds the directory's `i_rwsem` shared around [`readdir`], in 2018 as now. That is all that protects it: with
//! `parent_lock=1` no child can be torn down meanwhile, without it any can, at any point.

use crate::bindings::{self, Table};
use core::{mem::offset_of, ptr};
use kernel::ffi::{c_int, c_uint};

/// The operations of the root directory.
pub(crate) static ROOT_FOPS: Table<bindings::file_operations> =
    Table::new(bindings::file_operations {
        iterate_shared: Some(readdir),
        read: Some(bindings::generic_read_dir),
        llseek: Some(bindings::generic_file_llseek),
        ..pin_init::zeroed()
    });

/// Where the oldest possible child stands, far from where any other can.
const OLDEST: bindings::loff_t = 1 << 40;

/// The position of a child: the newer, the smaller, as in the list of children.
///
/// # Safety
///
/// The memory of `dentry` must not have been freed.
unsafe fn position(dentry: *mut bindings::dentry) -> bindings::loff_t {
    // SAFETY: Per this function's contract.
    let created = unsafe { (*dentry).d_fsdata }.addr();
    // CAST: Creation numbers count from 0 and stay far below `OLDEST`.
    OLDEST.wrapping_sub(created as bindings::loff_t)
}

/// The first positive child from `node` on that stands at `pos` or later, or NULL. No reference is taken.
///
/// # Safety
///
/// `node` must be NULL or the `d_sib` of a dentry whose memory has not been freed.
unsafe fn next_positive(
    mut node: *mut bindings::hlist_node,
    pos: bindings::loff_t,
) -> *mut bindings::dentry {
    let mut found = ptr::null_mut();

    // SAFETY: Always balanced below.
    unsafe { bindings::rcu_read_lock() };
    while !node.is_null() {
        let dentry = node
            .wrapping_byte_sub(offset_of!(bindings::dentry, d_sib))
            .cast::<bindings::dentry>();
        // SAFETY: Dentries are freed after an RCU grace period, and `d_sib.next` of a dead one leads on.
        unsafe {
            if bindings::racypts_simple_positive(dentry) != 0 && position(dentry) >= pos {
                found = dentry;
                break;
            }
            node = ptr::read_volatile(&raw const (*node).next);
        }
    }
    // SAFETY: Balances the lock above.
    unsafe { bindings::rcu_read_unlock() };
    found
}

/// # Safety
///
/// Called by the VFS with an open directory of ours, whose `i_rwsem` it holds shared.
unsafe extern "C" fn readdir(file: *mut bindings::file, ctx: *mut bindings::dir_context) -> c_int {
    // SAFETY: Per this function's contract, but for what 2018 got wrong: nothing keeps `next` alive or positive.
    unsafe {
        let parent = (*file).__bindgen_anon_1.f_path.dentry;
        if !bindings::racypts_dir_emit_dots(file, ctx) {
            return 0;
        }

        let mut node = ptr::read_volatile(&raw const (*parent).d_children.first);
        loop {
            let next = next_positive(node, (*ctx).pos);
            if next.is_null() {
                return 0;
            }
            (*ctx).pos = position(next);

            // Here it dies: `d_delete()` has made `next` negative since, and `i_ino` is read through NULL. (The loads are
            // volatile because the compiler would rather begin with the mode.)
            let inode = ptr::read_volatile(&raw const (*next).d_inode);
            let ino = ptr::read_volatile(&raw const (*inode).i_ino);
            let mode = ptr::read_volatile(&raw const (*inode).i_mode);

            let name = (*next).__bindgen_anon_1.d_name;
            // CAST: A name's length fits, `NAME_MAX` is 255.
            let len = name.__bindgen_anon_1.__bindgen_anon_1.len as c_int;
            if !bindings::racypts_dir_emit(ctx, name.name.cast(), len, ino, dtype(mode)) {
                return 0;
            }
            (*ctx).pos = position(next).wrapping_add(1);
            node = ptr::read_volatile(&raw const (*next).d_sib.next);
        }
    }
}

/// The directory entry's type that goes with a file mode.
fn dtype(mode: bindings::umode_t) -> c_uint {
    c_uint::from(mode >> 12) & 15
}
