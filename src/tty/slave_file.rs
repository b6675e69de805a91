// SPDX-License-Identifier: GPL-2.0

//! The files of slaves: the tty core's `file_operations` with another `read_iter`.
//!
//! It differs in two things: what waits in the flip buffer is delivered by the reader, who would else wait for a kworker to
//! do it; and the line discipline is asked for more than 64 bytes at a time. (`write_iter` must be the core's: that is how a
//! hangup knows the files that it must disconnect, for good.)
//!
//! C source: [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c)

use super::{
    file::{CoreFops, Table},
    iter::Destination,
    ldisc::Ldisc,
    port::Port,
    tty_struct::{Flag, Tty},
};
use crate::bindings;
use core::{
    mem::MaybeUninit,
    ptr::{self, NonNull},
};
use kernel::{
    prelude::*,
    sync::{atomic::ordering::Relaxed, SetOnce},
};

/// How many bytes are read at a time.
const BUFFER: usize = 256;
/// How many the tty core reads at a time.
const CORE_BUFFER: usize = 64;

static FOPS: SetOnce<Table> = SetOnce::new();

/// The file operations of slaves.
///
/// # Errors
///
/// `ENXIO`, which cannot be.
pub(super) fn fops(core: CoreFops) -> Result<&'static bindings::file_operations> {
    FOPS.populate(Table(bindings::file_operations {
        read_iter: Some(read_iter),
        ..*core.0
    }));
    FOPS.as_ref().map(|table| &table.0).ok_or(ENXIO)
}

/// Follows `tty_read()`.
///
/// # Safety
///
/// Called by `vfs_read()` and others on an open file of a slave; `iocb` and `to` are valid for the call.
unsafe extern "C" fn read_iter(iocb: *mut bindings::kiocb, to: *mut bindings::iov_iter) -> isize {
    // SAFETY: The file is open, on a terminal that is not released before it is closed.
    let (file, tty) = unsafe {
        let file = (*iocb).ki_filp;
        let private = (*file).private_data.cast::<bindings::tty_file_private>();
        (file, Tty::from_raw((*private).tty))
    };
    let Some(iter) = NonNull::new(to) else {
        return 0;
    };
    if tty.test(Flag::IoError) {
        return EIO.to_errno() as isize;
    }
    let Some(ldisc) = Ldisc::get_wait(tty) else {
        // Hung up: the end of the file.
        return 0;
    };
    let Some(read) = ldisc.ops().read else {
        return EIO.to_errno() as isize;
    };
    // SAFETY: A slave's port is one of ours, and lives as long as the slave.
    let port = unsafe { Port::of_slave(tty) };
    // Where the last reader left something, there is no room to speak of.
    if port.may_be_queued() && port.drained.load(Relaxed) != 0 {
        port.deliver(&ldisc);
    }
    // SAFETY: The caller's iterator.
    let mut to = unsafe { Destination::from_raw(iter) };
    let asked = to.len();
    // SAFETY: The file is open for the call, and `read` is the attached line discipline's.
    let result = unsafe { iterate(tty, file, read, &mut to) };
    drop(ldisc);
    if result > 0 {
        // Lines come one at a time, however many there are.
        let all = result.unsigned_abs() < asked && !tty.reads_lines();
        port.drained.store(all.into(), Relaxed);
        if all {
            if let Some(master) = tty.link() {
                master.trim_write_buffer();
            }
        }
        tty.update_atime();
    }
    result
}

/// `read` of a line discipline.
type Read = unsafe extern "C" fn(
    *mut bindings::tty_struct,
    *mut bindings::file,
    *mut u8,
    usize,
    *mut *mut c_void,
    c_ulong,
) -> isize;

/// Follows `iterate_tty_read()`.
///
/// # Safety
///
/// `file` is open on `tty`, and `read` is of its line discipline, which stays attached.
unsafe fn iterate(
    tty: &Tty,
    file: *mut bindings::file,
    read: Read,
    to: &mut Destination<'_>,
) -> isize {
    let mut buffer = MaybeUninit::<[u8; BUFFER]>::uninit();
    let data = buffer.as_mut_ptr().cast::<u8>();
    let mut cookie: *mut c_void = ptr::null_mut();
    let mut left = to.len();
    let mut done = 0usize;
    let mut used = 0usize;
    let mut result = 0isize;
    // Who asks for more than the core reads at a time gets no more, as there.
    let most = if tty.min_chars() > CORE_BUFFER {
        CORE_BUFFER
    } else {
        BUFFER
    };
    loop {
        // SAFETY: The buffer has room for as much; the rest is the caller's promise.
        let n = unsafe {
            read(
                tty.as_ptr(),
                file,
                data,
                left.min(most),
                &mut cookie,
                done as c_ulong,
            )
        };
        let Ok(size) = usize::try_from(n) else {
            if result == 0 {
                result = n;
                if n == EOVERFLOW.to_errno() as isize {
                    // A packet that does not fit is not there in part.
                    done = 0;
                }
            }
            break;
        };
        if size == 0 {
            break;
        }
        let size = size.min(BUFFER);
        used = used.max(size);
        // SAFETY: The line discipline has written that many.
        let copied = to.copy(unsafe { core::slice::from_raw_parts(data, size) });
        done = done.saturating_add(copied);
        left = left.saturating_sub(copied);
        if copied < size {
            // One more call lets the line discipline end what it began.
            left = 0;
            result = EFAULT.to_errno() as isize;
        }
        if cookie.is_null() {
            break;
        }
    }
    // It may have been a password.
    // SAFETY: Within the buffer. Volatile in effect: the function is external.
    unsafe { bindings::rdevpts_memzero_explicit(data.cast(), used) };
    if done > 0 {
        done as isize
    } else {
        result
    }
}
