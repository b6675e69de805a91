// SPDX-License-Identifier: GPL-2.0

//! The files of masters: the tty core's `file_operations` with some of its entries replaced.
//!
//! Reads and writes that may not wait (`IOCB_NOWAIT`: `RWF_NOWAIT`, io_uring) do not, which a file says that has
//! `FMODE_NOWAIT`; those of the tty core would. A hangup knows the files that it must disconnect by their `write_iter`, the
//! core's. It does not know these, so that each operation looks for itself whether the terminal was hung up, and then does
//! what the core's operations for hung up files do.
//!
//! C source: [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c)

use super::{
    end::master_end,
    file::{CoreFops, OpeningFile, Table},
    iter::{Destination, Source},
    ldisc::{is_adopted, Ldisc},
    master_read, master_write,
    operations::Master,
    tty_struct::Flag,
};
use crate::bindings::{self, FileOps};
use core::{
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{error::from_result, fs::File, prelude::*, sync::SetOnce};

/// The file operations of a driver's masters, in a static of the driver ([`Master::fops`]), so that they are there as long
/// as its code.
pub(crate) struct FopsCell(SetOnce<Table>);

impl FopsCell {
    /// A table that [`PtyDriver::new`](super::PtyDriver::new) fills.
    pub(crate) const fn new() -> Self {
        Self(SetOnce::new())
    }

    /// Fills the table, unless it is.
    pub(super) fn populate<M: Master>(&'static self, core: CoreFops) {
        // A second driver of the same type has the same table.
        self.0.populate(Table(MasterFops::<M>::table(core)));
    }

    /// The operations for the inode of the node that masters are opened through.
    ///
    /// # Errors
    ///
    /// `ENXIO` before [`PtyDriver::new`](super::PtyDriver::new).
    pub(crate) fn get(&'static self) -> Result<FileOps> {
        let table = self.0.as_ref().ok_or(ENXIO)?;
        // SAFETY: Static. `MasterFops` may be called on any inode: they use the file alone.
        Ok(unsafe { FileOps::new(NonNull::from(&table.0)) })
    }
}

/// `struct file_operations` for the node that masters are opened through.
pub(super) struct MasterFops<M: Master>(PhantomData<M>);

impl<M: Master> MasterFops<M> {
    /// The core's table with what a master replaces. Needs no `owner`: a file pins its mount, and that pins the module.
    pub(super) fn table(core: CoreFops) -> bindings::file_operations {
        bindings::file_operations {
            owner: ptr::null_mut(),
            open: Some(Self::open),
            read_iter: Some(Self::read_iter),
            write_iter: Some(Self::write_iter),
            poll: Some(Self::poll),
            fasync: Some(Self::fasync),
            splice_read: Some(Self::splice_read),
            splice_write: Some(Self::splice_write),
            release: Some(Self::release),
            unlocked_ioctl: Some(Self::unlocked_ioctl),
            #[cfg(CONFIG_COMPAT)]
            compat_ioctl: Some(Self::compat_ioctl),
            ..*core.0
        }
    }

    /// # Safety
    ///
    /// Called by `do_dentry_open()`: `inode` and `file` are valid, and `file` is not visible to anybody else.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Both are valid, and the file is being opened.
        unsafe {
            bindings::nonseekable_open(inode, file);
            // Events on a node that everybody shares would tell others the timing of one's keystrokes.
            bindings::rdevpts_set_fsnotify_nonotify(file);
        }
        // SAFETY: As above; nobody else has the file.
        let opening = unsafe { OpeningFile::from_raw(file) };
        match M::open_file(opening) {
            Ok(opened) => {
                // From here on the file's own `release` closes it.
                opened.keep();
                // SAFETY: As above.
                unsafe { (*file).f_mode |= bindings::RDEVPTS_FMODE_NOWAIT };
                0
            }
            Err(error) => {
                // Closed again when `Opened` was dropped, unless that was forgotten.
                // SAFETY: The core sets `private_data` when it opens the file, and resets it when it releases it.
                unsafe {
                    if !(*file).private_data.is_null() {
                        Self::core_of(file).release(inode, file);
                    }
                }
                error.to_errno()
            }
        }
    }

    /// # Safety
    ///
    /// Called by `__fput()` on a file that [`open`](Self::open) succeeded for.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The core has the file open until its own `release`, below.
        if let Some(end) = unsafe { master_end::<M::Pair>(file) } {
            M::release_file(&end);
        }
        // SAFETY: A file of `open` was opened by the core, whose table the master driver's state has.
        unsafe { Self::core_of(file).release(inode, file) };
        0
    }

    /// # Safety
    ///
    /// Called by `vfs_read()` and others on an open file; `iocb` and `to` are valid for the call.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        to: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: Both are valid, and the file is open, on a master of ours.
        let (file, end) = unsafe { ((*iocb).ki_filp, master_end::<M::Pair>((*iocb).ki_filp)) };
        let (Some(end), Some(iter)) = (end, NonNull::new(to)) else {
            return EIO.to_errno() as isize;
        };
        if end.tty().is_hung_up() {
            return 0;
        }
        if end.tty().test(Flag::IoError) {
            return EIO.to_errno() as isize;
        }
        // SAFETY: `iocb` is valid.
        let nowait = unsafe { may_not_wait(iocb) };
        let ldisc = if nowait {
            Ldisc::get(end.tty())
        } else {
            Ldisc::get_wait(end.tty())
        };
        let Some(ldisc) = ldisc else {
            // Hung up: the end of the file. Or it is being changed.
            return if nowait && !end.tty().is_hung_up() {
                EAGAIN.to_errno() as isize
            } else {
                0
            };
        };
        if !is_adopted(ldisc.ops()) {
            drop(ldisc);
            // SAFETY: The file is open, on a master of ours.
            if nowait && !unsafe { Self::is_ready(file, READABLE) } {
                return EAGAIN.to_errno() as isize;
            }
            // SAFETY: The core's own function, with the caller's arguments; the file is open, on a master of ours.
            return match unsafe { Self::core_of(file) }.0.read_iter {
                // SAFETY: As above.
                Some(read_iter) => unsafe { read_iter(iocb, to) },
                None => EIO.to_errno() as isize,
            };
        }
        // SAFETY: The caller's iterator.
        let mut to = unsafe { Destination::from_raw(iter) };
        // SAFETY: The file is open for the call.
        let result = unsafe { master_read::read(&end, file, nowait, &mut to) };
        drop(ldisc);
        match result {
            Ok(0) => 0,
            Ok(n) => {
                end.tty().update_atime();
                n as isize
            }
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Called by `vfs_write()` and others on an open file; `iocb` and `from` are valid for the call.
    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        from: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: Both are valid, and the file is open, on a master of ours.
        let (file, end) = unsafe { ((*iocb).ki_filp, master_end::<M::Pair>((*iocb).ki_filp)) };
        let (Some(end), Some(iter)) = (end, NonNull::new(from)) else {
            return EIO.to_errno() as isize;
        };
        if end.tty().is_hung_up() || end.tty().test(Flag::IoError) {
            return EIO.to_errno() as isize;
        }
        // SAFETY: `iocb` is valid.
        if unsafe { may_not_wait(iocb) } {
            // One that is being changed is gone for now, and not for good.
            let Some(ldisc) = Ldisc::get(end.tty()) else {
                return EAGAIN.to_errno() as isize;
            };
            if is_adopted(ldisc.ops()) {
                // SAFETY: The caller's iterator.
                let mut from = unsafe { Source::from_raw(iter) };
                let room = || M::write_room(&end);
                // SAFETY: The file is open for the call, and the line discipline ours.
                return match unsafe { master_write::write_nowait(&end, file, room, &mut from) } {
                    Ok(n) => n as isize,
                    Err(error) => error.to_errno() as isize,
                };
            }
            drop(ldisc);
            // SAFETY: The file is open, on a master of ours.
            if !unsafe { Self::is_ready(file, WRITABLE) } {
                return EAGAIN.to_errno() as isize;
            }
        }
        // SAFETY: The file is open, on a master of ours.
        let result = match unsafe { Self::core_of(file) }.0.write_iter {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(write_iter) => unsafe { write_iter(iocb, from) },
            None => EIO.to_errno() as isize,
        };
        // Where input waits for a reader, who may never come, the core's buffer is not kept with it: nobody pays for it.
        if end.link_port().may_be_queued() {
            end.tty().trim_write_buffer();
        }
        result
    }

    /// # Safety
    ///
    /// Called by `vfs_poll()` on an open file; `table` is NULL or valid for the call.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_unless_hung_up(file) }.and_then(|core| core.0.poll) {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(poll) => unsafe { poll(file, table) },
            None => HUNG_UP,
        }
    }

    /// Whether `poll(2)` has one of `events`: what io_uring asks of files that know no `IOCB_NOWAIT`, which other line
    /// disciplines do not.
    ///
    /// # Safety
    ///
    /// `file` is open, on a master of this driver.
    unsafe fn is_ready(file: *mut bindings::file, events: bindings::__poll_t) -> bool {
        // SAFETY: The caller's promise; without a table, nobody joins a queue.
        unsafe { Self::poll(file, ptr::null_mut()) & events != 0 }
    }

    /// # Safety
    ///
    /// Called by `fcntl(F_SETFL)`, `FIOASYNC` and `__fput()` on an open file.
    unsafe extern "C" fn fasync(fd: c_int, file: *mut bindings::file, on: c_int) -> c_int {
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_unless_hung_up(file) }.and_then(|core| core.0.fasync) {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(fasync) => unsafe { fasync(fd, file, on) },
            None => ENOTTY.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by `splice(2)` and `sendfile(2)` on an open file; the rest is valid for the call.
    unsafe extern "C" fn splice_read(
        file: *mut bindings::file,
        pos: *mut bindings::loff_t,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_unless_hung_up(file) }.and_then(|core| core.0.splice_read) {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(splice_read) => unsafe { splice_read(file, pos, pipe, len, flags) },
            None => EINVAL.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Called by `splice(2)` and `sendfile(2)` on an open file; the rest is valid for the call.
    unsafe extern "C" fn splice_write(
        pipe: *mut bindings::pipe_inode_info,
        file: *mut bindings::file,
        pos: *mut bindings::loff_t,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_unless_hung_up(file) }.and_then(|core| core.0.splice_write) {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(splice_write) => unsafe { splice_write(pipe, file, pos, len, flags) },
            None => EINVAL.to_errno() as isize,
        }
    }

    /// The core's table, for a file that is open.
    ///
    /// # Safety
    ///
    /// `file` must be open on a master of this driver.
    unsafe fn core_of(file: *mut bindings::file) -> CoreFops {
        // SAFETY: See `master_end`. The driver of a tty has its character device until it is unregistered, which takes
        // the module's exit.
        unsafe {
            let private = (*file).private_data.cast::<bindings::tty_file_private>();
            let driver = (*(*private).tty).driver;
            CoreFops(&*(**(*driver).cdevs).ops)
        }
    }

    /// The same, unless the terminal was hung up.
    ///
    /// # Safety
    ///
    /// As for [`core_of`](Self::core_of).
    unsafe fn core_unless_hung_up(file: *mut bindings::file) -> Option<CoreFops> {
        // SAFETY: The caller's promise.
        let end = unsafe { master_end::<M::Pair>(file) }?;
        // SAFETY: As above.
        (!end.tty().is_hung_up()).then(|| unsafe { Self::core_of(file) })
    }

    /// What the driver answers itself, or a terminal that was hung up; `None` for the core's.
    ///
    /// # Safety
    ///
    /// `file` must be open on a master of this driver.
    unsafe fn file_ioctl(file: *mut bindings::file, cmd: c_uint, arg: usize) -> Option<c_long> {
        // SAFETY: The file is open.
        let end = unsafe { master_end::<M::Pair>(file) }?;
        if end.tty().is_hung_up() {
            let error = if cmd == bindings::TIOCSPGRP {
                ENOTTY
            } else {
                EIO
            };
            return Some(from_result(|| Err(error)));
        }
        // SAFETY: The file is valid for the call; an ioctl takes no `fdget_pos()`.
        let file = unsafe { File::from_raw_file(file) };
        match M::file_ioctl(&end, file, cmd, arg) {
            Ok(result) => result,
            Err(error) => Some(from_result(|| Err(error))),
        }
    }

    /// # Safety
    ///
    /// Called by `vfs_ioctl()` on an open file.
    unsafe extern "C" fn unlocked_ioctl(
        file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: The file is open, on a master of ours.
        if let Some(result) = unsafe { Self::file_ioctl(file, cmd, arg) } {
            return result;
        }
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_of(file) }.0.unlocked_ioctl {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(ioctl) => unsafe { ioctl(file, cmd, arg) },
            None => from_result(|| Err(ENOTTY)),
        }
    }

    /// # Safety
    ///
    /// Called by the compat `ioctl(2)` on an open file; `arg` is not widened yet.
    #[cfg(CONFIG_COMPAT)]
    unsafe extern "C" fn compat_ioctl(
        file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: The file is open, on a master of ours.
        if let Some(result) = unsafe { Self::file_ioctl(file, cmd, arg & 0xffff_ffff) } {
            return result;
        }
        // SAFETY: The file is open, on a master of ours.
        match unsafe { Self::core_of(file) }.0.compat_ioctl {
            // SAFETY: The core's own function, with the caller's arguments.
            Some(ioctl) => unsafe { ioctl(file, cmd, arg) },
            None => from_result(|| Err(ENOTTY)),
        }
    }
}

