// SPDX-License-Identifier: GPL-2.0

//! Directory entries, made and removed under the directory's lock.
//!
//! C headers: [`include/linux/dcache.h`](srctree/include/linux/dcache.h),
//! [`include/linux/namei.h`](srctree/include/linux/namei.h)
//!
//! This is the only file that may call `d_make_persistent()`, `d_make_discardable()`, `d_invalidate()`, `d_drop()` and
//! `d_delete()`.

use super::{
    inode::permission_bits,
    readdir::{Listing, Record},
    ActiveSuper, FileSystem, NewInode, SuperBlock,
};
use crate::bindings;
use core::{mem::ManuallyDrop, ptr::NonNull};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    types::NotThreadSafe, //
};

/// A directory.
///
/// # Invariants
///
/// `dentry` is a directory of the superblock `sb` that stays for `'sb`.
pub(crate) struct Dir<'sb, T: FileSystem> {
    sb: &'sb SuperBlock<T>,
    dentry: NonNull<bindings::dentry>,
}

impl<T: FileSystem> Clone for Dir<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Dir<'_, T> {}

impl<'sb, T: FileSystem> Dir<'sb, T> {
    /// # Safety
    ///
    /// `dentry` must be as the type invariants require.
    pub(super) unsafe fn from_raw(sb: &'sb SuperBlock<T>, dentry: *mut bindings::dentry) -> Self {
        // SAFETY: A directory's dentry is not null. INVARIANT: the caller's promise.
        let dentry = unsafe { NonNull::new_unchecked(dentry) };
        Self { sb, dentry }
    }

    /// The superblock that it is a directory of.
    pub(crate) fn super_block(&self) -> &'sb SuperBlock<T> {
        self.sb
    }

    fn inode(&self) -> *mut bindings::inode {
        // SAFETY: By the type invariants the dentry is valid, and a directory that stays keeps its inode.
        unsafe { inode_of(self.dentry) }
    }

    /// Locks the directory and makes sure that `name` is free: `simple_start_creating()`.
    ///
    /// Takes `i_rwsem` exclusively, in the class `I_MUTEX_PARENT`; may sleep.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if there is such a name.
    /// - `EACCES` if it is no name (empty, `.`, `..`, with a slash), `ENAMETOOLONG` for more than 22 bytes.
    /// - `ENOMEM`.
    pub(crate) fn start_creating(&self, name: &CStr) -> Result<Creating<'sb, T>> {
        let record = Record::new(name)?;
        // SAFETY: The directory is valid by the type invariants, and the name ends with a NUL.
        let dentry = from_err_ptr(unsafe {
            bindings::simple_start_creating(self.dentry.as_ptr(), name.as_char_ptr())
        })?;
        let dentry = NonNull::new(dentry).ok_or(ENOMEM)?;
        // INVARIANT: What `simple_start_creating()` gives: a reference to a negative child, the directory locked.
        Ok(Creating {
            dir: *self,
            dentry,
            record,
            _not_send: NotThreadSafe,
        })
    }

    /// Sets the permission bits of the entry `name`, as a remount does.
    ///
    /// Takes the entry's `i_rwsem` exclusively; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no such entry, `EACCES` if it is no name.
    pub(crate) fn set_mode(&self, name: &CStr, mode: u16) -> Result {
        // SAFETY: The directory is valid by the type invariants, and the name ends with a NUL.
        let dentry = from_err_ptr(unsafe {
            bindings::rdevpts_try_lookup(self.dentry.as_ptr(), name.as_char_ptr())
        })?;
        let dentry = NonNull::new(dentry).ok_or(ENOENT)?;
        // SAFETY: We have a reference, and nothing makes a positive dentry negative while there is one.
        let inode = unsafe { inode_of(dentry) };
        let found = !inode.is_null();
        if found {
            // SAFETY: The inode is valid. As in `notify_change()` its lock is held while the mode is changed; readers do not
            // take it, hence the single store.
            unsafe {
                bindings::rdevpts_inode_lock(inode);
                let i_mode = &raw mut (*inode).i_mode;
                let file_type = i_mode.read() & !permission_bits(u16::MAX);
                i_mode.write_volatile(file_type | permission_bits(mode));
                bindings::rdevpts_inode_unlock(inode);
            }
        }
        // SAFETY: The reference is ours to give up.
        unsafe { bindings::dput(dentry.as_ptr()) };
        if found {
            Ok(())
        } else {
            Err(ENOENT)
        }
    }
}

/// A name that is about to come into being, with its directory locked. Dropping it unlocks the directory and leaves no trace
/// of the name.
///
/// # Invariants
///
/// `dentry` is a negative child of `dir` to which this value has a reference. The current task holds the `i_rwsem` of `dir`
/// exclusively, and this value is what unlocks it.
#[must_use = "dropping it unlocks the directory and creates nothing"]
pub(crate) struct Creating<'sb, T: FileSystem> {
    dir: Dir<'sb, T>,
    dentry: NonNull<bindings::dentry>,
    /// What the directory's listing will say.
    record: Record,
    /// The lock must be released by the task that took it.
    _not_send: NotThreadSafe,
}

