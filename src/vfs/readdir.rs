// SPDX-License-Identifier: GPL-2.0

//! Listing a directory.
//!
//! `dcache_readdir()` copies each name to user space with the directory locked. Where that memory is served by user space
//! (userfaultfd, FUSE), a reader can keep the lock for as long as it likes, and with it everybody who makes or removes an
//! entry: for a file system that does so when a file is closed, that is whoever happens to drop the last reference, the
//! kernel's own threads included. So here entries are looked for with the directory locked, and copied with it unlocked.
//!
//! A position is an inode number: entries come in the order of their numbers, which do not change. A directory that others
//! change meanwhile is so listed without an entry twice, and without one missing that is there throughout.
//!
//! C source: [`fs/libfs.c`](srctree/fs/libfs.c), [`fs/readdir.c`](srctree/fs/readdir.c)

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{c_int, c_uint},
    prelude::*,
    types::{ForeignOwnable, Opaque}, //
};

/// How many entries are looked for each time the directory is locked.
const BATCH: usize = 16;

/// `SEEK_SET` and `SEEK_CUR` of `include/uapi/linux/fs.h`.
const SEEK_SET: c_int = bindings::SEEK_SET as c_int;
const SEEK_CUR: c_int = bindings::SEEK_CUR as c_int;

/// The entries of a directory by their inode numbers: the private data (`i_private`) of a directory's inode.
///
/// # Invariants
///
/// `entries` has pointers to dentries that are positive, and stay so as long as they are in it. It is changed with the
/// directory's `i_rwsem` held exclusively, and followed with it held at least shared.
#[pin_data(PinnedDrop)]
pub(super) struct Listing {
    #[pin]
    entries: Opaque<bindings::xarray>,
}

// SAFETY: An xarray may be used from any thread.
unsafe impl Send for Listing {}
// SAFETY: An xarray locks itself; what it points to is protected as the type invariants say.
unsafe impl Sync for Listing {}

impl Listing {
    /// An empty directory's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                // SAFETY: `slot` is valid for writes, and pinned.
                entries <- Opaque::ffi_init(|slot| unsafe { bindings::xa_init_flags(slot, 0) }),
            }),
            GFP_KERNEL,
        )
    }

    /// The listing of the directory `dir`.
    ///
    /// # Safety
    ///
    /// `dir` must be a directory's inode of this module, and stay so for `'a`.
    pub(super) unsafe fn of<'a>(dir: *mut bindings::inode) -> &'a Self {
        // SAFETY: Such an inode has a `Pin<KBox<Listing>>` as private data until it is evicted.
        unsafe { Pin::<KBox<Self>>::borrow((*dir).i_private) }.get_ref()
    }

    /// Adds the entry `dentry` whose inode has number `ino`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is one of that number, `EINVAL` for one of the numbers that stand for `.` and `..`.
    ///
    /// # Safety
    ///
    /// The directory is locked exclusively, and `dentry`, a child of it, becomes positive before it is unlocked.
    pub(super) unsafe fn insert(&self, ino: u64, dentry: NonNull<bindings::dentry>) -> Result {
        let index = usize::try_from(ino)?;
        if index < FIRST {
            return Err(EINVAL);
        }
        // SAFETY: The xarray is initialised; a dentry is aligned as entries must be. Nobody else changes it, as the
        // directory is locked.
        unsafe {
            if !bindings::xa_load(self.entries.get(), index).is_null() {
                return Err(EEXIST);
            }
            let old = bindings::xa_store(
                self.entries.get(),
                index,
                dentry.as_ptr().cast(),
                bindings::GFP_KERNEL,
            );
            to_result(bindings::xa_err(old))
        }
    }

    /// Removes the entry whose inode has number `ino`, if there is one. The directory must be locked exclusively.
    pub(super) fn remove(&self, ino: u64) {
        if let Ok(index) = usize::try_from(ino) {
            // SAFETY: The xarray is initialised.
            unsafe { bindings::xa_erase(self.entries.get(), index) };
        }
    }

    /// The first entry whose inode has at least number `from`.
    ///
    /// # Safety
    ///
    /// The directory is locked, at least shared.
    unsafe fn find(&self, from: usize) -> Option<Found> {
        let mut index = from;
        // SAFETY: The xarray is initialised.
        let entry = unsafe {
            bindings::xa_find(
                self.entries.get(),
                &mut index,
                usize::MAX,
                bindings::XA_PRESENT as bindings::xa_mark_t,
            )
        };
        let dentry = NonNull::new(entry.cast::<bindings::dentry>())?;
        // SAFETY: By the type invariants it is a positive dentry, as the directory is locked.
        unsafe { bindings::rdevpts_dget(dentry.as_ptr()) };
        // INVARIANT: This is the reference, and it keeps the dentry positive: in this module nothing makes one negative.
        Some(Found { index, dentry })
    }
}

#[pinned_drop]
impl PinnedDrop for Listing {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The xarray is initialised, and nobody uses it any more.
        unsafe { bindings::xa_destroy(self.entries.get()) };
    }
}