/// What `poll(2)` says of a terminal that was hung up.
const HUNG_UP: bindings::__poll_t = bindings::RDEVPTS_EPOLLIN
    | bindings::RDEVPTS_EPOLLOUT
    | bindings::RDEVPTS_EPOLLERR
    | bindings::RDEVPTS_EPOLLHUP
    | bindings::RDEVPTS_EPOLLRDNORM
    | bindings::RDEVPTS_EPOLLWRNORM;

/// The events with which a read has something to say.
const READABLE: bindings::__poll_t =
    bindings::RDEVPTS_EPOLLIN | bindings::RDEVPTS_EPOLLERR | bindings::RDEVPTS_EPOLLHUP;

/// The events with which a write has something to say.
const WRITABLE: bindings::__poll_t =
    bindings::RDEVPTS_EPOLLOUT | bindings::RDEVPTS_EPOLLERR | bindings::RDEVPTS_EPOLLHUP;

/// Whether a call must not wait, whatever its file says (`IOCB_NOWAIT`).
///
/// # Safety
///
/// `iocb` is valid.
unsafe fn may_not_wait(iocb: *mut bindings::kiocb) -> bool {
    // SAFETY: The caller's promise.
    unsafe { (*iocb).ki_flags & bindings::RDEVPTS_IOCB_NOWAIT as c_int != 0 }
}
