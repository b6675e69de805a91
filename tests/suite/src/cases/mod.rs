// SPDX-License-Identifier: GPL-2.0
//! The cases, by theme.

mod eof_drain;
mod hangup;
mod lock;
mod peer;
mod ptmx_open;
mod termios;

use crate::case::Case;

const THEMES: &[&[Case]] =
    &[ptmx_open::CASES, lock::CASES, peer::CASES, termios::CASES, eof_drain::CASES, hangup::CASES];

/// Every case, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().copied().flatten()
}
