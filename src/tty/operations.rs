// SPDX-License-Identifier: GPL-2.0

//! What a pty driver does at each end, and the `struct tty_operations` made from it.
//!
//! C header: [`include/linux/tty_driver.h`](srctree/include/linux/tty_driver.h)

use super::{
    end::End,
    ends::Ends,
    file::{Opened, OpeningFile},
    ldisc,
    master_file::FopsCell,
    termios::Termios,
    tty_struct::Tty,
};
use crate::bindings;
use core::{marker::PhantomData, ptr::addr_of_mut};
use kernel::{
    error::from_result,
    fs::File,
    prelude::*,
    seq_file::SeqFile,
    sync::{aref::ARef, Arc},
    types::ForeignOwnable,
};

/// The operations of one end. Each is called with the pair live, see [`End`]; what has a body here does what the C driver does.
#[vtable]
pub(crate) trait PtyEnd: 'static {
    /// What the driver keeps for a pair; both ends share it.
    type Pair: Send + Sync + 'static;

    /// A file of this end is being opened; `tty_lock()` is held, and `count` includes it.
    ///
    /// # Errors
    ///
    /// Any; the open fails with it, and `close` is called for the file.
    fn open(end: &End<'_, Self::Pair>) -> Result;

    /// A file of this end is being closed; `tty_lock()` is held, and `count` still includes it. May sleep.
    fn close(end: &End<'_, Self::Pair>);

    /// The pair is gone for user space: gives back what the pair has of the outside, so its index and its mount.
    ///
    /// Called under `tty_mutex`, for one end of the pair or for both; for a pair that failed to be made, too.
    fn remove(pair: &Self::Pair);

    /// Output: takes as many bytes of `data` as fit, and returns how many. Must not sleep; concurrent calls are
    /// possible (the line discipline's echo against a writer).
    fn write(end: &End<'_, Self::Pair>, data: &[u8]) -> usize {
        end.write(data)
    }

    /// Output of one byte, like [`write`](Self::write); `flush_chars` comes after the last. Returns how many were taken.
    fn put_char(end: &End<'_, Self::Pair>, byte: u8) -> usize {
        end.put_char(byte)
    }

    /// Tells those who wait for what [`put_char`](Self::put_char) put.
    fn flush_chars(end: &End<'_, Self::Pair>) {
        end.flush_chars();
    }

    /// How many bytes [`write`](Self::write) would take. Must not sleep.
    fn write_room(end: &End<'_, Self::Pair>) -> u32 {
        end.write_room()
    }

    /// Drops output that the other end has not read. May sleep.
    fn flush_buffer(end: &End<'_, Self::Pair>) {
        end.flush_buffer();
    }

    /// The line discipline has room for input again.
    fn unthrottle(end: &End<'_, Self::Pair>) {
        end.unthrottle();
    }

    /// `ioctl(2)` that the core does not know. `arg` is the user's, an address for most.
    ///
    /// # Errors
    ///
    /// `ENOIOCTLCMD` hands the command on to the line discipline.
    fn ioctl(_end: &End<'_, Self::Pair>, _cmd: u32, _arg: usize) -> Result<c_int> {
        Err(ENOIOCTLCMD)
    }

    /// The settings changed from `old` to `new`, whose `c_cflag` may be corrected; nothing else of it is taken. `termios_rwsem` is
    /// held for writing.
    fn set_termios(_end: &End<'_, Self::Pair>, _old: &Termios, _new: &mut Termios) {}

    /// Output was stopped (`TCOOFF`, ^S). `flow.lock` is held, interrupts are off.
    fn stop(_end: &End<'_, Self::Pair>) {}

    /// Output goes on. `flow.lock` is held, interrupts are off.
    fn start(_end: &End<'_, Self::Pair>) {}

    /// What `/proc/PID/fdinfo/FD` shows beside the standard lines.
    fn show_fdinfo(_end: &End<'_, Self::Pair>, _m: &SeqFile) {}
}

/// The master: its files are made by the driver's own `open`, and may answer some calls before the tty core does.
pub(crate) trait Master: PtyEnd {
    /// Where the file operations of masters are kept: a static of the driver.
    fn fops() -> &'static FopsCell;

    /// A pair that nothing leads to, for the [trial](super::trial) of the tty core.
    fn trial_pair() -> impl PinInit<Self::Pair, Error>;

    /// A file is being opened: make a pair with [`PtyDriver::open`](super::PtyDriver::open). May sleep.
    ///
    /// # Errors
    ///
    /// Any; `open(2)` fails with it.
    fn open_file(file: OpeningFile<'_>) -> Result<Opened<'_, Self::Pair>>;

    /// The last reference to a file is gone; the tty core closes the end after this. No lock is held. May sleep.
    fn release_file(end: &End<'_, Self::Pair>);

    /// An ioctl, before the tty core sees it. `Ok(None)` hands it on to the core. No lock is held.
    ///
    /// # Errors
    ///
    /// Any; `ioctl(2)` fails with it.
    fn file_ioctl(
        end: &End<'_, Self::Pair>,
        file: &File,
        cmd: u32,
        arg: usize,
    ) -> Result<Option<c_long>>;
}

/// The slave: an open file leads to it through a node.
pub(crate) trait Slave: PtyEnd {
    /// The terminal that `file`, just being opened, stands for. `tty_mutex` is held.
    ///
    /// # Errors
    ///
    /// `EIO` where there is none (any more).
    fn lookup(file: &File) -> Result<ARef<Tty>>;

    /// A file is being opened through a node with [`slave_fops`](super::slave_fops): open it with
    /// [`PtyDriver::open_slave`](super::PtyDriver::open_slave). May sleep.
    ///
    /// # Errors
    ///
    /// Any; `open(2)` fails with it.
    fn open_file(file: OpeningFile<'_>) -> Result;
}

/// `struct tty_operations` of an end. The parts that depend on which end it is come from [`super::pair`].
pub(super) struct Operations<T: PtyEnd, const IS_MASTER: bool>(PhantomData<T>);

impl<T: PtyEnd, const IS_MASTER: bool> Operations<T, IS_MASTER> {
    /// The table, without `lookup`, `install` and, for a master, `open`.
    pub(super) const TABLE: bindings::tty_operations = bindings::tty_operations {
        remove: Some(Self::remove),
        cleanup: Some(Self::cleanup),
        open: Some(Self::open),
        close: Some(Self::close),
        write: Some(Self::write),
        put_char: Some(Self::put_char),
        flush_chars: Some(Self::flush_chars),
        write_room: Some(Self::write_room),
        flush_buffer: Some(Self::flush_buffer),
        unthrottle: Some(Self::unthrottle),
        ioctl: if T::HAS_IOCTL {
            Some(Self::ioctl)
        } else {
            None
        },
        compat_ioctl: if T::HAS_IOCTL && cfg!(CONFIG_COMPAT) {
            Some(Self::compat_ioctl)
        } else {
            None
        },
        set_termios: if T::HAS_SET_TERMIOS {
            Some(Self::set_termios)
        } else {
            None
        },
        stop: if T::HAS_STOP { Some(Self::stop) } else { None },
        start: if T::HAS_START {
            Some(Self::start)
        } else {
            None
        },
        show_fdinfo: if T::HAS_SHOW_FDINFO {
            Some(Self::show_fdinfo)
        } else {
            None
        },
        // SAFETY: A table of optional functions and nothing else: all zeroes is all `None`.
        ..unsafe { core::mem::zeroed() }
    };

    /// Runs `f` on the end that `tty` is; `default` where it has no other end (yet).
    ///
    /// # Safety
    ///
    /// As for [`End::from_raw`], for the length of the call.
    unsafe fn with<R>(
        tty: *mut bindings::tty_struct,
        default: R,
        f: impl FnOnce(&End<'_, T::Pair>) -> R,
    ) -> R {
        // SAFETY: The caller's promise.
        match unsafe { End::from_raw(tty, IS_MASTER) } {
            Some(end) => f(&end),
            None => default,
        }
    }

    /// # Safety
    ///
    /// Called by `release_tty()` under `tty_mutex`, on a tty that `install` succeeded for.
    unsafe extern "C" fn remove(_: *mut bindings::tty_driver, tty: *mut bindings::tty_struct) {
        // SAFETY: `driver_data` carries an `Arc<Ends<_>>` since `install`, until `cleanup`.
        let ends = unsafe { Arc::<Ends<T::Pair>>::borrow((*tty).driver_data) };
        T::remove(ends.pair());
    }

    /// # Safety
    ///
    /// Called by `release_one_tty()` when the last reference to the tty is gone.
    unsafe extern "C" fn cleanup(tty: *mut bindings::tty_struct) {
        // SAFETY: Nobody uses the tty after this but the core, to free it. `driver_data` as below.
        unsafe {
            ldisc::abandon(tty);
            if IS_MASTER {
                Arc::<Ends<T::Pair>>::borrow((*tty).driver_data)
                    .wakeup()
                    .cancel();
            }
        }
        // SAFETY: `driver_data` carries an `Arc<Ends<_>>` since `install`; nobody uses the tty after this. The port,
        // which is part of `Ends`, goes with the last of the two.
        drop(unsafe { Arc::<Ends<T::Pair>>::from_foreign((*tty).driver_data) });
    }

    /// # Safety
    ///
    /// Called by `tty_open()`, with `tty_lock()` held, on a tty that `file` has been added to.
    pub(super) unsafe extern "C" fn open(
        tty: *mut bindings::tty_struct,
        _: *mut bindings::file,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The tty is open, so not released.
            let end = unsafe { End::from_raw(tty, IS_MASTER) }.ok_or(EIO)?;
            T::open(&end).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// Called by `tty_release()`, with `tty_lock()` held, before it counts the file out.
    unsafe extern "C" fn close(tty: *mut bindings::tty_struct, _: *mut bindings::file) {
        // SAFETY: The tty is open, so not released.
        unsafe { Self::with(tty, (), T::close) };
    }

    /// # Safety
    ///
    /// Called by a line discipline that is attached to the tty, with `len` readable bytes at `data`.
    unsafe extern "C" fn write(
        tty: *mut bindings::tty_struct,
        data: *const u8,
        len: usize,
    ) -> isize {
        if len == 0 {
            return 0;
        }
        // SAFETY: `len` bytes can be read at `data`, which is not NULL as `len` is not 0, for the call.
        let data = unsafe { core::slice::from_raw_parts(data, len) };
        // SAFETY: A line discipline is detached before the tty is released. No more than `len` <= isize::MAX is taken.
        unsafe { Self::with(tty, 0, |end| T::write(end, data) as isize) }
    }

    /// # Safety
    ///
    /// Called by a line discipline that is attached to the tty.
    unsafe extern "C" fn put_char(tty: *mut bindings::tty_struct, byte: u8) -> c_int {
        // SAFETY: A line discipline is detached before the tty is released.
        unsafe { Self::with(tty, 0, |end| T::put_char(end, byte) as c_int) }
    }

    /// # Safety
    ///
    /// Called by a line discipline that is attached to the tty.
    unsafe extern "C" fn flush_chars(tty: *mut bindings::tty_struct) {
        // SAFETY: A line discipline is detached before the tty is released.
        unsafe { Self::with(tty, (), T::flush_chars) };
    }

    /// # Safety
    ///
    /// Called through an open file or an attached line discipline.
    unsafe extern "C" fn write_room(tty: *mut bindings::tty_struct) -> c_uint {
        // SAFETY: The tty is not released while it has a file or a line discipline.
        unsafe { Self::with(tty, 0, T::write_room) }
    }

    /// # Safety
    ///
    /// Called through an open file, or on hangup under `tty_lock()`; may sleep.
    unsafe extern "C" fn flush_buffer(tty: *mut bindings::tty_struct) {
        // SAFETY: The tty is not released while it has a file, or its lock is held by a hangup.
        unsafe { Self::with(tty, (), T::flush_buffer) };
    }

    /// # Safety
    ///
    /// Called by an attached line discipline.
    unsafe extern "C" fn unthrottle(tty: *mut bindings::tty_struct) {
        // SAFETY: A line discipline is detached before the tty is released.
        unsafe { Self::with(tty, (), T::unthrottle) };
    }

    /// # Safety
    ///
    /// Called by `tty_ioctl()` on an open file; `arg` is the user's.
    unsafe extern "C" fn ioctl(tty: *mut bindings::tty_struct, cmd: c_uint, arg: c_ulong) -> c_int {
        // SAFETY: The tty is open, so not released.
        let result = unsafe { Self::with(tty, Err(EIO), |end| T::ioctl(end, cmd, arg)) };
        from_result(|| result)
    }

    /// # Safety
    ///
    /// Called by `tty_compat_ioctl()` on an open file; `arg` is the user's, not yet widened by `compat_ptr()`.
    unsafe extern "C" fn compat_ioctl(
        tty: *mut bindings::tty_struct,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // A 32-bit address or int; `compat_ptr()` of the architectures that Rust for Linux has is this truncation.
        let arg = arg & 0xffff_ffff;
        // SAFETY: The tty is open, so not released.
        let result = unsafe { Self::with(tty, Err(EIO), |end| T::ioctl(end, cmd, arg)) };
        from_result(|| result.map(|value| value as c_long))
    }

    /// # Safety
    ///
    /// Called by `tty_set_termios()` with `termios_rwsem` held for writing; `old` is valid for the call.
    unsafe extern "C" fn set_termios(
        tty: *mut bindings::tty_struct,
        old: *const bindings::ktermios,
    ) {
        // SAFETY: `old` is the caller's copy of the settings before the change.
        let old = unsafe { Termios::from_raw(old) };
        // SAFETY: The tty is live; nobody else writes its settings under the write lock.
        let settings = unsafe { addr_of_mut!((*tty).termios) };
        // SAFETY: As above. A copy, since others may read them meanwhile: see `settings.rs`.
        let mut new = *unsafe { Termios::from_raw(settings) };
        // SAFETY: The tty has an open file or an attached line discipline, so is not released.
        unsafe { Self::with(tty, (), |end| T::set_termios(end, old, &mut new)) };
        // SAFETY: As above.
        unsafe { addr_of_mut!((*settings).c_cflag).write_volatile(new.as_raw().c_cflag) };
    }

    /// # Safety
    ///
    /// Called by `__stop_tty()` with `flow.lock` held.
    unsafe extern "C" fn stop(tty: *mut bindings::tty_struct) {
        // SAFETY: The tty has an open file or an attached line discipline, so is not released.
        unsafe { Self::with(tty, (), T::stop) };
    }

    /// # Safety
    ///
    /// Called by `__start_tty()` with `flow.lock` held.
    unsafe extern "C" fn start(tty: *mut bindings::tty_struct) {
        // SAFETY: The tty has an open file or an attached line discipline, so is not released.
        unsafe { Self::with(tty, (), T::start) };
    }

    /// # Safety
    ///
    /// Called by `tty_show_fdinfo()` on an open file; `m` is valid for the call.
    unsafe extern "C" fn show_fdinfo(tty: *mut bindings::tty_struct, m: *mut bindings::seq_file) {
        // SAFETY: `m` is the caller's, and used by this thread alone.
        let m = unsafe { SeqFile::from_raw(m) };
        // SAFETY: The tty is open, so not released.
        unsafe { Self::with(tty, (), |end| T::show_fdinfo(end, m)) };
    }
}
