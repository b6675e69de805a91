// SPDX-License-Identifier: GPL-2.0

//! The guard is consumed by the removal, and with it the lock.

include!("../prelude.rs");

fn unlink(entry: Entry<Fs>) {
    let removing = entry.start_removing();
    removing.unlink();
    removing.unlink(); //~ E0382
}
