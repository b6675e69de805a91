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

use super::records::Records;
use crate::bindings;
use core::cell::UnsafeCell;
use kernel::{
    ffi::{c_int, c_uint, c_void},
    prelude::*,
    types::ForeignOwnable, //
};

/// How many entries are copied each time the directory is locked.
const BATCH: usize = 16;

/// The first position after `.` and `..`, and so the lowest inode number that an entry may have.
const FIRST: u64 = 2;

/// One more than the highest inode number that an entry may have: a listing takes memory in proportion to that.
const END: u64 = 1 << 21;

/// The longest name that an entry may have.
const NAME_MAX: usize = 22;

/// `SEEK_SET` and `SEEK_CUR` of `include/uapi/linux/fs.h`.
const SEEK_SET: c_int = bindings::SEEK_SET as c_int;
const SEEK_CUR: c_int = bindings::SEEK_CUR as c_int;

/// What a listing says of an entry, beside its inode number.
#[derive(Clone, Copy)]
pub(super) struct Record {
    name: [u8; NAME_MAX],
    /// 0 for no entry.
    length: u8,
    /// `DT_*`, as `getdents(2)` has it.
    file_type: u8,
}

impl Record {
    const NONE: Self = Self {
        name: [0; NAME_MAX],
        length: 0,
        file_type: 0,
    };

    /// The entry `name`.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG` for more than 22 bytes.
    pub(super) fn new(name: &CStr) -> Result<Self> {
        // `to_bytes()` subtracts in a way that can panic.
        let (_nul, bytes) = name.to_bytes_with_nul().split_last().ok_or(EINVAL)?;
        let mut this = Self::NONE;
        this.name
            .get_mut(..bytes.len())
            .ok_or_else(|| bindings::compat::error(bindings::ENAMETOOLONG))?
            .copy_from_slice(bytes);
        this.length = u8::try_from(bytes.len())?;
        Ok(this)
    }

    fn is_some(&self) -> bool {
        self.length != 0
    }
}

/// The entries of a directory by their inode numbers: the private data (`i_private`) of a directory's inode.
///
/// # Invariants
///
/// Changed with the directory's `i_rwsem` held exclusively, and read with it held at least shared. The last record is that of
/// an entry.
pub(super) struct Listing {
    records: UnsafeCell<Records<Record>>,
}

// SAFETY: Plain data, with a lock as the type invariants say.
unsafe impl Send for Listing {}
// SAFETY: As above.
unsafe impl Sync for Listing {}

impl Listing {
    /// An empty directory's.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                records: UnsafeCell::new(Records::new()),
            },
            GFP_KERNEL,
        )?)
    }

    /// The listing of the directory `dir`.
    ///
    /// # Safety
    ///
    /// `dir` must be a directory's inode of this module, and stay so for `'a`.
    pub(super) unsafe fn of<'a>(dir: *mut bindings::inode) -> &'a Self {
        // SAFETY: Such an inode has a `KBox<Listing>` as private data until it is evicted.
        unsafe { KBox::<Self>::borrow((*dir).i_private) }
    }

    /// Adds an entry whose inode has number `ino` and type and permissions `mode`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is one of that number, `EINVAL` for one of the numbers that stand for `.` and `..`, or
    /// for one of more than 21 bits.
    ///
    /// # Safety
    ///
    /// The directory is locked exclusively.
    pub(super) unsafe fn insert(&self, ino: u64, mode: u16, record: Record) -> Result {
        if !(FIRST..END).contains(&ino) {
            return Err(EINVAL);
        }
        let index = usize::try_from(ino)?;
        // SAFETY: The directory is locked exclusively, so nobody else uses the records.
        let records = unsafe { &mut *self.records.get() };
        // It does not overflow, as it is not more than `END`.
        records.grow_to(index.wrapping_add(1), Record::NONE)?;
        let place = records.as_mut_slice().get_mut(index).ok_or(EINVAL)?;
        if place.is_some() {
            return Err(EEXIST);
        }
        *place = Record {
            // S_DT() of include/linux/fs_dirent.h. CAST: 4 bits.
            file_type: (mode >> 12) as u8,
            ..record
        };
        Ok(())
    }

    /// Removes the entry whose inode has number `ino`, if there is one.
    ///
    /// # Safety
    ///
    /// The directory is locked exclusively.
    pub(super) unsafe fn remove(&self, ino: u64) {
        // SAFETY: The directory is locked exclusively, so nobody else uses the records.
        let records = unsafe { &mut *self.records.get() };
        if let Some(place) = usize::try_from(ino)
            .ok()
            .and_then(|index| records.as_mut_slice().get_mut(index))
        {
            *place = Record::NONE;
        }
        let mut used = records.as_slice();
        while let Some((last, rest)) = used.split_last() {
            if last.is_some() {
                break;
            }
            used = rest;
        }
        let used = used.len();
        records.truncate(used);
    }

    /// Whether there is no entry at position `from` or after it.
    ///
    /// # Safety
    ///
    /// The directory is locked, at least shared.
    unsafe fn ends_before(&self, from: u64) -> bool {
        // SAFETY: The directory is locked, so nobody changes the records. The last of them is an entry.
        let records = unsafe { &*self.records.get() };
        records.as_slice().len() as u64 <= from
    }

    /// Copies entries from position `from` on into `batch`.
    ///
    /// # Safety
    ///
    /// The directory is locked, at least shared.
    unsafe fn copy(&self, from: u64, batch: &mut Batch) {
        batch.used = 0;
        let Ok(mut index) = usize::try_from(from) else {
            return;
        };
        // SAFETY: The directory is locked, so nobody changes the records.
        let records = unsafe { (*self.records.get()).as_slice() };
        while let (Some(record), Some(place)) =
            (records.get(index), batch.entries.get_mut(batch.used))
        {
            if record.is_some() {
                *place = (index, *record);
                // Neither is more than a length.
                batch.used = batch.used.wrapping_add(1);
            }
            index = index.wrapping_add(1);
        }
    }
}

