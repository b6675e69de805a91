// SPDX-License-Identifier: GPL-2.0

//! The line discipline of a master, in place of `N_TTY`: raw, and without buffers of its own.
//!
//! Input, which is the slave's output, is taken from the [`Channel`](super::channel::Channel) by the file's `read_iter`; see
//! `master_read.rs`. Output goes to the slave's line discipline at once where that is possible; see `feed.rs`. What
//! is here keeps the rest as a raw `N_TTY` has it: `poll(2)`, `FIONREAD`, flushing, waiting for room, `SIGIO`.
//!
//! C source: [`drivers/tty/n_tty.c`](srctree/drivers/tty/n_tty.c)

use super::{
    end::End,
    master_write,
    operations::Master,
    tty_struct::{Flag, Tty},
};
use crate::{
    bindings,
    model::channel::{Column, SETTLED},
};
use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{error::from_result, prelude::*};

/// `struct tty_ldisc_ops` of the masters of a driver.
pub(super) struct MasterLdisc<M: Master>(PhantomData<M>);

impl<M: Master> MasterLdisc<M> {
    pub(super) const OPS: &'static bindings::tty_ldisc_ops = &bindings::tty_ldisc_ops {
        name: c"n_tty".to_bytes_with_nul().as_ptr().cast_mut(),
        num: bindings::N_TTY as c_int,
        open: Some(Self::open),
        close: Some(Self::close),
        flush_buffer: Some(Self::flush_buffer),
        write: Some(Self::write),
        ioctl: Some(Self::ioctl),
        poll: Some(Self::poll),
        receive_buf: Some(Self::receive_buf),
        write_wakeup: Some(Self::write_wakeup),
        // SAFETY: A table of optional functions and pointers that may be NULL.
        ..unsafe { core::mem::zeroed() }
    };

    /// The master that `tty` is.
    ///
    /// # Safety
    ///
    /// `tty` is a master of the driver, and has the line discipline attached.
    unsafe fn end<'a>(tty: *mut bindings::tty_struct) -> Option<End<'a, M::Pair>> {
        // SAFETY: A line discipline is detached before the terminal is released.
        unsafe { End::from_raw(tty, true) }
    }

    /// # Safety
    ///
    /// Called when the line discipline is attached, once, while the terminal is made; `tty_lock()` is held.
    unsafe extern "C" fn open(tty: *mut bindings::tty_struct) -> c_int {
        // SAFETY: The terminal is live, and nobody else uses it yet.
        unsafe {
            (*tty).closing = false;
            Tty::from_raw(tty).clear(Flag::LdiscHalted);
        }
        0
    }

    /// # Safety
    ///
    /// Called when the line discipline is detached, for good, and none of its other operations is under way.
    unsafe extern "C" fn close(tty: *mut bindings::tty_struct) {
        // SAFETY: The terminal is live. It may be without a slave, when it is only half made.
        let Some(end) = (unsafe { Self::end(tty) }) else {
            return;
        };
        if end.tty().count() == 0 {
            // Closed for good: nobody reads what is left.
            end.channel().flush_input();
        } else {
            end.detach_channel();
        }
    }

    /// # Safety
    ///
    /// Called through an open file, or on hangup.
    unsafe extern "C" fn flush_buffer(tty: *mut bindings::tty_struct) {
        // SAFETY: The line discipline is attached.
        if let Some(end) = unsafe { Self::end(tty) } {
            end.channel().flush_input();
        }
    }

    /// # Safety
    ///
    /// Called by `tty_write()` under `atomic_write_lock`, with `len` readable bytes at `data`.
    unsafe extern "C" fn write(
        tty: *mut bindings::tty_struct,
        file: *mut bindings::file,
        data: *const u8,
        len: usize,
    ) -> isize {
        // SAFETY: The line discipline is attached.
        let Some(end) = (unsafe { Self::end(tty) }) else {
            return EIO.to_errno() as isize;
        };
        let data = if len == 0 {
            // The core may have no buffer.
            &[]
        } else {
            // SAFETY: `len` bytes can be read at `data` for the call.
            unsafe { core::slice::from_raw_parts(data, len) }
        };
        // SAFETY: The file is open, and stays so for the call.
        match unsafe { master_write::write(&end, file, false, data) } {
            Ok(n) => n as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Called by `tty_ioctl()` on an open file; `arg` is the user's.
    unsafe extern "C" fn ioctl(tty: *mut bindings::tty_struct, cmd: c_uint, arg: c_ulong) -> c_int {
        from_result(|| {
            // SAFETY: The line discipline is attached.
            let end = unsafe { Self::end(tty) }.ok_or(EIO)?;
            match cmd {
                // As for the C driver's terminals, which do not say how much they hold.
                bindings::TIOCOUTQ => super::ioctl::put_int(arg, 0)?,
                bindings::FIONREAD => {
                    super::ioctl::put_int(arg, c_int::try_from(end.channel().len())?)?
                }
                // SAFETY: The terminal is open, and the rest is the user's.
                _ => return Ok(unsafe { bindings::n_tty_ioctl_helper(tty, cmd, arg) }),
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by `tty_poll()` on an open file; `table` is NULL or valid for the call.
    unsafe extern "C" fn poll(
        tty: *mut bindings::tty_struct,
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The line discipline is attached.
        let Some(end) = (unsafe { Self::end(tty) }) else {
            return bindings::RDEVPTS_EPOLLHUP;
        };
        // SAFETY: File and table are valid; the queues are the live terminal's.
        unsafe {
            bindings::poll_wait(file, addr_of_mut!((*tty).read_wait), table);
            bindings::poll_wait(file, addr_of_mut!((*tty).write_wait), table);
        }
        let mut mask = 0;
        // Before the data: who closed the other end wrote before that.
        if end.tty().test_acquire(Flag::OtherClosed) || end.tty().is_hung_up() {
            mask |= bindings::RDEVPTS_EPOLLHUP;
        }
        if end.channel().len() > 0 {
            mask |= bindings::RDEVPTS_EPOLLIN | bindings::RDEVPTS_EPOLLRDNORM;
        } else {
            end.link().trim_write_buffer();
            end.wakeup().note_reader();
        }
        if end.tty().packet() && end.link().has_pktstatus() {
            mask |= bindings::RDEVPTS_EPOLLPRI
                | bindings::RDEVPTS_EPOLLIN
                | bindings::RDEVPTS_EPOLLRDNORM;
        }
        if !end.tty().is_write_locked() && M::write_room(&end) > 0 {
            mask |= bindings::RDEVPTS_EPOLLOUT | bindings::RDEVPTS_EPOLLWRNORM;
        }
        mask
    }

    /// `TIOCSTI` on a master: a byte as if the slave had written it. As in C, a line discipline that would be full drops it.
    ///
    /// # Safety
    ///
    /// Called with `len` readable bytes at `data`.
    unsafe extern "C" fn receive_buf(
        tty: *mut bindings::tty_struct,
        data: *const u8,
        _flags: *const u8,
        len: usize,
    ) {
        if len == 0 {
            return;
        }
        // SAFETY: The line discipline is attached; the bytes can be read for the call.
        if let Some(end) = unsafe { Self::end(tty) } {
            // SAFETY: As above.
            let data = unsafe { core::slice::from_raw_parts(data, len) };
            if end.channel().len() >= SETTLED {
                return;
            }
            // At once, though a writer may have its readers wait for the end of what it writes.
            let wake = matches!(
                end.channel().write(data, true, Column::Same),
                Some((_, true))
            );
            if wake || end.channel().flush() {
                end.tty().tell_readers();
            }
        }
    }

    /// # Safety
    ///
    /// Called by `tty_wakeup()`.
    unsafe extern "C" fn write_wakeup(tty: *mut bindings::tty_struct) {
        // SAFETY: The terminal is live.
        let tty = unsafe { Tty::from_raw(tty) };
        tty.clear(Flag::DoWriteWakeup);
        tty.send_sigio_out();
    }
}
