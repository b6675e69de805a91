// SPDX-License-Identifier: GPL-2.0

//! Directories, guards and new inodes do not outlive the reference that keeps their superblock.

include!("../prelude.rs");

fn directory<'a>(sb: ActiveSuper<Fs>) -> Dir<'a, Fs> {
    sb.root() //~ E0515
}

fn guard<'a>(sb: ActiveSuper<Fs>) -> Result<Creating<'a, Fs>> {
    sb.root().start_creating(c"0") //~ E0515
}

fn inode<'a>(sb: ActiveSuper<Fs>, what: vfs::CharDevice) -> Result<NewInode<'a, Fs>> {
    NewInode::chrdev(&sb, what, None) //~ E0515
}

fn give_up_first(sb: ActiveSuper<Fs>) -> Result {
    let name = sb.root().start_creating(c"0")?;
    drop(sb); //~ E0505
    drop(name);
    Ok(())
}
