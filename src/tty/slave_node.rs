// SPDX-License-Identifier: GPL-2.0

//! The nodes that slaves are opened through: what `chrdev_open()` is to other device nodes, for nodes whose number belongs to
//! another driver.
//!
//! C source: [`fs/char_dev.c`](srctree/fs/char_dev.c)

use super::{file::OpeningFile, operations::Slave};
use crate::bindings::{self, FileOps};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::prelude::*;

/// The operations for the inodes of nodes that slaves are opened through. A file has them until it is open.
pub(crate) fn slave_fops<S: Slave>() -> FileOps {
    let table: &'static bindings::file_operations = const { &SlaveNode::<S>::FOPS };
    // SAFETY: Static. `open` may be called on any inode: it uses the file alone.
    unsafe { FileOps::new(NonNull::from(table)) }
}

struct SlaveNode<S: Slave>(PhantomData<S>);

impl<S: Slave> SlaveNode<S> {
    /// Needs no `owner`: a file pins its mount, that pins the module.
    const FOPS: bindings::file_operations = bindings::file_operations {
        open: Some(Self::open),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by `do_dentry_open()`: `file` is valid, and not visible to anybody else.
    unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The file is valid for the call, which is the `open` operation of its node.
        let opening = unsafe { OpeningFile::from_raw(file) };
        match S::open_file(opening) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }
}
