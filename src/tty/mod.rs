// SPDX-License-Identifier: GPL-2.0

//! A safe layer over the tty core for drivers of pseudo-terminal pairs.
//!
//! It knows nothing of file systems: a driver says how a slave is found from an open file, and what both ends do, in
//! the traits [`PtyEnd`], [`Master`] and [`Slave`]; this layer makes the two `tty_struct`s, links them, and calls the
//! driver.
//!
//! # What is supported
//!
//! Pairs of two ends of type `TTY_DRIVER_TYPE_PTY`, made when a master is opened, through the exported functions of the
//! tty core alone (see [`pair`] for how). Serial ports, consoles and legacy (BSD) ptys are not.
//!
//! `Documentation/locking.rst` has the order of the core's locks and of those here.
//!
//! C headers: [`include/linux/tty.h`](srctree/include/linux/tty.h),
//! [`include/linux/tty_driver.h`](srctree/include/linux/tty_driver.h),
//! [`include/linux/tty_port.h`](srctree/include/linux/tty_port.h).

#![allow(unsafe_code)]

mod channel;
mod driver;
mod end;
mod ends;
mod feed;
mod figures;
mod file;
mod install;
pub(crate) mod ioctl;
mod iter;
#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
mod ldisc;
mod master_file;
mod master_ldisc;
mod master_read;
mod master_write;
mod memory;
mod operations;
pub(crate) mod pair;
mod port;
mod process;
mod read_lock;
mod settings;
mod slave_file;
mod slave_ldisc;
mod slave_node;
mod slot;
mod termios;
mod trial;
mod tty_struct;
mod wait;
mod wakeup;

pub(crate) use end::End;
pub(crate) use figures::{Figures, Observer};
pub(crate) use file::{Opened, OpeningFile};
pub(crate) use master_file::FopsCell;
pub(crate) use operations::{Master, PtyEnd, Slave};
pub(crate) use pair::{Names, PtyDriver};
pub(crate) use slave_node::slave_fops;
pub(crate) use slot::Slot;
pub(crate) use termios::Termios;
pub(crate) use tty_struct::{Flag, Tty};
