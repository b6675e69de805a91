// SPDX-License-Identifier: GPL-2.0

//! What a terminal's settings (`tty->termios`) say of the way that bytes take. Hints, but under `termios_rwsem`.
//!
//! C header: [`include/uapi/asm-generic/termbits.h`](srctree/include/uapi/asm-generic/termbits.h), manual page `termios(3)`.

use super::tty_struct::Tty;
use crate::{bindings, model::lines};
use core::ptr::{addr_of, addr_of_mut};

/// What input has the line discipline signal the foreground process group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signals {
    /// None does.
    None,
    /// These characters do.
    Chars([u8; 3]),
    /// Any may: characters are mapped to others before they are looked at.
    Any,
}

impl Signals {
    /// Whether some of `input` may.
    pub(super) fn contains_any(self, input: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Chars(chars) => lines::contains_any(input, chars),
            Self::Any => true,
        }
    }
}

impl Tty {
    fn c_iflag(&self) -> bindings::tcflag_t {
        // SAFETY: The object is live; a racing read of an aligned word.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).termios.c_iflag)) }
    }

    fn c_oflag(&self) -> bindings::tcflag_t {
        // SAFETY: The object is live; a racing read of an aligned word.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).termios.c_oflag)) }
    }

    fn c_lflag(&self) -> bindings::tcflag_t {
        // SAFETY: The object is live; a racing read of an aligned word.
        unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).termios.c_lflag)) }
    }

    /// The characters of these indices.
    fn c_cc<const N: usize>(&self, which: [u32; N]) -> [u8; N] {
        // SAFETY: The object is live; a racing read of bytes.
        let c_cc = unsafe { bindings::read_racy(addr_of!((*self.as_ptr()).termios.c_cc)) };
        which.map(|which| c_cc.get(which as usize).copied().unwrap_or(0))
    }

    /// Whether output is processed (`OPOST`).
    pub(super) fn processes_output(&self) -> bool {
        self.c_oflag() & bindings::OPOST != 0
    }

    /// Whether output is processed in no other way than that `\n` becomes `\r\n`.
    pub(super) fn only_maps_newlines(&self) -> bool {
        let c_oflag = self.c_oflag();
        let expands_tabs = c_oflag & bindings::TABDLY == bindings::XTABS;
        let all =
            bindings::OPOST | bindings::ONLCR | bindings::OLCUC | bindings::OCRNL | bindings::ONOCR;
        c_oflag & all == bindings::OPOST | bindings::ONLCR && !expands_tabs
    }

    /// Whether it is in canonical mode.
    pub(super) fn reads_lines(&self) -> bool {
        self.c_lflag() & bindings::ICANON != 0
    }

    /// The input that signals (`ISIG`).
    pub(super) fn signals(&self) -> Signals {
        if self.c_lflag() & bindings::ISIG == 0 {
            Signals::None
        } else if self.c_iflag() & (bindings::ISTRIP | bindings::IUCLC) != 0 {
            Signals::Any
        } else {
            Signals::Chars(self.c_cc([bindings::VINTR, bindings::VQUIT, bindings::VSUSP]))
        }
    }

    /// Whether `termios_rwsem` can be had for reading without waiting.
    pub(super) fn settings_are_free(&self) -> bool {
        // SAFETY: Part of the live object.
        unsafe {
            let rwsem = addr_of_mut!((*self.as_ptr()).termios_rwsem);
            let free = bindings::down_read_trylock(rwsem) != 0;
            if free {
                bindings::up_read(rwsem);
            }
            free
        }
    }

    /// Whether ^S and ^Q control its output (`IXON`).
    pub(super) fn controls_flow(&self) -> bool {
        self.c_iflag() & bindings::IXON != 0
    }

    /// Whether its line discipline echoes (`ECHO`, `ECHONL`).
    pub(super) fn echoes(&self) -> bool {
        self.c_lflag() & (bindings::ECHO | bindings::ECHONL) != 0
    }

    /// `VMIN` of a terminal that does not read lines, else 0.
    pub(super) fn min_chars(&self) -> usize {
        if self.reads_lines() {
            return 0;
        }
        let [min] = self.c_cc([bindings::VMIN]);
        min.into()
    }
}
