// SPDX-License-Identifier: GPL-2.0

//! Terminal settings, `struct ktermios`.
//!
//! C header: [`include/linux/termios_internal.h`](srctree/include/linux/termios_internal.h), manual page `termios(3)`.

use crate::bindings;

/// The settings of one terminal.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Termios(bindings::ktermios);

impl Termios {
    /// `tty_std_termios`: what a terminal starts with unless its driver says otherwise.
    pub(crate) fn standard() -> Self {
        // SAFETY: The object is a constant in all but name: initialised statically and never written.
        Self(unsafe { bindings::tty_std_termios })
    }

    /// The standard settings with `c_cflag` set to 8 bits, receiver on, at 38400 baud, as ptys have them.
    pub(crate) fn pty() -> Self {
        let mut termios = Self::standard();
        termios.0.c_cflag = bindings::B38400 | bindings::CS8 | bindings::CREAD;
        termios.0.c_ispeed = 38400;
        termios.0.c_ospeed = 38400;
        termios
    }

    /// Like [`pty`](Self::pty), with no processing of input or output at all: a pty master's.
    pub(crate) fn pty_raw() -> Self {
        let mut termios = Self::pty();
        termios.0.c_iflag = 0;
        termios.0.c_oflag = 0;
        termios.0.c_lflag = 0;
        termios
    }

    /// Borrows a C object.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for reads, and not be written, for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::ktermios) -> &'a Self {
        // SAFETY: A transparent wrapper; the rest is the caller's promise.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    pub(super) fn as_raw(&self) -> &bindings::ktermios {
        &self.0
    }

    /// Whether `EXTPROC` is set in `c_lflag`: line editing is left to the master's program.
    pub(crate) fn extproc(&self) -> bool {
        self.0.c_lflag & bindings::EXTPROC != 0
    }

    /// Whether ^S and ^Q control output: `IXON` with the standard characters, what packet mode's `TIOCPKT_DOSTOP` says.
    pub(crate) fn standard_flow_control(&self) -> bool {
        self.0.c_iflag & bindings::IXON != 0
            && self.cc(bindings::VSTOP) == 0o23
            && self.cc(bindings::VSTART) == 0o21
    }

    /// Makes `c_cflag`, the only part that a driver can change, what a pty can do: 8 bits, no parity, receiver on.
    pub(crate) fn force_8bit(&mut self) {
        self.0.c_cflag &= !(bindings::CSIZE | bindings::PARENB);
        self.0.c_cflag |= bindings::CS8 | bindings::CREAD;
    }

    /// The special character at `which` (`VSTOP` and so on).
    fn cc(&self, which: u32) -> u8 {
        self.0.c_cc.get(which as usize).copied().unwrap_or(0)
    }
}
