// SPDX-License-Identifier: GPL-2.0
//! The operations.

mod close;
mod control;
mod data;
mod directory;
mod figures;
mod module;
mod mount;
mod open;
mod wait;

use anyhow::Result;
use nix::errno::Errno;

use crate::attempt::Attempt;
use crate::world::World;

/// When an operation runs, and on what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// With the file system known to the kernel.
    Always,
    /// Where the module is not loaded, and its file known.
    Unloaded,
    /// With the module loaded, and its file known; the operation unloads it.
    Loaded,
}

/// One system call that can fail, in the circumstances of a test.
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// When it runs.
    pub when: When,
    /// What it may fail with beside `ENOMEM`.
    pub errnos: &'static [Errno],
    /// Why it is not done on devpts, if so.
    pub not_on_devpts: Option<&'static str>,
    /// Makes the circumstances, and the call by way of the attempt; leaves nothing.
    pub run: fn(&World, &mut Attempt<'_>) -> Result<()>,
}

impl Operation {
    const fn new(name: &'static str, run: fn(&World, &mut Attempt<'_>) -> Result<()>) -> Self {
        Self {
            name,
            when: When::Always,
            errnos: &[],
            not_on_devpts: None,
            run,
        }
    }

    const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    const fn not_on_devpts(mut self, why: &'static str) -> Self {
        self.not_on_devpts = Some(why);
        self
    }

    const fn or(mut self, errnos: &'static [Errno]) -> Self {
        self.errnos = errnos;
        self
    }
}

/// All of them, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [
        module::LOADING,
        mount::OPERATIONS,
        open::OPERATIONS,
        close::OPERATIONS,
        data::OPERATIONS,
        control::OPERATIONS,
        wait::OPERATIONS,
        directory::OPERATIONS,
        figures::OPERATIONS,
        module::UNLOADING,
    ]
    .into_iter()
    .flatten()
}
