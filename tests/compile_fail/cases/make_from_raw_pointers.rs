// SPDX-License-Identifier: GPL-2.0

//! Directories and superblocks come from the C side, and locked entries from entries, through `vfs` alone.

include!("../prelude.rs");

fn super_block<'a>(sb: *mut bindings::super_block) -> &'a SuperBlock<Fs> {
    SuperBlock::from_raw(sb) //~ E0624
}

fn directory<'a>(sb: &'a SuperBlock<Fs>, dentry: *mut bindings::dentry) -> Dir<'a, Fs> {
    Dir::from_raw(sb, dentry) //~ E0624
}

fn removing() -> Removing<Fs> {
    Removing::<Fs>::lock(loop {}) //~ E0624
}
