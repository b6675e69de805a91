// SPDX-License-Identifier: GPL-2.0

//! Logic without a kernel: mount options, pty indices, the global limits, and output on its way from slave to master.
//!
//! Nothing here allocates, locks, blocks or knows a kernel type; the only import is `core`. The kernel module compiles
//! these files as a module of its own crate; the host compiles them as the crate `rdevpts-model` (`lib.rs`) and tests them.

#![forbid(unsafe_code)]
// Public for the host's crate.
#![allow(unreachable_pub)]

pub mod channel;
pub mod index;
pub mod limits;
pub mod lines;
pub mod options;
pub mod ring;
