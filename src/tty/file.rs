// SPDX-License-Identifier: GPL-2.0

//! The tty core's `file_operations`, and files of either end that are being opened.
//!
//! The C driver has the table from `tty_default_fops()`, which is not exported; a registered driver's character device
//! carries the same.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{driver::Driver, end::master_end, ends::Ends, figures::Observer, tty_struct::Tty};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{self, addr_of},
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{aref::ARef, Arc},
    types::NotThreadSafe,
};

/// Whether `O_NONBLOCK` is set on `file`.
///
/// `F_SETFL` and `FIONBIO` change it under `f_lock`, which no call looks at: it goes by what it found, as in C.
///
/// # Safety
///
/// `file` is valid.
pub(super) unsafe fn is_nonblock(file: *const bindings::file) -> bool {
    // SAFETY: The caller's promise; a racing read of an aligned word.
    let flags = unsafe { bindings::read_racy(addr_of!((*file).f_flags)) };
    flags & bindings::O_NONBLOCK != 0
}

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

/// File operations that are made of the core's when the driver is, once.
pub(super) struct Table(pub(super) bindings::file_operations);

// SAFETY: A table of functions, constant once made.
unsafe impl Send for Table {}
// SAFETY: As above.
unsafe impl Sync for Table {}

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
    pub(super) fn keep(self) {
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

    /// Lets somebody look at the pair, also when the file is closed.
    ///
    /// # Errors
    ///
    /// `EIO` as for [`slave`](Self::slave).
    pub(crate) fn observer(&self) -> Result<Observer<P>> {
        // SAFETY: As above.
        let end = unsafe { master_end::<P>(self.file) }.ok_or(EIO)?;
        Ok(end.observer())
    }
}

impl<P: 'static> Drop for Opened<'_, P> {
    fn drop(&mut self) {
        // SAFETY: The file is open by the invariant, and whoever drops this does not go on to use it. The inode is the
        // file's own.
        unsafe { self.core.release((*self.file).f_inode, self.file) };
    }
}
