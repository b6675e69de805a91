// SPDX-License-Identifier: GPL-2.0

//! An entry is removed once: there is one value for it, which removing it consumes.

include!("../prelude.rs");

fn remove(entry: Entry<Fs>) {
    entry.start_removing().unlink();
    entry.start_removing().unlink(); //~ E0382
}

fn drop_and_remove(entry: Entry<Fs>) {
    drop(entry);
    entry.start_removing().unlink(); //~ E0382
}
