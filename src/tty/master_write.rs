// SPDX-License-Identifier: GPL-2.0

//! `write(2)` to a master: what its line discipline does for the tty core, and for who may not wait.
//!
//! C source: [`drivers/tty/n_tty.c`](srctree/drivers/tty/n_tty.c),
//! [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c)

use super::{
    end::End,
    feed,
    iter::Source,
    tty_struct::Flag,
    wait::{signal_pending, Waiter},
};
use crate::bindings;
use kernel::prelude::*;
use pin_init::stack_pin_init;

/// How much [`write_nowait`] copies at a time (bytes).
const PIECE: usize = 4096;

/// Writes to the slave, and waits until all of it is taken, unless the file, or this call (`nowait`), does not wait:
/// `n_tty_write()` of a raw terminal. Under `atomic_write_lock`.
///
/// # Errors
///
/// `EIO` where the slave is closed, or this end was hung up; `EAGAIN`, `ERESTARTSYS`.
///
/// # Safety
///
/// `file` is open on this end, and stays so for the call.
pub(super) unsafe fn write<P: 'static>(
    end: &End<'_, P>,
    file: *mut bindings::file,
    nowait: bool,
    data: &[u8],
) -> Result<usize> {
    let tty = end.tty();
    let mut rest = data;
    // Another thread may change it while this one sleeps.
    // SAFETY: The file is valid.
    let may_wait = || !nowait && !unsafe { tty.is_nonblocking(file) };
    let attempt = |rest: &mut &[u8]| -> Option<Error> {
        // Who does not sleep is not woken: what pends may be io_uring's own.
        if !nowait && signal_pending() {
            return Some(ERESTARTSYS);
        }
        if tty.is_hung_up() || end.link().count() == 0 {
            return Some(EIO);
        }
        if !rest.is_empty() && !tty.stopped() {
            *rest = feed::feed(end, rest, may_wait());
        }
        if rest.is_empty() {
            // No error: done.
            return None;
        }
        (!may_wait()).then_some(EAGAIN)
    };

    let mut error = attempt(&mut rest);
    if error.is_none() && !rest.is_empty() {
        stack_pin_init!(let waiter = Waiter::for_room(tty));
        loop {
            error = attempt(&mut rest);
            if error.is_some() || rest.is_empty() {
                break;
            }
            waiter.as_ref().wait();
        }
    }
    if !rest.is_empty() && tty.has_fasync() {
        tty.set(Flag::DoWriteWakeup);
    }
    let taken = data.len().saturating_sub(rest.len());
    end.count_input(taken);
    match (taken, error) {
        (0, Some(error)) => Err(error),
        (n, _) => Ok(n),
    }
}

/// Writes what there is room for: `iterate_tty_write()` for who may not wait. `room` says how much [`write`] would take.
///
/// # Errors
///
/// `EAGAIN` where there is no room, or another is writing; `EFAULT`, `ENOMEM`; those of [`write`].
///
/// # Safety
///
/// `file` is open on this end, and stays so for the call; its line discipline is the driver's, and is not detached meanwhile.
pub(super) unsafe fn write_nowait<P: 'static>(
    end: &End<'_, P>,
    file: *mut bindings::file,
    room: impl FnOnce() -> u32,
    from: &mut Source<'_>,
) -> Result<usize> {
    // Without the lock, as giving that up would wake others for the same.
    if from.len() > 0 && room() == 0 {
        if end.tty().has_fasync() {
            end.tty().set(Flag::DoWriteWakeup);
        }
        return Err(EAGAIN);
    }
    let _lock = end.tty().try_lock_writing().ok_or(EAGAIN)?;
    let mut buffer = KVec::from_elem(0u8, from.len().min(PIECE), GFP_KERNEL)?;
    let mut done = 0usize;
    let error = loop {
        let size = from.len().min(buffer.len());
        let Some(piece) = buffer.get_mut(..size).filter(|piece| !piece.is_empty()) else {
            break None;
        };
        let copied = from.copy(piece);
        if copied < size {
            from.revert(copied);
            break Some(EFAULT);
        }
        // SAFETY: The caller's promise.
        let written = match unsafe { write(end, file, true, piece) } {
            Ok(written) => written,
            Err(error) => {
                from.revert(size);
                break Some(error);
            }
        };
        done = done.saturating_add(written);
        if written < size {
            from.revert(size.saturating_sub(written));
            break None;
        }
    };
    // It may have been a password.
    buffer.fill(0);
    if done > 0 {
        end.tty().update_mtime();
        return Ok(done);
    }
    error.map_or(Ok(0), Err)
}