impl<T: FileSystem> Creating<'_, T> {
    /// Puts `inode` under the name, tells who watches the directory, and unlocks it.
    ///
    /// # Errors
    ///
    /// `EXDEV` if the inode was made for another superblock, `EEXIST` if its number is taken, `EINVAL` if that is less than
    /// 2, `ENOMEM`. Nothing is created then.
    pub(crate) fn make_persistent(self, inode: NewInode<'_, T>) -> Result<Entry<T>> {
        if let Err(failed) = self.instantiate(inode) {
            return Err(self.give_up(failed));
        }
        // SAFETY: Both are valid, and the name is stable, since the directory is locked.
        unsafe { bindings::rdevpts_fsnotify_create(self.dir.inode(), self.dentry.as_ptr()) };
        // INVARIANT: The dentry is now persistent, hashed and positive, in a directory of that superblock, and no other
        // `Entry` was made for it.
        Ok(Entry {
            linked: ManuallyDrop::new(Linked {
                dentry: self.dentry,
                sb: self.dir.sb.into(),
            }),
        })
    }

    /// Puts `inode` under the name for as long as the superblock lives, and unlocks the directory.
    ///
    /// There is no [`Entry`], since its reference would keep the superblock. Nobody is told: this is for what a mount has
    /// from the start.
    ///
    /// # Errors
    ///
    /// As for [`Creating::make_persistent`].
    pub(crate) fn make_permanent(self, inode: NewInode<'_, T>) -> Result {
        self.instantiate(inode)
            .map_err(|failed| self.give_up(failed))
    }

    /// Unlocks the directory, and drops the inode then.
    fn give_up(self, (error, inode): (Error, NewInode<'_, T>)) -> Error {
        drop(self);
        drop(inode);
        error
    }

    /// On failure the inode comes back: it is to be dropped when the directory is unlocked.
    fn instantiate<'sb>(&self, inode: NewInode<'sb, T>) -> Result<(), (Error, NewInode<'sb, T>)> {
        if !inode.is_of(self.dir.sb) {
            return Err((EXDEV, inode));
        }
        let dir = self.dir.inode();
        // SAFETY: The directory is valid by the type invariants.
        unsafe { bindings::rdevpts_inode_assert_locked(dir) };
        // SAFETY: A directory has a listing. By the type invariants it is locked.
        let listed = unsafe { Listing::of(dir).insert(inode.ino(), inode.mode(), self.record) };
        if let Err(error) = listed {
            return Err((error, inode));
        }
        // SAFETY: By the type invariants the dentry is negative, and the directory is locked. The inode is of the same
        // superblock; its reference goes to the dentry.
        unsafe { bindings::d_make_persistent(self.dentry.as_ptr(), inode.into_raw()) };
        Ok(())
    }
}

impl<T: FileSystem> Drop for Creating<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference and the lock are ours to give up.
        unsafe { bindings::simple_done_creating(self.dentry.as_ptr()) };
    }
}

/// An entry that there is, with what it takes to remove it.
///
/// # Invariants
///
/// `dentry` is a persistent dentry, which is hashed and positive, in a directory of `sb`. This value alone removes it, so it
/// stays as it is for as long as this value does; nothing that user space can do renames it, removes it, or removes its
/// directory.
struct Linked<T: FileSystem> {
    dentry: NonNull<bindings::dentry>,
    sb: ActiveSuper<T>,
}

impl<T: FileSystem> Linked<T> {
    fn dir(&self) -> *mut bindings::inode {
        // SAFETY: By the type invariants the dentry stays, is never moved, and neither is its directory removed.
        unsafe { inode_of(NonNull::new_unchecked((*self.dentry.as_ptr()).d_parent)) }
    }
}

/// A directory entry, which it takes this value to remove; neither `Copy` nor `Clone`, so it is removed once.
///
/// It keeps its superblock active. Dropping it removes the entry, as [`Entry::start_removing`] and [`Removing::unlink`] do;
/// like those, it may sleep, and must not happen with the directory locked.
///
/// # Invariants
///
/// `linked` is there until this is dropped or consumed.
#[must_use = "dropping it removes the entry"]
pub(crate) struct Entry<T: FileSystem> {
    linked: ManuallyDrop<Linked<T>>,
}

// SAFETY: The dentry can be used from any thread, and so can the superblock reference.
unsafe impl<T: FileSystem> Send for Entry<T> {}
// SAFETY: As above; the methods on `&self` take references only.
unsafe impl<T: FileSystem> Sync for Entry<T> {}

