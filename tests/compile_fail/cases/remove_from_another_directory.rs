// SPDX-License-Identifier: GPL-2.0

//! That an entry is removed with the lock of another directory held cannot be said: no directory is asked for.

include!("../prelude.rs");

fn from(dir: &Dir<'_, Fs>, entry: Entry<Fs>) -> Removing<Fs> {
    dir.start_removing(entry) //~ E0599
}

fn with(dir: &Dir<'_, Fs>, entry: Entry<Fs>) -> Removing<Fs> {
    entry.start_removing(dir) //~ E0061
}
