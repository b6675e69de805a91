// SPDX-License-Identifier: GPL-2.0

//! There is one value for one entry: it can be neither cloned nor copied.

include!("../prelude.rs");

fn clone(entry: &Entry<Fs>) -> Entry<Fs> {
    entry.clone() //~ E0308
}

fn may_be_cloned<T: Clone>() {}

fn entries_may_not() {
    may_be_cloned::<Entry<Fs>>(); //~ E0277
    may_be_cloned::<Creating<'_, Fs>>(); //~ E0277
    may_be_cloned::<Removing<Fs>>(); //~ E0277
    may_be_cloned::<NewInode<'_, Fs>>(); //~ E0277
}
