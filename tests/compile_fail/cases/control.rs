// SPDX-License-Identifier: GPL-2.0

//! The control: everything that the other cases do wrong, done right. It must compile, or their errors prove nothing.
//@ check-pass

#![deny(unsafe_code, unused_must_use)]
include!("../prelude.rs");

fn create(dir: &Dir<'_, Fs>, inode: NewInode<'_, Fs>) -> Result<Entry<Fs>> {
    dir.start_creating(c"0")?.make_persistent(inode)
}

fn create_for_good(dir: &Dir<'_, Fs>, inode: NewInode<'_, Fs>) -> Result {
    dir.start_creating(c"ptmx")?.make_permanent(inode)
}

fn remove(entry: Entry<Fs>) {
    entry.start_removing().unlink();
}

fn give_up(dir: &Dir<'_, Fs>) -> Result {
    drop(dir.start_creating(c"0")?);
    Ok(())
}

fn open(entry: &Entry<Fs>, ptmx: &File) -> Result<kernel::sync::aref::ARef<File>> {
    entry.place().beside(ptmx)?.open(0)
}

fn keep(file: &File) -> Option<ActiveSuper<Fs>> {
    SuperBlock::<Fs>::of_file(file).map(ActiveSuper::from)
}

fn number(file: &File) -> Option<u32> {
    vfs::node_of_file::<Fs>(file).copied()
}

fn may_be_sent<T: Send>() {}

fn entries_may_be_sent() {
    may_be_sent::<Entry<Fs>>();
    may_be_sent::<ActiveSuper<Fs>>();
    may_be_sent::<Path>();
}
