// SPDX-License-Identifier: GPL-2.0

//! What removes an entry is a function of the guard that has its directory locked.

include!("../prelude.rs");

fn unlink(entry: Entry<Fs>) {
    entry.unlink(); //~ E0599
}
