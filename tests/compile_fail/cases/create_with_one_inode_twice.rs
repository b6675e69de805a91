// SPDX-License-Identifier: GPL-2.0

//! An inode that is in a directory belongs to that; there are no hard links.

include!("../prelude.rs");

fn create(dir: &Dir<'_, Fs>, inode: NewInode<'_, Fs>) -> Result {
    let _first = dir.start_creating(c"0")?.make_persistent(inode)?;
    let _second = dir.start_creating(c"1")?.make_persistent(inode)?; //~ E0382
    Ok(())
}
