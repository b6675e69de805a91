// SPDX-License-Identifier: GPL-2.0

//! What makes and unmakes entries on the C side is out of reach of safe code, locked or not.

include!("../prelude.rs");

fn call(dentry: *mut bindings::dentry, inode: *mut bindings::inode) {
    bindings::d_make_persistent(dentry, inode); //~ E0133
    bindings::d_make_discardable(dentry); //~ E0133
    bindings::d_invalidate(dentry); //~ E0133
    bindings::d_drop(dentry); //~ E0133
    bindings::d_delete(dentry); //~ E0133
    bindings::d_instantiate(dentry, inode); //~ E0133
    bindings::d_add(dentry, inode); //~ E0133
}
