// SPDX-License-Identifier: GPL-2.0

//! The files of the trial, and how the driver knows that a slave is opened for it.

use super::super::tty_struct::Tty;
use crate::bindings;
use core::ptr::{self, NonNull};
use kernel::{
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{ordering::Relaxed, Atomic},
    },
};

/// A file of no file system, which nobody else has.
///
/// # Invariants
///
/// Owns the only reference. Its operations' `release`, if there is one, is for what it is open on.
pub(super) struct Scratch(NonNull<bindings::file>);

impl Scratch {
    pub(super) const FOPS: &'static bindings::file_operations = &pin_init::zeroed();

    pub(super) fn new() -> Result<Self> {
        // SAFETY: The operations are static, and there are none.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(
                c"trial".as_char_ptr(),
                Self::FOPS,
                ptr::null_mut(),
                bindings::O_RDWR as c_int,
            )
        })?;
        // INVARIANT: Just made.
        NonNull::new(file).map(Self).ok_or(ENOMEM)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    /// Now, and not when the task goes back to user space: the module may be gone then.
    fn drop(&mut self) {
        // SAFETY: Gives up the reference that we own by the invariant.
        unsafe { bindings::__fput_sync(self.as_ptr()) };
    }
}

/// Which file is being opened on a slave of the trial, and which that is.
static OPENING: Atomic<*mut bindings::file> = Atomic::new(ptr::null_mut());
static SLAVE: Atomic<*mut bindings::tty_struct> = Atomic::new(ptr::null_mut());

/// Runs `open`, which opens `file` on `slave`.
///
/// # Safety
///
/// `slave` is live, and its master open, for the length of the call.
pub(super) unsafe fn opening_on<R>(
    slave: *mut bindings::tty_struct,
    file: &Scratch,
    open: impl FnOnce() -> R,
) -> R {
    SLAVE.store(slave, Relaxed);
    OPENING.store(file.as_ptr(), Relaxed);
    let result = open();
    OPENING.store(ptr::null_mut(), Relaxed);
    result
}

/// The slave that `file`, which is being opened, is to be open on, if that is for the trial.
pub(in crate::tty) fn slave_of(file: &File) -> Option<ARef<Tty>> {
    // The address of a file that is being opened, and that the trial has, is the trial's.
    (OPENING.load(Relaxed) == file.as_ptr()).then(|| {
        // SAFETY: The trial has the slave's master open for as long, by the promise of `opening_on`.
        ARef::from(unsafe { Tty::from_raw(SLAVE.load(Relaxed)) })
    })
}
