// SPDX-License-Identifier: GPL-2.0

//! A table of file operations as a value: what the tty layer makes and the VFS layer installs.

use super::file_operations;
use core::{fmt, ptr::NonNull};

/// A `struct file_operations` that may be installed in any inode of this module's file systems.
///
/// # Invariants
///
/// The table is valid, immutable, and its functions may be called by the VFS on files of any inode, for as long as the
/// module is loaded.
#[derive(Clone, Copy)]
pub(crate) struct FileOps(NonNull<file_operations>);

// SAFETY: By the type invariants the table is immutable and not bound to a thread.
unsafe impl Send for FileOps {}
// SAFETY: As above.
unsafe impl Sync for FileOps {}

impl FileOps {
    /// Takes a table made elsewhere.
    ///
    /// # Safety
    ///
    /// From here on and for as long as the module is loaded, `table` must be valid and nobody may write to it. Its functions
    /// must be sound when the VFS calls them, as `Documentation/filesystems/vfs.rst` says, on a file of any character
    /// device inode of this module's file systems.
    pub(crate) const unsafe fn new(table: NonNull<file_operations>) -> Self {
        // INVARIANT: the caller's promise.
        Self(table)
    }

    /// The table, to be stored in `i_fop`.
    pub(crate) const fn as_ptr(self) -> *const file_operations {
        self.0.as_ptr()
    }
}

impl fmt::Debug for FileOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileOps")
    }
}
