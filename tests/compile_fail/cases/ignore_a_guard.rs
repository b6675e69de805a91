// SPDX-License-Identifier: GPL-2.0

//! A guard that nobody keeps is told: the directory is unlocked at once.

#![deny(unused_must_use)]
include!("../prelude.rs");

fn creating(dir: &Dir<'_, Fs>) -> Result {
    dir.start_creating(c"0")?; //~ unused_must_use
    Ok(())
}

fn removing(entry: Entry<Fs>) {
    entry.start_removing(); //~ unused_must_use
}

fn entry(name: Creating<'_, Fs>, inode: NewInode<'_, Fs>) -> Result {
    name.make_persistent(inode)?; //~ unused_must_use
    Ok(())
}
