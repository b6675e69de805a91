// SPDX-License-Identifier: GPL-2.0

//! The line discipline of a slave: `N_TTY`, with a `write` that knows where the output goes, and that is told of input.
//!
//! `N_TTY` passes processed output on in lines, and each newline for itself. Where processing means no more than to make
//! `\n` into `\r\n`, whole lines go to the [`Channel`](super::channel::Channel) at once, as long as the column that `N_TTY`
//! counts for tabs is 0, which whole lines do not change: that is so when the last that it put out was a newline. What is after
//! the last newline, the first line after a prompt or an echo, and a line above 8 KiB, it gets to see. While it has input, which
//! it may echo, lines leave room for that.
//!
//! C source: [`drivers/tty/n_tty.c`](srctree/drivers/tty/n_tty.c)

use super::{
    channel::Echoing,
    end::End,
    ldisc::{self, NTty},
    operations::Slave,
    tty_struct::Flag,
};
use crate::{bindings, model::lines};
use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::prelude::*;

/// When there is no room, or a line is longer, `N_TTY` gets so much of the output at most, and waits for room.
const STEP: usize = super::channel::PIECE;
/// A text of so many bytes that cannot begin with whole lines goes to `N_TTY` in one piece, as every text on C: it tells the
/// master of each piece, whose reader, or a signal, could come between the first and the next.
const ONE_PIECE: usize = 2048;

/// `write` of an `N_TTY`.
type Write =
    unsafe extern "C" fn(*mut bindings::tty_struct, *mut bindings::file, *const u8, usize) -> isize;

/// `struct tty_ldisc_ops` of the slaves of a driver.
pub(super) struct SlaveLdisc<S: Slave>(PhantomData<S>);

impl<S: Slave> SlaveLdisc<S> {
    /// The table.
    pub(super) fn ops() -> bindings::tty_ldisc_ops {
        bindings::tty_ldisc_ops {
            write: Some(Self::write),
            receive_buf: Some(Self::receive_buf),
            receive_buf2: Some(Self::receive_buf2),
            lookahead_buf: Some(Self::lookahead_buf),
            ..ldisc::inherit()
        }
    }

    /// Has `receive` hand input to `N_TTY`, which may echo it. Changes of the settings, after which it may echo as well, are kept
    /// apart from writers by `termios_rwsem`.
    ///
    /// # Safety
    ///
    /// `tty` is a slave of the driver with the line discipline attached, and the buffer lock of its port is held.
    unsafe fn with_input<R: Default>(
        tty: *mut bindings::tty_struct,
        receive: impl FnOnce(&NTty) -> Option<R>,
    ) -> R {
        // SAFETY: A line discipline is detached before the terminal is released.
        let end = unsafe { End::<S::Pair>::from_raw(tty, false) };
        let _echoing: Option<Echoing<'_>> = end.as_ref().map(|end| end.channel().echoing());
        ldisc::n_tty().and_then(receive).unwrap_or_default()
    }

    /// # Safety
    ///
    /// Called with `len` readable bytes at `data` and as many flags, or NULL, under the buffer lock of the port (`TIOCSTI`).
    unsafe extern "C" fn receive_buf(
        tty: *mut bindings::tty_struct,
        data: *const u8,
        flags: *const u8,
        len: usize,
    ) {
        // SAFETY: The caller's arguments.
        unsafe {
            Self::with_input(tty, |n_tty| {
                n_tty.ops.receive_buf.map(|f| f(tty, data, flags, len))
            })
        }
    }

    /// # Safety
    ///
    /// As for [`receive_buf`](Self::receive_buf) (`tty_ldisc_receive_buf()`).
    unsafe extern "C" fn receive_buf2(
        tty: *mut bindings::tty_struct,
        data: *const u8,
        flags: *const u8,
        len: usize,
    ) -> usize {
        // SAFETY: The caller's arguments.
        unsafe {
            Self::with_input(tty, |n_tty| {
                n_tty.ops.receive_buf2.map(|f| f(tty, data, flags, len))
            })
        }
    }

    /// # Safety
    ///
    /// As for [`receive_buf`](Self::receive_buf) (`lookahead_bufs()`).
    unsafe extern "C" fn lookahead_buf(
        tty: *mut bindings::tty_struct,
        data: *const u8,
        flags: *const u8,
        len: usize,
    ) {
        // SAFETY: The caller's arguments.
        unsafe {
            Self::with_input(tty, |n_tty| {
                n_tty.ops.lookahead_buf.map(|f| f(tty, data, flags, len))
            })
        }
    }