/// The first position after `.` and `..`, and so the lowest inode number that an entry may have.
const FIRST: usize = 2;

/// An entry that was found.
///
/// # Invariants
///
/// `dentry` is positive, is never renamed, and this value has a reference to it.
struct Found {
    index: usize,
    dentry: NonNull<bindings::dentry>,
}

impl Found {
    /// Copies the entry to the reader. False if its buffer is full.
    ///
    /// # Safety
    ///
    /// `ctx` is the context of a listing under way.
    unsafe fn emit(&self, ctx: *mut bindings::dir_context) -> bool {
        let dentry = self.dentry.as_ptr();
        // SAFETY: By the type invariants the name and the inode stay.
        unsafe {
            let inode = (*dentry).d_inode;
            bindings::rdevpts_dir_emit(
                ctx,
                dentry,
                (*inode).i_ino,
                // S_DT() of include/linux/fs_dirent.h: the type of file as `getdents(2)` has it.
                c_uint::from((*inode).i_mode >> 12 & 15),
            )
        }
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: The reference is ours to give up, by the type invariants.
        unsafe { bindings::dput(self.dentry.as_ptr()) };
    }
}

/// `struct file_operations` of directories.
pub(super) const OPERATIONS: bindings::file_operations = bindings::file_operations {
    llseek: Some(llseek),
    read: Some(bindings::generic_read_dir),
    iterate_shared: Some(iterate_shared),
    fsync: Some(bindings::noop_fsync),
    ..pin_init::zeroed()
};

/// # Safety
///
/// Called by `iterate_dir()` with the inode of `file`, a directory's, locked shared, as it must be again on return.
unsafe extern "C" fn iterate_shared(
    file: *mut bindings::file,
    ctx: *mut bindings::dir_context,
) -> c_int {
    // SAFETY: The inode stays while the file is open. The lock is given back as it was found. Nothing here relies on it
    // beyond where it is taken: the caller, too, only goes by it that the directory was not removed before.
    unsafe {
        let dir = (*file).f_inode;
        bindings::rdevpts_inode_unlock_shared(dir);
        list(file, ctx, dir);
        bindings::rdevpts_inode_lock_shared(dir);
    }
    0
}

/// Copies entries from the position of `ctx` on, until there is none or the reader's buffer is full.
///
/// # Safety
///
/// `dir` is the inode of `file`, a directory of this module, not locked by the caller; `ctx` is the context of a listing
/// under way.
unsafe fn list(
    file: *mut bindings::file,
    ctx: *mut bindings::dir_context,
    dir: *mut bindings::inode,
) {
    // SAFETY: Both are valid.
    if !unsafe { bindings::rdevpts_dir_emit_dots(file, ctx) } {
        return;
    }
    // SAFETY: The caller's promise; the inode is not evicted while the file is open.
    let listing = unsafe { Listing::of(dir) };
    // SAFETY: The context is valid, and this thread's alone.
    while let Ok(mut from) = usize::try_from(unsafe { (*ctx).pos }) {
        let mut batch = [const { None }; BATCH];
        // SAFETY: The inode is valid, and its lock is free for us to take.
        unsafe { bindings::rdevpts_inode_lock_shared(dir) };
        for slot in &mut batch {
            // SAFETY: The directory is locked.
            *slot = unsafe { listing.find(from) };
            match slot {
                Some(found) => from = found.index.saturating_add(1),
                None => break,
            }
        }
        // SAFETY: We locked it.
        unsafe { bindings::rdevpts_inode_unlock_shared(dir) };

        let complete = batch.iter().any(Option::is_none);
        for found in batch.iter().flatten() {
            // SAFETY: The context is valid, and this thread's alone. An index is an inode number, of which there are not
            // more than positions (it saturates, and then the next `find` is the last).
            unsafe {
                (*ctx).pos = i64::try_from(found.index).unwrap_or(i64::MAX);
                if !found.emit(ctx) {
                    return;
                }
                (*ctx).pos = (*ctx).pos.saturating_add(1);
            }
        }
        if complete {
            return;
        }
    }
}

/// # Safety
///
/// Called by `vfs_llseek()` on an open directory, with its `f_pos_lock` held.
unsafe extern "C" fn llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: The file is open, and its position stays as it is while the lock is held.
    let from = unsafe { (*file).f_pos };
    let to = match whence {
        SEEK_SET => Some(offset),
        SEEK_CUR => offset.checked_add(from),
        _ => None,
    };
    match to {
        // SAFETY: As above.
        Some(to) if to >= 0 => unsafe { bindings::vfs_setpos(file, to, i64::MAX) },
        _ => EINVAL.to_errno().into(),
    }
}

/// Gives up the listing of a directory whose inode is evicted.
///
/// # Safety
///
/// `private` is what `Listing::new()` gave, by `into_foreign()`, or NULL.
pub(super) unsafe fn drop_listing(private: *mut kernel::ffi::c_void) {
    // SAFETY: The caller's promise.
    drop(unsafe { Pin::<KBox<Listing>>::try_from_foreign(private) });
}
