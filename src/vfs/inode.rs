// SPDX-License-Identifier: GPL-2.0

//! `struct inode`: making device nodes, and finding their private data again.

use super::{
    readdir::{self, Listing},
    FileSystem, SuperBlock,
};
use crate::bindings::{self, FileOps};
use core::{
    fmt,
    marker::PhantomData,
    mem::{self, ManuallyDrop},
    ptr::{self, NonNull},
};
use kernel::{
    fs::File,
    prelude::*,
    task::Kuid,
    types::ForeignOwnable, //
};

/// A kernel-internal group id, the companion of [`Kuid`].
#[derive(Clone, Copy)]
pub(crate) struct Kgid(bindings::kgid_t);

impl Kgid {
    /// From the C type.
    pub(crate) const fn from_raw(gid: bindings::kgid_t) -> Self {
        Self(gid)
    }

    /// To the C type.
    pub(crate) const fn into_raw(self) -> bindings::kgid_t {
        self.0
    }
}

/// Who an inode belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    /// User.
    pub(crate) uid: Kuid,
    /// Group.
    pub(crate) gid: Kgid,
}

impl Owner {
    /// The ids that the current task makes files with: `current_fsuid()` and `current_fsgid()`.
    pub(crate) fn current() -> Self {
        // SAFETY: These have no requirements.
        let (uid, gid) = unsafe {
            (
                bindings::rdevpts_current_fsuid(),
                bindings::rdevpts_current_fsgid(),
            )
        };
        Self {
            uid: Kuid::from_raw(uid),
            gid: Kgid::from_raw(gid),
        }
    }
}

/// A device number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Device {
    major: u32,
    minor: u32,
}

impl Device {
    /// # Errors
    ///
    /// [`None`] if one of the numbers is too large for a `dev_t`: 12 bits for the major, 20 for the minor.
    pub(crate) const fn new(major: u32, minor: u32) -> Option<Self> {
        const MAJORBITS: u32 = 32 - bindings::MINORBITS;

        if major >> MAJORBITS == 0 && minor >> bindings::MINORBITS == 0 {
            Some(Self { major, minor })
        } else {
            None
        }
    }

    /// The lowest number that there can be.
    pub(crate) const FIRST: Self = Self { major: 0, minor: 0 };

    /// The number after this, if there can be one.
    pub(crate) const fn next(self) -> Option<Self> {
        match self.into_raw().checked_add(1) {
            Some(dev) => Some(Self::from_raw(dev)),
            None => None,
        }
    }

    /// Takes a `dev_t` apart.
    pub(super) const fn from_raw(dev: bindings::dev_t) -> Self {
        Self {
            major: dev >> bindings::MINORBITS,
            minor: dev & ((1 << bindings::MINORBITS) - 1),
        }
    }

    /// `MKDEV()`.
    const fn into_raw(self) -> bindings::dev_t {
        self.major << bindings::MINORBITS | self.minor
    }
}

/// As `mountinfo` has it.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// What a node for a character device is to be.
#[derive(Clone, Copy)]
pub(crate) struct CharDevice {
    /// Inode number.
    pub(crate) ino: u64,
    /// Permission bits; others are ignored.
    pub(crate) mode: u16,
    /// Whose device it opens.
    pub(crate) device: Device,
    /// Whom it belongs to.
    pub(crate) owner: Owner,
    /// What opening it does; with [`None`] the device that is registered for the number is opened, as everywhere.
    pub(crate) fops: Option<FileOps>,
}

/// An inode that is not yet in any directory.
///
/// # Invariants
///
/// - `inode` is an inode of a superblock of the type `T` that is active for `'sb`. This value has a reference to it, and
///   no other task can find it.
/// - `i_private` is null, or a `T::Node` that is the inode's; a directory's is a [`Listing`].
pub(crate) struct NewInode<'sb, T: FileSystem> {
    inode: NonNull<bindings::inode>,
    _sb: PhantomData<&'sb SuperBlock<T>>,
}

impl<'sb, T: FileSystem> NewInode<'sb, T> {
    /// Makes a node for a character device, with `init_special_inode()`. `node` becomes the inode's private data.
    ///
    /// May sleep, to allocate memory, so it is best called before the directory is locked.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `node` is dropped then.
    pub(crate) fn chrdev(
        sb: &'sb SuperBlock<T>,
        what: CharDevice,
        node: Option<T::Node>,
    ) -> Result<Self> {
        // SAFETY: The superblock is complete, by its invariants.
        let this = unsafe { Self::new(sb.as_ptr(), what.ino) }?;
        // CAST: the type of file has no more than 16 bits.
        let mode = bindings::S_IFCHR as u16 | permission_bits(what.mode);
        // SAFETY: Nobody else has the inode, by the type invariants.
        unsafe { bindings::init_special_inode(this.inode.as_ptr(), mode, what.device.into_raw()) };
        let inode = this.inode.as_ptr();
        // SAFETY: These fields of a new inode are for who made it alone.
        unsafe {
            (*inode).i_uid = what.owner.uid.into_raw();
            (*inode).i_gid = what.owner.gid.into_raw();
            if let Some(fops) = what.fops {
                (*inode).__bindgen_anon_3.i_fop = fops.as_ptr();
            }
            if let Some(node) = node {
                // INVARIANT: `i_private` was null, and now is a `T::Node`.
                (*inode).i_private = node.into_foreign();
            }
        }
        Ok(this)
    }

