// SPDX-License-Identifier: GPL-2.0

//! Another task has no business with a lock that is not its own.

include!("../prelude.rs");

fn may_be_shared<T: Sync>() {}

fn share() {
    may_be_shared::<Creating<'static, Fs>>();
    //~^ ERROR: `*mut ()` cannot be shared between threads safely
    //~| ERROR: `NonNull<kernel::bindings::dentry>` cannot be shared between threads safely
    may_be_shared::<Removing<Fs>>();
    //~^ ERROR: `*mut ()` cannot be shared between threads safely
    //~| ERROR: `NonNull<kernel::bindings::dentry>` cannot be shared between threads safely
}
