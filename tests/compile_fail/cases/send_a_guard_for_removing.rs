// SPDX-License-Identifier: GPL-2.0

//! The task that locked a directory unlocks it.

include!("../prelude.rs");

fn may_be_sent<T: Send>(_: T) {}

fn send(removing: Removing<Fs>) {
    may_be_sent(removing);
    //~^ ERROR: `*mut ()` cannot be sent between threads safely
    //~| ERROR: `NonNull<kernel::bindings::dentry>` cannot be sent between threads safely
}
