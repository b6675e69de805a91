// SPDX-License-Identifier: GPL-2.0

//! There is one value for one entry: moving it leaves nothing behind.

include!("../prelude.rs");

fn copy(entry: Entry<Fs>) -> (Entry<Fs>, Entry<Fs>) {
    let moved = entry;
    (moved, entry) //~ E0382
}
