// SPDX-License-Identifier: GPL-2.0
//! The cases, by theme.

mod blocking;
mod canonical;
mod compat;
mod controlling_tty;
mod counters;
mod counters_lifetime;
mod crowds;
mod cves;
mod directory;
mod eof_drain;
mod fdinfo;
mod file_calls;
mod file_flags;
mod flow_control;
mod flush;
mod foreign_node;
mod hangup;
mod inotify;
mod integrity;
mod ioctls;
mod job_control;
mod limits;
mod lock;
mod module;
mod mount_options;
mod names;
mod nodes;
mod output;
mod packet;
mod peer;
mod poll;
mod privileges;
mod ptmx_open;
mod remount;
mod secrets;
mod security;
mod selftest;
mod sigio;
mod signals;
mod stale_memory;
mod stalled_reader;
mod statfs;
mod sysctl;
mod termios;
mod times;
mod transfer;
mod uring;
mod uring_open;
mod uring_poll;
mod uring_wait;
mod userns;
mod vectors;
mod winsize;

use nix::fcntl::OFlag;

use crate::case::Case;
use crate::fixture::Fs;

const THEMES: &[&[Case]] = &[
    mount_options::CASES,
    remount::CASES,
    statfs::CASES,
    nodes::CASES,
    directory::CASES,
    stalled_reader::CASES,
    cves::CASES,
    security::CASES,
    privileges::CASES,
    crowds::CASES,
    secrets::CASES,
    stale_memory::CASES,
    limits::CASES,
    sysctl::CASES,
    inotify::CASES,
    userns::CASES,
    ptmx_open::CASES,
    lock::CASES,
    peer::CASES,
    termios::CASES,
    eof_drain::CASES,
    hangup::CASES,
    names::CASES,
    foreign_node::CASES,
    fdinfo::CASES,
    counters::CASES,
    counters_lifetime::CASES,
    times::CASES,
    winsize::CASES,
    signals::CASES,
    packet::CASES,
    controlling_tty::CASES,
    job_control::CASES,
    flow_control::CASES,
    flush::CASES,
    blocking::CASES,
    poll::CASES,
    sigio::CASES,
    canonical::CASES,
    output::CASES,
    ioctls::CASES,
    compat::CASES,
    integrity::CASES,
    file_calls::CASES,
    file_flags::CASES,
    vectors::CASES,
    transfer::CASES,
    uring::CASES,
    uring_wait::CASES,
    uring_poll::CASES,
    uring_open::CASES,
    module::CASES,
];

/// The cases that test the runner.
pub fn selftest() -> impl Iterator<Item = &'static Case> {
    selftest::CASES.iter()
}

/// Every case, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().copied().flatten()
}

/// open(2) of an instance's ptmx.
fn try_ptmx(fs: &Fs) -> nix::Result<std::os::fd::OwnedFd> {
    crate::fixture::mount::open_at(&fs.join("ptmx"), OFlag::O_RDWR | OFlag::O_NOCTTY)
}