    /// Makes the inode of a root directory, number 1, in which users can do nothing.
    ///
    /// # Safety
    ///
    /// `sb` must be a superblock of the type `T` with its operations set, which stays active for `'sb`.
    pub(super) unsafe fn root(sb: *mut bindings::super_block) -> Result<Self> {
        // SAFETY: The caller's promise.
        let this = unsafe { Self::new(sb, 1) }?;
        let listing = Listing::new()?.into_foreign();
        let inode = this.inode.as_ptr();
        // SAFETY: These fields of a new inode are for who made it alone. It has two links: its own `.` and the superblock's.
        // CAST: the type of file has no more than 16 bits.
        // INVARIANT: `i_private` was null, and now is the `Listing` of a directory.
        unsafe {
            (*inode).i_mode = bindings::S_IFDIR as u16 | permission_bits(T::ROOT_MODE);
            (*inode).i_op = &raw const bindings::simple_dir_inode_operations;
            (*inode).__bindgen_anon_3.i_fop = const { &readdir::OPERATIONS };
            (*inode).i_private = listing;
            bindings::set_nlink(inode, 2);
        }
        Ok(this)
    }

    /// `new_inode()` with what every inode needs.
    ///
    /// # Safety
    ///
    /// As for [`NewInode::root`].
    unsafe fn new(sb: *mut bindings::super_block, ino: u64) -> Result<Self> {
        // SAFETY: The superblock is valid and ready for inodes, by the caller's promise.
        let inode = NonNull::new(unsafe { bindings::new_inode(sb) }).ok_or(ENOMEM)?;
        // SAFETY: A new inode is ours alone.
        unsafe {
            (*inode.as_ptr()).i_ino = ino;
            bindings::simple_inode_init_ts(inode.as_ptr());
        }
        // INVARIANT: `new_inode()` gave us the only reference, on the caller's superblock; `i_private` is null.
        Ok(Self {
            inode,
            _sb: PhantomData,
        })
    }

    /// The inode number.
    pub(super) fn ino(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants; its number does not change.
        unsafe { (*self.inode.as_ptr()).i_ino }
    }

    /// Type of file and permissions.
    pub(super) fn mode(&self) -> u16 {
        // SAFETY: The inode is valid by the type invariants, and nobody else has it.
        unsafe { (*self.inode.as_ptr()).i_mode }
    }

    /// Whether this inode is of the superblock `sb`.
    pub(super) fn is_of(&self, sb: &SuperBlock<T>) -> bool {
        // SAFETY: The inode is valid by the type invariants.
        ptr::eq(unsafe { (*self.inode.as_ptr()).i_sb }, sb.as_ptr())
    }

    /// Gives up the reference, to whom the caller passes the pointer.
    pub(super) fn into_raw(self) -> *mut bindings::inode {
        ManuallyDrop::new(self).inode.as_ptr()
    }
}

impl<T: FileSystem> Drop for NewInode<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants we have a reference; its last one, so this ends in `evict_inode`.
        unsafe { bindings::iput(self.inode.as_ptr()) };
    }
}

/// The permission bits of `mode`: without the type of file.
pub(super) const fn permission_bits(mode: u16) -> u16 {
    // CAST: 12 bits.
    mode & bindings::S_IALLUGO as u16
}

/// The private data of the inode that `file` was opened on, if that is a node of the file system `T` that has any.
///
/// [`None`] for a node with the same device number on another file system: there `i_private` is not ours.
pub(crate) fn node_of_file<T: FileSystem>(
    file: &File,
) -> Option<<T::Node as ForeignOwnable>::Borrowed<'_>> {
    SuperBlock::<T>::of_file(file)?;
    // SAFETY: An open file has a path, which does not change, and whose dentry has an inode, which stays while it is open.
    let private = unsafe {
        let inode = (*(*file.as_ptr()).__bindgen_anon_1.f_path.dentry).d_inode;
        if is_dir(inode) {
            return None;
        }
        (*inode).i_private
    };
    if private.is_null() {
        return None;
    }
    // SAFETY: The superblock is of the type `T`, so by the invariants of `NewInode` this is a `T::Node`, of what is no
    // directory. It stays until the
    // inode is evicted, which is after the file is gone, and nothing borrows it mutably.
    Some(unsafe { T::Node::borrow(private) })
}

/// `super_operations.evict_inode`.
///
/// # Safety
///
/// Called by `evict()` with an inode of the type `T` to which there is no reference any more, outside of any lock that the
/// caller's callers do not hold.
pub(super) unsafe extern "C" fn evict_inode<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: The inode is valid and ours alone; this is what an inode without pages of its own needs, see
    // `Documentation/filesystems/porting.rst`.
    let private = unsafe {
        bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
        bindings::clear_inode(inode);
        mem::replace(&mut (*inode).i_private, ptr::null_mut())
    };
    // SAFETY: By the invariants of `NewInode` it is null or this inode's own: a `Listing` for a directory, else a `T::Node`.
    unsafe {
        if is_dir(inode) {
            readdir::drop_listing(private);
        } else {
            drop(T::Node::try_from_foreign(private));
        }
    }
}

/// `S_ISDIR()`.
///
/// # Safety
///
/// `inode` must be valid.
unsafe fn is_dir(inode: *mut bindings::inode) -> bool {
    // SAFETY: Valid by the caller's promise; the type of file does not change.
    u32::from(unsafe { (*inode).i_mode }) & bindings::S_IFMT == bindings::S_IFDIR
}
