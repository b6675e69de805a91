// SPDX-License-Identifier: GPL-2.0

//! rdevpts: a devpts with real pseudo-terminals.
//!
//! Read it in this order:
//!
//! - `model`: options, indices, limits, and output on its way, as logic without a kernel; it is tested on the host.
//! - `vfs` and `tty`: safe layers over the VFS and over the tty core, which know nothing of one another nor of this driver.
//!   What the compiler cannot check is there and in `bindings`, and nowhere else.
//! - `instance`: one mount. `pair`: one pty, with the order in which it goes. `master`, `slave`: the two ends of it; what they
//!   do alike is in `tty/end.rs`.
//! - `ptys`, `fdinfo`: what can be seen of all that from outside.
//!
//! `Documentation/locking.rst` has the lock order and who keeps what alive.

#![crate_name = "rdevpts"]
#![deny(unsafe_code)]

use kernel::{prelude::*, sync::Arc};

mod bindings;
mod fdinfo;
mod instance;
mod master;
mod model;
mod pair;
mod ptys;
mod slave;
mod tty;
mod vfs;

module! {
    type: Rdevpts,
    name: "rdevpts",
    authors: ["The rdevpts authors"],
    description: "devpts with real pseudo-terminals, in Rust",
    license: "GPL",
    alias: ["fs-rdevpts"],
}

/// What the module has registered. Dropped in this order: nobody looks, then no new mounts, then no new terminals.
struct Rdevpts {
    _debugfs: vfs::debugfs::Directory<ptys::Mounts>,
    _file_system: vfs::Registration<instance::Instance>,
    _sysctls: vfs::sysctl::Registration,
    _pty: Arc<tty::PtyDriver<master::Master, slave::Slave>>,
}

impl kernel::Module for Rdevpts {
    fn init(module: &'static ThisModule) -> Result<Self> {
        bindings::release::check()?;
        let names = tty::Names {
            master: c"rdevpts_master",
            slave: c"rdevpts_slave",
            nursery: c"rdevpts_nursery",
            lines: model::index::NR_PTY_MAX,
            slave_major: instance::SLAVE_MAJOR,
        };
        let pty = Arc::pin_init(tty::PtyDriver::new(names, module), GFP_KERNEL)?;
        let sysctls = instance::register_sysctls()?;
        let mounts = ptys::Mounts::new()?;
        let data = instance::Data {
            ptmx_fops: master::fops()?,
            pty: pty.clone(),
            mounts: mounts.clone(),
        };
        Ok(Self {
            _file_system: vfs::Registration::new(data)?,
            _sysctls: sysctls,
            _pty: pty,
            // The last, and nothing that fails after it: a module whose initialisation fails is freed, whoever has its files open.
            _debugfs: vfs::debugfs::Directory::new(c"rdevpts", mounts)
                .with::<ptys::MountsFile>()
                .with::<ptys::PtysFile>(),
        })
    }
}
