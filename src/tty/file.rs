// SPDX-License-Identifier: GPL-2.0

//! The files of masters: the tty core's `file_operations` with some of its entries replaced. And files of either end that
//! are being opened.
//!
//! The C driver does the same with `tty_default_fops()`, which is not exported; a registered driver's character device
//! carries the same table.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    driver::Driver,
    ends::Ends,
    iter::Destination,
    ldisc::Ldisc,
    master_ldisc::MasterLdisc,
    master_read,
    operations::{master_end, Master},
    tty_struct::{Flag, Tty},
};
use crate::bindings::{self, FileOps};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};
use kernel::{
    error::from_result,
    fs::File,
    prelude::*,
    sync::{aref::ARef, Arc, SetOnce},
    types::NotThreadSafe,
};

/// The tty core's file operations.
///
/// # Invariants
///
/// `0` is the table that the tty core gave the character device of a registered driver, which is part of the kernel
/// image: it stays for good.
#[derive(Clone, Copy)]
pub(super) struct CoreFops(pub(super) &'static bindings::file_operations);

// SAFETY: The table is read-only data of the kernel.
unsafe impl Send for CoreFops {}
// SAFETY: As above.
unsafe impl Sync for CoreFops {}

impl CoreFops {
    /// The table, from the character device of a driver that was registered with `TTY_DRIVER_DYNAMIC_ALLOC`.
    ///
    /// # Errors
    ///
    /// `ENXIO` where it has no such device.
    pub(super) fn of(driver: &Driver) -> Result<Self> {
        // SAFETY: A registered driver with that flag has one character device; without, the table has NULLs.
        let ops = unsafe {
            let cdev = *(*driver.as_ptr()).cdevs;
            if cdev.is_null() {
                return Err(ENXIO);
            }
            (*cdev).ops
        };
        // SAFETY: The tty core's table is static; NULL is not, and refused.
        // INVARIANT: tty_cdev_add() put it there.
        unsafe { ops.as_ref() }.map(Self).ok_or(ENXIO)
    }

    /// `tty_open()`.
    ///
    /// # Safety
    ///
    /// `file` must be under construction by `open(2)`, and `inode` valid; of it, only `i_rdev` is read.
    pub(super) unsafe fn open(
        self,
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> Result {
        let open = self.0.open.ok_or(EIO)?;
        // SAFETY: The core's own function; the rest is the caller's promise.
        kernel::error::to_result(unsafe { open(inode, file) })
    }

    /// `tty_release()`.
    ///
    /// # Safety
    ///
    /// `file` must have been opened by [`open`](Self::open), and not be released yet.
    pub(super) unsafe fn release(self, inode: *mut bindings::inode, file: *mut bindings::file) {
        if let Some(release) = self.0.release {
            // SAFETY: The core's own function; the rest is the caller's promise. It returns 0, always.
            unsafe { release(inode, file) };
        }
    }
}

/// A file that `open(2)` is making and the tty core does not know yet.
#[must_use]
pub(crate) struct OpeningFile<'a> {
    file: *mut bindings::file,
    _borrow: PhantomData<&'a File>,
    _not_send: NotThreadSafe,
}

impl<'a> OpeningFile<'a> {
    /// # Safety
    ///
    /// `file` must be valid for `'a`, not visible to anybody else, and this task in the `open` operation of its node.
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Self {
        Self {
            file,
            _borrow: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Gives the file the operations `fops`, and has the tty core open it, as `chrdev_open()` does for who opens a device
    /// by its number.
    ///
    /// # Errors
    ///
    /// Any of `tty_open()`'s.
    ///
    /// # Safety
    ///
    /// `fops` do for the terminal what those of the tty core do; of `inode`, `i_rdev` is read.
    pub(super) unsafe fn open_as(
        self,
        fops: &'static bindings::file_operations,
        core: CoreFops,
        inode: *mut bindings::inode,
    ) -> Result {
        // SAFETY: The file is ours, and the table static. The operations that it had, of a node of ours, have no owner to
        // be given up; no more have these. The rest is the caller's promise.
        unsafe {
            (*self.file).f_op = fops;
            core.open(inode, self.file)
        }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        // SAFETY: The file is valid for `'a` (see `from_raw`); nobody else has it yet, so no `fdget_pos()`.
        unsafe { File::from_raw_file(self.file) }
    }

    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.file
    }
}

/// A master's file that the tty core has opened on a new pair. Dropped, it is closed again.
///
/// # Invariants
///
/// `file` was opened by `core`, and is not released.
#[must_use = "closes the file when dropped"]
pub(crate) struct Opened<'a, P: 'static> {
    core: CoreFops,
    file: *mut bindings::file,
    ends: Arc<Ends<P>>,
    _borrow: PhantomData<&'a File>,
    _not_send: NotThreadSafe,
}

impl<'a, P: 'static> Opened<'a, P> {
    /// Takes charge of `opening`, which the tty core has opened.
    ///
    /// # Safety
    ///
    /// `core.open()` succeeded for the file.
    pub(super) unsafe fn new(core: CoreFops, opening: OpeningFile<'a>, ends: Arc<Ends<P>>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            core,
            file: opening.file,
            ends,
            _borrow: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// What the driver keeps for the new pair.
    pub(crate) fn pair(&self) -> &P {
        self.ends.pair()
    }

    /// Leaves the file open.
    fn keep(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: The value is not used after this, and its other fields need no drop.
        unsafe { ptr::drop_in_place(&mut this.ends) };
    }

    /// The slave of the new pair.
    ///
    /// # Errors
    ///
    /// `EIO` if it had none, which cannot be.
    pub(crate) fn slave(&self) -> Result<ARef<Tty>> {
        // SAFETY: The file is open by the invariant, on a master with `Ends<P>`.
        let end = unsafe { master_end::<P>(self.file) }.ok_or(EIO)?;
        Ok(ARef::from(end.link()))
    }
}

impl<P: 'static> Drop for Opened<'_, P> {
    fn drop(&mut self) {
        // SAFETY: The file is open by the invariant, and whoever drops this does not go on to use it. The inode is the
        // file's own.
        unsafe { self.core.release((*self.file).f_inode, self.file) };
    }
}

/// The file operations of a driver's masters, in a static of the driver ([`Master::fops`]), so that they are there as long
/// as its code.
pub(crate) struct FopsCell(SetOnce<Table>);

struct Table(bindings::file_operations);

// SAFETY: A table of functions, constant once made.
unsafe impl Send for Table {}
// SAFETY: As above.
unsafe impl Sync for Table {}

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
    /// The core's table with what a master replaces. Needs no `owner`: a file pins its mount, that pins the module, and
    /// a reference of its own would be lost when a hangup replaces the file's operations.
    pub(super) fn table(core: CoreFops) -> bindings::file_operations {
        bindings::file_operations {
            owner: ptr::null_mut(),
            open: Some(Self::open),
            read_iter: Some(Self::read_iter),
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
    /// Called by `__fput()` on a file that [`open`](Self::open) succeeded for and no hangup has touched.
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
        if end.tty().test(Flag::IoError) {
            return EIO.to_errno() as isize;
        }
        let Some(ldisc) = Ldisc::get_wait(end.tty()) else {
            // Hung up: the end of the file.
            return 0;
        };
        if !core::ptr::eq(ldisc.ops(), MasterLdisc::<M>::OPS) {
            drop(ldisc);
            // SAFETY: The core's own function, with the caller's arguments; the file is open, on a master of ours.
            return match unsafe { Self::core_of(file) }.0.read_iter {
                // SAFETY: As above.
                Some(read_iter) => unsafe { read_iter(iocb, to) },
                None => EIO.to_errno() as isize,
            };
        }
        // SAFETY: The caller's iterator.
        let mut to = unsafe { Destination::from_raw(iter) };
        // io_uring sets it when it has polled, also for files without FMODE_NOWAIT.
        // SAFETY: `iocb` is valid.
        let nowait = unsafe { (*iocb).ki_flags } & bindings::RDEVPTS_IOCB_NOWAIT as c_int != 0;
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

    /// What the driver answers itself; `None` for the core's.
    ///
    /// # Safety
    ///
    /// `file` must be open on a master of this driver.
    unsafe fn file_ioctl(file: *mut bindings::file, cmd: c_uint, arg: usize) -> Option<c_long> {
        // SAFETY: The file is open.
        let end = unsafe { master_end::<M::Pair>(file) }?;
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
