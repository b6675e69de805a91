// SPDX-License-Identifier: GPL-2.0

//! An entry is consumed when its removal starts.

include!("../prelude.rs");

fn open(entry: Entry<Fs>, ptmx: &File) -> Result<Path> {
    entry.start_removing().unlink();
    entry.place().beside(ptmx) //~ E0382
}
