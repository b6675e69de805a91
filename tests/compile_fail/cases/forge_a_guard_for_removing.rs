// SPDX-License-Identifier: GPL-2.0

//! An entry can be made one that is being removed by `vfs` alone, which locks the directory.

include!("../prelude.rs");

fn forge() -> Removing<Fs> {
    Removing::<Fs> {
        linked: loop {}, //~ E0451
        //~^ ERROR: type `Linked<Fs>` is private
        _not_send: core::marker::PhantomData, //~ E0451
    }
}
