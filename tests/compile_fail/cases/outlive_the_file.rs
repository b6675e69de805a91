// SPDX-License-Identifier: GPL-2.0

//! What is found through an open file is there as long as that is.

include!("../prelude.rs");

use kernel::sync::aref::ARef;

fn node<'a>(file: ARef<File>) -> Option<&'a u32> {
    vfs::node_of_file::<Fs>(&file) //~ E0515
}

fn super_block<'a>(file: ARef<File>) -> Option<&'a SuperBlock<Fs>> {
    SuperBlock::of_file(&file) //~ E0515
}