    /// # Safety
    ///
    /// Called by `tty_write()` under `atomic_write_lock` on an open file, with `len` readable bytes at `data`.
    unsafe extern "C" fn write(
        tty: *mut bindings::tty_struct,
        file: *mut bindings::file,
        data: *const u8,
        len: usize,
    ) -> isize {
        let Some(n_tty) = ldisc::n_tty().and_then(|n_tty| n_tty.ops.write) else {
            return EIO.to_errno() as isize;
        };
        // SAFETY: A line discipline is detached before the terminal is released.
        let end = unsafe { End::<S::Pair>::from_raw(tty, false) };
        let Some(end) = end.filter(|end| len > 0 && end.channel().is_attached()) else {
            // SAFETY: The caller's arguments.
            return unsafe { n_tty(tty, file, data, len) };
        };
        let batch = match end.channel().batch(len) {
            Ok(batch) => batch,
            Err(wake) => {
                if wake {
                    end.tell_master(0);
                }
                return ENOMEM.to_errno() as isize;
            }
        };
        // SAFETY: `len` bytes can be read at `data` for the call; the core's buffer is never NULL.
        let text = unsafe { core::slice::from_raw_parts(data, len) };
        // SAFETY: The file is open for the call.
        let result = unsafe { write::<S>(&end, file, text, n_tty) };
        if batch.end() {
            end.tell_master(len);
        }
        // `N_TTY` asks for a wake-up after its last look. A reader who has taken all of it in between saw nobody who asked, and
        // may be the last to come: see `Tty::wakeup_writers`.
        if end.tty().test(Flag::DoWriteWakeup) && S::write_room(&end) > 0 {
            end.tty().wakeup();
        }
        result
    }
}

/// Writes `text` in lines as far as that is possible, and the rest by `n_tty`.
///
/// # Safety
///
/// `file` is open on this end, and stays so for the call; `n_tty` is that of the line discipline.
unsafe fn write<S: Slave>(
    end: &End<'_, S::Pair>,
    file: *mut bindings::file,
    text: &[u8],
    n_tty: Write,
) -> isize {
    let tty = end.tty().as_ptr();
    // SAFETY: The caller's promise.
    let n_tty = |text: &[u8]| unsafe { n_tty(tty, file, text.as_ptr(), text.len()) };
    let lines = match lines::last_newline(text) {
        Some(last) if end.tty().only_maps_newlines() => text.get(..=last).unwrap_or(text),
        _ => return n_tty(text),
    };
    // Job control, signals, echo that waits, hangup: nothing is written yet.
    let refused = n_tty(&[]);
    if refused < 0 {
        return refused;
    }
    let mut done = 0usize;
    loop {
        let rest = lines.get(done..).unwrap_or(&[]);
        done = done.saturating_add(write_lines::<S>(end, rest));
        if done == 0 && text.len() <= ONE_PIECE {
            return n_tty(text);
        }
        // What N_TTY must see, or wait for room with: a line, or a part of one, if lines are left; else all that is.
        let rest = match lines.get(done..) {
            Some(rest) if !rest.is_empty() => {
                let step = rest.get(..STEP).unwrap_or(rest);
                lines::first_newline(step).map_or(step, |end| step.get(..=end).unwrap_or(step))
            }
            _ => text.get(done..).unwrap_or(&[]),
        };
        if rest.is_empty() {
            return done as isize;
        }
        // It tells the master before it waits for room, but not before it waits for who changes the settings.
        if !end.tty().settings_are_free() {
            end.flush_chars();
        }
        let result = n_tty(rest);
        match usize::try_from(result) {
            Ok(n) => {
                done = done.saturating_add(n);
                if n < rest.len() {
                    return done as isize;
                }
            }
            Err(_) if done > 0 => return done as isize,
            Err(_) => return result,
        }
    }
}

/// Puts lines into the channel, as far as that is possible.
fn write_lines<S: Slave>(end: &End<'_, S::Pair>, lines: &[u8]) -> usize {
    if lines.is_empty() {
        return 0;
    }
    let tty = end.tty();
    // SAFETY: Part of the live terminal. `N_TTY` takes it in the same place.
    let rwsem = unsafe { addr_of_mut!((*tty.as_ptr()).termios_rwsem) };
    // SAFETY: As above.
    unsafe { bindings::down_read(rwsem) };
    let (taken, wake) = if tty.only_maps_newlines() && !tty.stopped() {
        end.channel().write_lines(lines)
    } else {
        (0, false)
    };
    // SAFETY: Taken above.
    unsafe { bindings::up_read(rwsem) };
    if wake {
        // There was no room for all of it.
        end.tell_master(usize::MAX);
    }
    taken
}
