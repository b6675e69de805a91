// SPDX-License-Identifier: GPL-2.0

//! What both ends of a pty do alike.
//!
//! C source: [`drivers/tty/pty.c`](srctree/drivers/tty/pty.c)

use crate::{
    bindings::TIOCPKT_FLUSHWRITE,
    pair::Pair,
    tty::{End, Flag},
};
use kernel::prelude::*;

/// Opens an end, if it `may` be. Under its `tty_lock()`.
///
/// # Errors
///
/// `EIO` where it may not, or the other end is closed.
pub(crate) fn open(end: &End<'_, Pair>, may: bool) -> Result {
    let (tty, link) = (end.tty(), end.link());
    if !may || tty.test(Flag::OtherClosed) {
        tty.set(Flag::IoError);
        return Err(EIO);
    }
    tty.clear(Flag::IoError);
    link.clear(Flag::OtherClosed);
    // Always set, so that the line discipline calls `unthrottle` whenever it has read.
    tty.set(Flag::Throttled);
    Ok(())
}

/// Closes an end for good, or until it is opened again: tells those who wait at either end. Under its `tty_lock()`.
pub(crate) fn close(end: &End<'_, Pair>) {
    let (tty, link) = (end.tty(), end.link());
    tty.set(Flag::IoError);
    tty.wake_readers();
    tty.wake_writers();
    tty.ctrl().disable_packet();
    link.set_release(Flag::OtherClosed);
    link.wake_readers();
    link.wake_writers();
}

/// Hands output to the other end's input, as far as it has room.
pub(crate) fn write(end: &End<'_, Pair>, data: &[u8]) -> usize {
    if end.tty().stopped() {
        end.lose_column();
        // Who is stopped may wait, with lines that nobody has been told of.
        end.flush_chars();
        return 0;
    }
    end.send(data)
}

/// [`write`] of one byte, which [`End::flush_chars`] tells of.
pub(crate) fn put_char(end: &End<'_, Pair>, byte: u8) -> usize {
    if end.tty().stopped() {
        end.lose_column();
        return 0;
    }
    end.put_char(byte)
}

/// How much [`write`] takes.
pub(crate) fn write_room(end: &End<'_, Pair>) -> u32 {
    if end.tty().stopped() {
        return 0;
    }
    end.send_room()
}

/// Drops what the other end has not got yet, and tells a master in packet mode.
pub(crate) fn flush_buffer(end: &End<'_, Pair>) {
    end.discard_sent();
    if end.link().packet() {
        let mut ctrl = end.tty().ctrl();
        ctrl.update_pktstatus(0, TIOCPKT_FLUSHWRITE);
        end.link().wake_readers();
    }
}

/// The line discipline has read: the other end may write again.
pub(crate) fn unthrottle(end: &End<'_, Pair>) {
    end.link().wakeup();
    end.tty().set(Flag::Throttled);
}
