// SPDX-License-Identifier: GPL-2.0

//! The module's logic as a crate, for the host to test; see `mod.rs`, which the kernel module includes itself.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[path = "mod.rs"]
mod model;

pub use model::*;
