// SPDX-License-Identifier: GPL-2.0

//! Only `vfs` makes the guard that says that a directory is locked.

include!("../prelude.rs");

fn forge(dir: Dir<'_, Fs>) -> Creating<'_, Fs> {
    Creating {
        dir,                                    //~ E0451
        dentry: core::ptr::NonNull::dangling(), //~ E0451
        record: unreachable!(),                 //~ E0451
        //~^ ERROR: type `Record` is private
        _not_send: core::marker::PhantomData, //~ E0451
    }
}
