// SPDX-License-Identifier: GPL-2.0

//! Nor can the driver help itself with `unsafe`: outside of `bindings`, `vfs` and `tty` there is none.

#![deny(unsafe_code)]
include!("../prelude.rs");

fn call(dentry: *mut bindings::dentry) {
    unsafe { bindings::d_drop(dentry) }; //~ unsafe_code
}
