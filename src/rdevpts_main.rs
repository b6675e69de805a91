// SPDX-License-Identifier: GPL-2.0

//! rdevpts
#![crate_name = "rdevpts"]
#![deny(unsafe_code)]

use kernel::prelude::*;

#[allow(unsafe_code)]
mod bindings;
#[allow(unsafe_code)]
mod tty;

module! {
    type: Rdevpts,
    name: "rdevpts",
    authors: ["The rdevpts maintainers"],
    description: "devpts with real pseudo-terminals, in Rust",
    license: "GPL",
    alias: ["fs-rdevpts"],
}

struct Rdevpts;

impl kernel::Module for Rdevpts {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Rdevpts)
    }
}
