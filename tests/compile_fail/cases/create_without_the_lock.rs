// SPDX-License-Identifier: GPL-2.0

//! A directory cannot be given an entry but through the guard that has it locked.

include!("../prelude.rs");

fn create(dir: &Dir<'_, Fs>, inode: NewInode<'_, Fs>) -> Result<Entry<Fs>> {
    dir.make_persistent(inode) //~ E0599
}

fn create_for_good(dir: &Dir<'_, Fs>, inode: NewInode<'_, Fs>) -> Result {
    dir.make_permanent(inode) //~ E0599
}