impl<T: FileSystem> Entry<T> {
    /// Locks the entry's directory, so that the entry can be removed.
    ///
    /// Takes `i_rwsem` exclusively, in the class `I_MUTEX_PARENT`; may sleep. This is `start_removing_dentry()` without what
    /// makes that fail: that the entry is in another directory, or is not there, cannot be expressed.
    pub(crate) fn start_removing(self) -> Removing<T> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, and not used after this.
        Removing::lock(unsafe { ManuallyDrop::take(&mut this.linked) })
    }

    /// The superblock that the entry is in.
    pub(crate) fn super_block(&self) -> &SuperBlock<T> {
        &self.linked.sb
    }

    /// Whom the entry belongs to, as user and group of the initial user namespace, and its permission bits, now.
    pub(crate) fn attributes(&self) -> Attributes {
        // SAFETY: By the invariants of `Linked` the dentry stays positive. `chown(2)` and `chmod(2)` store each of these whole.
        unsafe {
            let inode = inode_of(self.linked.dentry);
            Attributes {
                uid: bindings::read_racy(&raw const (*inode).i_uid).val,
                gid: bindings::read_racy(&raw const (*inode).i_gid).val,
                mode: permission_bits(bindings::read_racy(&raw const (*inode).i_mode)),
            }
        }
    }

    /// A new reference to the dentry, for who passes the pointer on.
    pub(super) fn dget(&self) -> NonNull<bindings::dentry> {
        // SAFETY: The dentry is valid by the invariants of `Linked`.
        unsafe { bindings::rdevpts_dget(self.linked.dentry.as_ptr()) };
        self.linked.dentry
    }
}

impl<T: FileSystem> Drop for Entry<T> {
    fn drop(&mut self) {
        // SAFETY: `linked` is there, by the type invariants, and not used after this.
        Removing::lock(unsafe { ManuallyDrop::take(&mut self.linked) }).unlink();
    }
}

/// What [`Entry::attributes`] tells.
pub(crate) struct Attributes {
    /// The owner, in the initial user namespace.
    pub(crate) uid: u32,
    /// The group, likewise.
    pub(crate) gid: u32,
    /// Permission bits.
    pub(crate) mode: u16,
}

/// An entry that is about to be removed, with its directory locked. Dropping it removes the entry and unlocks the directory.
///
/// # Invariants
///
/// The current task holds the `i_rwsem` of the entry's directory exclusively, and this value is what unlocks it.
#[must_use = "dropping it removes the entry"]
pub(crate) struct Removing<T: FileSystem> {
    /// Its superblock reference is dropped after the directory is unlocked: fields are dropped after [`Drop::drop`].
    linked: Linked<T>,
    /// The lock must be released by the task that took it.
    _not_send: NotThreadSafe,
}

impl<T: FileSystem> Removing<T> {
    fn lock(linked: Linked<T>) -> Self {
        // SAFETY: The directory is valid by the invariants of `Linked`.
        unsafe { bindings::rdevpts_inode_lock_parent(linked.dir()) };
        // INVARIANT: Just locked.
        Self {
            linked,
            _not_send: NotThreadSafe,
        }
    }

    /// Removes the entry, detaches what is mounted on it, tells who watches the directory, and unlocks it.
    ///
    /// Afterwards the name is free and nobody can open the entry; who has it open, keeps it. The inode's private data is
    /// dropped with the last of those, with the directory unlocked.
    pub(crate) fn unlink(self) {
        drop(self);
    }
}

impl<T: FileSystem> Drop for Removing<T> {
    fn drop(&mut self) {
        let dir = self.linked.dir();
        let dentry = self.linked.dentry.as_ptr();
        // SAFETY: By the type invariants `dentry` is positive and persistent, and we hold its directory's lock. In this
        // order as in `__simple_recursive_removal()`:
        //
        // - nobody who lists the directory finds it any more;
        // - the inode loses its link;
        // - the name is unhashed, and what is mounted on it is detached;
        // - only then the event, or a watcher could open the entry again (see `fsnotify_unlink()`);
        // - the reference that persistence was goes, while we have another, so that it is not the last one;
        // - the last one may go only after the unlock, since then the inode's private data is dropped.
        unsafe {
            bindings::rdevpts_inode_assert_locked(dir);
            bindings::rdevpts_dget(dentry);
            let inode = inode_of(self.linked.dentry);
            Listing::of(dir).remove((*inode).i_ino);
            bindings::drop_nlink(inode);
            bindings::d_invalidate(dentry);
            bindings::rdevpts_fsnotify_unlink(dir, dentry);
            bindings::d_make_discardable(dentry);
            bindings::rdevpts_inode_unlock(dir);
            bindings::dput(dentry);
        }
    }
}

/// `d_inode()`.
///
/// # Safety
///
/// `dentry` must be valid, and positive or not become so meanwhile.
unsafe fn inode_of(dentry: NonNull<bindings::dentry>) -> *mut bindings::inode {
    // SAFETY: Valid by the caller's promise.
    unsafe { (*dentry.as_ptr()).d_inode }
}
