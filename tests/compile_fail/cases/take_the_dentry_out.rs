// SPDX-License-Identifier: GPL-2.0

//! The dentry of an entry, the inode of a new one and what is in a path are nobody's outside of `vfs`.

include!("../prelude.rs");

fn dentry(entry: &Entry<Fs>) -> core::ptr::NonNull<bindings::dentry> {
    entry.dget() //~ E0624
}

fn inode(inode: NewInode<'_, Fs>) -> *mut bindings::inode {
    inode.into_raw() //~ E0624
}

fn path(path: &Path) -> *mut bindings::dentry {
    path.0.dentry //~ E0616
}
