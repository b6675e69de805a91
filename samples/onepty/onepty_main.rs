// SPDX-License-Identifier: GPL-2.0

//! onepty: a file system of two files, which are the two ends of one pseudo-terminal.
//!
//! ```text
//! mount -t onepty -o mode=600 none /mnt
//! /mnt/master     always there; who opens it has a new terminal to serve
//! /mnt/slave      there while that file is open; who opens it is on the terminal
//! ```
//!
//! A console for one container, say, that cannot ask for a second one. It is here to be read, after
//! `Documentation/abstractions.rst`, beside which it stands: a whole driver on the layers `vfs` and `tty`, without a line of
//! `unsafe`. In this order:
//!
//! - `mount`: the file system. What a mount is, which options it has, and its first file.
//! - `pair`: what the two ends share: the entry of the slave, which comes and goes under the directory's lock.
//! - `master`, `slave`: the two ends.

#![crate_name = "onepty_main"]
#![deny(unsafe_code)]

use kernel::{prelude::*, sync::Arc};

mod master;
mod mount;
mod pair;
mod slave;

// The layers, as rdevpts has them. A driver takes what it needs: what this one leaves is not in the module.
#[allow(dead_code, unused_imports)]
#[path = "../../src/bindings/mod.rs"]
mod bindings;
#[allow(dead_code, unused_imports)]
#[path = "../../src/model/mod.rs"]
mod model;
#[allow(dead_code, unused_imports)]
#[path = "../../src/tty/mod.rs"]
mod tty;
#[allow(dead_code, unused_imports)]
#[path = "../../src/vfs/mod.rs"]
mod vfs;

module! {
    type: OnePty,
    name: "onepty",
    authors: ["The rdevpts authors"],
    description: "A file system of two files, the ends of one pseudo-terminal: a sample",
    license: "GPL",
    alias: ["fs-onepty"],
}

/// What the module has registered. Dropped in this order: no new mounts, then no new terminals.
struct OnePty {
    _file_system: vfs::Registration<mount::Mount>,
    _pty: Arc<mount::Terminals>,
}

impl kernel::Module for OnePty {
    fn init(module: &'static ThisModule) -> Result<Self> {
        bindings::release::check()?;
        let names = tty::Names {
            master: c"onepty_master",
            slave: c"onepty_slave",
            nursery: c"onepty_nursery",
            lines: 1,
            slave_major: mount::SLAVE_MAJOR,
        };
        let pty = Arc::pin_init(mount::Terminals::new(names, module), GFP_KERNEL)?;
        Ok(Self {
            // The last: from here on there can be mounts.
            _file_system: vfs::Registration::new(pty.clone())?,
            _pty: pty,
        })
    }
}