/// Entries on their way to a reader.
struct Batch {
    entries: [(usize, Record); BATCH],
    used: usize,
}

impl Batch {
    fn new() -> Self {
        Self {
            entries: [(0, Record::NONE); BATCH],
            used: 0,
        }
    }

    /// Whether these are the last entries.
    fn is_last(&self) -> bool {
        self.used < BATCH
    }

    /// Copies the entries to the reader of `ctx`. False if its buffer is full; its position is then that of the first entry
    /// that did not fit.
    ///
    /// # Safety
    ///
    /// `ctx` is the context of a listing under way, and of this thread alone.
    unsafe fn emit(&self, ctx: *mut bindings::dir_context) -> bool {
        for (index, record) in self.entries.get(..self.used).unwrap_or_default() {
            // SAFETY: The context is valid. The name is valid for its length, which is not more than `NAME_MAX`. An index is
            // less than `END`, so the sum does not overflow.
            unsafe {
                (*ctx).pos = *index as bindings::loff_t;
                if !bindings::rdevpts_dir_emit(
                    ctx,
                    record.name.as_ptr().cast(),
                    c_int::from(record.length),
                    *index as u64,
                    c_uint::from(record.file_type),
                ) {
                    return false;
                }
                (*ctx).pos = (*ctx).pos.wrapping_add(1);
            }
        }
        true
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
    // SAFETY: The inode is a directory's of this module, and stays while the file is open. `ctx` is this thread's. The lock
    // is given back as it was found; the caller relies on it for no more than that the directory was not removed before.
    unsafe {
        let dir = (*file).f_inode;
        let listing = Listing::of(dir);
        let dots = (*ctx).pos < FIRST as bindings::loff_t;
        // A position is not negative.
        let from = |ctx: *mut bindings::dir_context| ((*ctx).pos as u64).max(FIRST);

        if !dots && listing.ends_before(from(ctx)) {
            return 0;
        }
        let mut batch = Batch::new();
        listing.copy(from(ctx), &mut batch);
        bindings::rdevpts_inode_unlock_shared(dir);
        if !dots || bindings::rdevpts_dir_emit_dots(file, ctx) {
            while batch.emit(ctx) && !batch.is_last() {
                bindings::rdevpts_inode_lock_shared(dir);
                listing.copy(from(ctx), &mut batch);
                bindings::rdevpts_inode_unlock_shared(dir);
            }
        }
        bindings::rdevpts_inode_lock_shared(dir);
    }
    0
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
pub(super) unsafe fn drop_listing(private: *mut c_void) {
    // SAFETY: The caller's promise.
    drop(unsafe { KBox::<Listing>::try_from_foreign(private) });
}
