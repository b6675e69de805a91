// SPDX-License-Identifier: GPL-2.0

//! `read(2)` of a master: straight from the [`Channel`](super::channel::Channel), as much as is asked for.
//!
//! Follows `tty_read()` and `n_tty_read()` of a raw terminal in what is returned when.
//!
//! C source: [`drivers/tty/n_tty.c`](srctree/drivers/tty/n_tty.c),
//! [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c)

use super::{
    channel::Reader,
    end::End,
    file::is_nonblock,
    iter::Destination,
    tty_struct::Flag,
    wait::{signal_pending, Waiter},
};
use crate::bindings;
use core::pin::Pin;
use kernel::prelude::*;
use pin_init::stack_pin_init;

/// How a read came out of [`attempt`].
enum Attempt {
    Done(usize),
    /// Nothing is there: sleep.
    Wait,
}

/// Reads into `to`.
///
/// # Errors
///
/// `EIO` where the slave is closed and nothing is left; `EAGAIN`, `ERESTARTSYS`, `EFAULT`.
///
/// # Safety
///
/// `file` is open on this end, and stays so for the call.
pub(super) unsafe fn read<P: 'static>(
    end: &End<'_, P>,
    file: *mut bindings::file,
    nowait: bool,
    to: &mut Destination<'_>,
) -> Result<usize> {
    let channel = end.channel();
    // SAFETY: The file is valid.
    let reader = if nowait || unsafe { is_nonblock(file) } {
        channel.try_lock_reading().ok_or(EAGAIN)?
    } else {
        channel.lock_reading().ok_or(ERESTARTSYS)?
    };
    let max = to.len();
    if max == 0 {
        return Ok(0);
    }
    // One mode for all of a read.
    let packet = end.tty().packet();
    let mut attempt = || -> Result<Attempt> {
        // SAFETY: The caller's promise.
        unsafe { attempt(end, &reader, file, nowait, packet, max, to) }
    };
    if let Attempt::Done(n) = attempt()? {
        return Ok(n);
    }
    end.link().trim_write_buffer();
    stack_pin_init!(let waiter = Waiter::for_input(end.tty()));
    let waiter: Pin<&Waiter<'_>> = waiter.as_ref();
    loop {
        if let Attempt::Done(n) = attempt()? {
            return Ok(n);
        }
        end.wakeup().note_reader();
        waiter.wait();
    }
}

/// Reads what is there.
///
/// # Safety
///
/// As for [`read`].
unsafe fn attempt<P: 'static>(
    end: &End<'_, P>,
    reader: &Reader<'_>,
    file: *mut bindings::file,
    nowait: bool,
    packet: bool,
    max: usize,
    to: &mut Destination<'_>,
) -> Result<Attempt> {
    let (tty, link) = (end.tty(), end.link());
    if packet && link.has_pktstatus() {
        let status = link.ctrl().take_pktstatus();
        if to.copy(&[status]) == 0 {
            link.ctrl().update_pktstatus(0, status.into());
            return Err(EFAULT);
        }
        return Ok(Attempt::Done(1));
    }
    // Before the data: who closed the other end wrote before that.
    let closed = tty.test_acquire(Flag::OtherClosed);
    let header = usize::from(packet);
    let mut copied = 0usize;
    let mut found = false;
    if packet && max == 1 {
        // Room for the status alone.
        if end.channel().len() > 0 {
            found = true;
            copied = to.copy(&[bindings::TIOCPKT_DATA as u8]);
        }
    } else {
        let (n, consumed) = reader.read(max.saturating_sub(header), |bytes| {
            if packet && !found && to.copy(&[bindings::TIOCPKT_DATA as u8]) == 0 {
                found = true;
                return 0;
            }
            found = true;
            to.copy(bytes)
        });
        if found && consumed.wake_writers {
            link.wakeup_writers();
        }
        if n > 0 {
            copied = n.saturating_add(header);
        }
    }
    if copied > 0 {
        return Ok(Attempt::Done(copied));
    }
    if found {
        return Err(EFAULT);
    }
    if closed {
        return Err(EIO);
    }
    if tty.is_hung_up() {
        return Ok(Attempt::Done(0));
    }
    // Another thread may have changed it while this one slept.
    // SAFETY: The file is valid.
    if nowait || unsafe { tty.is_nonblocking(file) } {
        return Err(EAGAIN);
    }
    if signal_pending() {
        return Err(ERESTARTSYS);
    }
    Ok(Attempt::Wait)
}
