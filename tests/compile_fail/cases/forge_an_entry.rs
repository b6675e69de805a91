// SPDX-License-Identifier: GPL-2.0

//! Only `vfs` makes the value that says that there is an entry, when it makes the entry.

include!("../prelude.rs");

fn forge() -> Entry<Fs> {
    Entry::<Fs> {
        linked: loop {}, //~ E0451
                         //~^ ERROR: type `Linked<Fs>` is private
    }
}
