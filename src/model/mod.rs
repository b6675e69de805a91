// SPDX-License-Identifier: GPL-2.0

//! Policy without a kernel: mount options, pty indices and the global limits.
//!
//! Nothing here allocates, locks, blocks or knows a kernel type; the only import is `core`. The kernel module compiles
//! these files as a module of its own crate; the host compiles them as the crate `rdevpts-model` (`lib.rs`) and tests them.

#![forbid(unsafe_code)]
// Public for the host's crate.
#![allow(unreachable_pub)]

pub mod index;
pub mod limits;
pub mod options;
