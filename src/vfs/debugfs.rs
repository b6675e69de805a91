// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that are read by the superuser, for as long as the module is there.
//!
//! The kernel crate's own (`kernel::debugfs`) have file operations without an owner: who has such a file open when its module goes
//! has the kernel call a `release` that is gone. These have one. And they are not made and removed with what they tell of, since
//! that waits for whoever lists the directory, or reads in it, into memory that user space serves.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

#![cfg_attr(not(CONFIG_DEBUG_FS), allow(dead_code))]

use crate::bindings::{self, compat::this_module};
use core::marker::PhantomData;
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
    seq_file::SeqFile,
    sync::Arc,
    ModuleMetadata,
};

/// What a file tells.
pub(crate) trait Show: 'static {
    /// The module that the file is part of: it stays while the file is open.
    type Module: ModuleMetadata;
    /// What it tells of.
    type Data: Send + Sync + 'static;

    /// The file's name.
    const NAME: &'static CStr;

    /// Tells it. May sleep; called again, with more room, where there was too little. No lock of a file system's is held.
    fn show(data: &Self::Data, m: &SeqFile);
}

/// A directory at debugfs's root with files that are of one `T`; dropping it removes all, and waits for who reads. Without debugfs,
/// or memory, there is none.
///
/// An open file keeps the module, but not one whose initialisation fails: make this when nothing can fail any more.
///
/// # Invariants
///
/// `dentry` is what `debugfs_create_dir()` returned; the files in it have the `T` of `data` as their `i_private`.
pub(crate) struct Directory<T> {
    #[cfg(CONFIG_DEBUG_FS)]
    dentry: *mut bindings::dentry,
    data: Arc<T>,
}

// SAFETY: The dentry can be used from any thread.
unsafe impl<T: Send + Sync> Send for Directory<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Directory<T> {}

impl<T: Send + Sync + 'static> Directory<T> {
    /// Makes it. May sleep.
    pub(crate) fn new(name: &'static CStr, data: Arc<T>) -> Self {
        let _ = name;
        // INVARIANT: It has no files yet.
        Self {
            #[cfg(CONFIG_DEBUG_FS)]
            // SAFETY: The name ends with a NUL.
            dentry: unsafe {
                bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut())
            },
            data,
        }
    }

    /// Adds the file `F`. May sleep.
    pub(crate) fn with<F: Show<Data = T>>(self) -> Self {
        #[cfg(CONFIG_DEBUG_FS)]
        // SAFETY: debugfs takes what it gave, be it an error. INVARIANT: The data is there until the file is removed.
        unsafe {
            bindings::debugfs_create_file_full(
                F::NAME.as_char_ptr(),
                0o400,
                self.dentry,
                Arc::as_ptr(&self.data).cast_mut().cast::<c_void>(),
                core::ptr::null(),
                const { &File::<F>::FOPS },
            )
        };
        self
    }
}

#[cfg(CONFIG_DEBUG_FS)]
impl<T> Drop for Directory<T> {
    fn drop(&mut self) {
        // SAFETY: What `debugfs_create_dir()` returned, by the type invariants; of an error nothing is removed. The data is dropped
        // after it.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}

/// The file operations of a file.
struct File<F: Show>(PhantomData<F>);

impl<F: Show> File<F> {
    const FOPS: bindings::file_operations = bindings::file_operations {
        owner: this_module::<F::Module>().as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by debugfs, between `debugfs_file_get()` and `debugfs_file_put()`, with the inode that was made for `F`.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The arguments are valid for the call; the data is only handed on.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// Called by `seq_read()`, which debugfs calls between `debugfs_file_get()` and `debugfs_file_put()`, for a file that
    /// [`open`](Self::open) opened.
    unsafe extern "C" fn show(m: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: By the invariants of `Directory` this is an `F::Data`, which stays until the file has been removed; that waits for
        // this call.
        let data = unsafe { &*(*m).private.cast::<F::Data>() };
        // SAFETY: The caller owns the `seq_file` for the duration of this call.
        F::show(data, unsafe { SeqFile::from_raw(m) });
        0
    }
}
