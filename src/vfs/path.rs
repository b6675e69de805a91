// SPDX-License-Identifier: GPL-2.0

//! Paths: opening an entry through the mount that another file came from.

use super::{ActiveSuper, Entry, FileSystem, SuperBlock};
use crate::bindings;
use core::{
    mem,
    ptr::{self, NonNull},
};
use kernel::{
    error::from_err_ptr,
    ffi::c_int,
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};

/// A place in the tree of mounts: `struct path`, with its references.
///
/// # Invariants
///
/// `0` has a reference to a mount and one to a dentry of the mount's superblock.
pub(crate) struct Path(bindings::path);

// SAFETY: Mounts and dentries can be used from any thread.
unsafe impl Send for Path {}
// SAFETY: As above; the methods on `&self` do not change it.
unsafe impl Sync for Path {}

impl Path {
    /// Where `file` was opened.
    pub(crate) fn of_file(file: &File) -> Self {
        // SAFETY: An open file has a path, which does not change and has references.
        let path = unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path };
        // SAFETY: Valid, see above.
        unsafe { bindings::path_get(&path) };
        // INVARIANT: Now it has references of its own.
        Self(path)
    }

    /// Opens it, with the credentials of the current task: `dentry_open()`. The flags are those of `open(2)`.
    ///
    /// # Errors
    ///
    /// Those of opening a file, permissions included. What opening the device gives is among them.
    pub(crate) fn open(&self, flags: u32) -> Result<ARef<File>> {
        // SAFETY: The path is valid by the type invariants; the current task's credentials are valid during the call, and
        // the new file takes a reference to them.
        let file = from_err_ptr(unsafe {
            // CAST: the flags are a set of bits, which C has as a signed number.
            bindings::dentry_open(&self.0, flags as c_int, bindings::rdevpts_current_cred())
        })?;
        let file = NonNull::new(file.cast::<File>()).ok_or(ENOENT)?;
        // SAFETY: The reference to the new file is ours. It is in no descriptor table, so nobody uses its position.
        Ok(unsafe { ARef::from_raw(file) })
    }

    /// Whether it is the root of its mount: for a bind mount of a single file, that file.
    fn is_mount_root(&self) -> bool {
        // SAFETY: Valid by the type invariants; a mount's root does not change.
        unsafe { ptr::eq((*self.0.mnt).mnt_root, self.0.dentry) }
    }

    /// Goes from a mount's root to the place where it is mounted: `follow_up()`. False if it is mounted nowhere.
    fn follow_up(&mut self) -> bool {
        // SAFETY: Valid by the type invariants, which it keeps.
        unsafe { bindings::follow_up(&mut self.0) != 0 }
    }

    /// Goes to what is mounted on `name` beside this, in the same directory: `path_pts()` in `fs/namei.c`, which modules
    /// cannot call.
    ///
    /// Only a name in the dentry cache is found: anything else cannot be a mount point. Permissions do not matter, as there.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the directory cannot be reached through the mount, or there is no such name.
    fn follow_sibling(&mut self, name: &CStr) -> Result {
        // SAFETY: The dentry is valid by the type invariants; this gives a reference to its parent.
        let parent = unsafe { bindings::dget_parent(self.0.dentry) };
        let child = if self.is_connected(parent) {
            // SAFETY: The parent is valid, and the name ends with a NUL.
            from_err_ptr(unsafe { bindings::rdevpts_try_lookup(parent, name.as_char_ptr()) })
        } else {
            Err(ENOENT)
        };
        // SAFETY: The reference is ours to give up.
        unsafe { bindings::dput(parent) };
        let child = child.ok().and_then(NonNull::new).ok_or(ENOENT)?;
        self.set_dentry(child);
        // SAFETY: Valid by the type invariants, which it keeps, also when it fails.
        unsafe { bindings::follow_down(&mut self.0, 0) };
        Ok(())
    }

    /// Whether `dentry` is below the root of the mount: `path_connected()` in `fs/namei.c`. A rename can move a directory
    /// out of a bind mount.
    fn is_connected(&self, dentry: *mut bindings::dentry) -> bool {
        // SAFETY: Valid by the type invariants; the root of a mount does not change.
        self.is_of_whole() || unsafe { bindings::is_subdir(dentry, (*self.0.mnt).mnt_root) }
    }

    /// Whether the mount is of a whole superblock, not of a part of it.
    fn is_of_whole(&self) -> bool {
        // SAFETY: Valid by the type invariants; neither the root of a mount nor that of a superblock changes.
        unsafe { ptr::eq((*self.0.mnt).mnt_root, (*(*self.0.mnt).mnt_sb).s_root) }
    }

    fn is_on<T: FileSystem>(&self, sb: &SuperBlock<T>) -> bool {
        // SAFETY: Valid by the type invariants.
        ptr::eq(unsafe { (*self.0.mnt).mnt_sb }, sb.as_ptr())
    }

    /// Goes to `dentry`, whose reference becomes the path's. It must be of the mount's superblock.
    fn set_dentry(&mut self, dentry: NonNull<bindings::dentry>) {
        let old = mem::replace(&mut self.0.dentry, dentry.as_ptr());
        // SAFETY: The reference to the old one is ours to give up. INVARIANT: as the caller says.
        unsafe { bindings::dput(old) };
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the references are ours to give up.
        unsafe { bindings::path_put(&self.0) };
    }
}

/// An entry to be found through a mount, for as long as it takes: whatever its owner does with it meanwhile.
///
/// # Invariants
///
/// Has a reference to `dentry`, one of `sb`.
pub(crate) struct Place<T: FileSystem> {
    dentry: NonNull<bindings::dentry>,
    sb: ActiveSuper<T>,
}

impl<T: FileSystem> Drop for Place<T> {
    fn drop(&mut self) {
        // SAFETY: The reference is ours to give up, by the type invariants; the superblock's is dropped after it.
        unsafe { bindings::dput(self.dentry.as_ptr()) };
    }
}

impl<T: FileSystem> Entry<T> {
    /// Where it is.
    pub(crate) fn place(&self) -> Place<T> {
        // INVARIANT: A reference of its own.
        Place {
            dentry: self.dget(),
            sb: self.super_block().into(),
        }
    }
}

impl<T: FileSystem> Place<T> {
    /// The entry as seen through the mount that the multiplexer `ptmx` belongs to: `devpts_mntget()` in
    /// `fs/devpts/inode.c`.
    ///
    /// That is the mount through which `ptmx` was opened, if that is one of the entry's superblock. If its node was
    /// bind-mounted elsewhere, it is what is mounted on `pts` in the directory where it was bind-mounted.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no `pts` there, `ENODEV` if that is no mount of all of the entry's superblock.
    ///
    /// May wait for whoever serves the file systems on the way.
    pub(crate) fn beside(&self, ptmx: &File) -> Result<Path> {
        let sb = &*self.sb;
        let mut path = Path::of_file(ptmx);
        while path.is_mount_root() && path.follow_up() {}
        if !path.is_on(sb) {
            path.follow_sibling(c"pts")?;
            if !path.is_on(sb) || !path.is_of_whole() {
                return Err(ENODEV);
            }
        }
        // SAFETY: By the type invariants we have a reference: another becomes the path's.
        unsafe { bindings::rdevpts_dget(self.dentry.as_ptr()) };
        path.set_dentry(self.dentry);
        Ok(path)
    }
}
