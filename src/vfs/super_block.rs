// SPDX-License-Identifier: GPL-2.0

//! `struct super_block`: one mount's instance.

use super::{
    dentry::Dir,
    fs_context,
    fs_type::FileSystemType,
    inode::{self, Device, NewInode},
    FileSystem,
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    ptr::{self, NonNull},
};
use kernel::{
    error::from_result,
    ffi::{c_int, c_ulong},
    fs::File,
    prelude::*,
    seq_file::SeqFile,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{ForeignOwnable, Opaque}, //
};

/// A superblock of the file system `T`; dereferences to the instance.
///
/// # Invariants
///
/// - The superblock's type is a [`FileSystemType<T>`].
/// - `s_fs_info` is a `Pin<KBox<T>>` and `s_root` is set, and both stay so for as long as there is an active reference.
/// - There is an active reference (`s_active`) for as long as there is a Rust reference.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem> {
    inner: Opaque<bindings::super_block>,
    _instance: PhantomData<T>,
}

// SAFETY: A superblock may be used from any thread; what it has of Rust is a `T`, which is `Send` and `Sync`.
unsafe impl<T: FileSystem> Send for SuperBlock<T> {}
// SAFETY: As above; the methods only read what does not change.
unsafe impl<T: FileSystem> Sync for SuperBlock<T> {}

/// An owned active reference to a superblock: the instance and the root stay, even when the last mount is gone.
///
/// Dropping it may sleep, and takes `s_umount` when it is the last one: it must not happen with a directory of this
/// superblock locked. The module is kept only as long as the reference, so code that may drop the last one must be kept by
/// something else (as file operations, and the operations of a registered driver, are).
pub(crate) type ActiveSuper<T> = ARef<SuperBlock<T>>;

// SAFETY: The counter is `s_active`, and by the type invariants all of the superblock that can be reached through the Rust
// type stays while it is positive.
unsafe impl<T: FileSystem> AlwaysRefCounted for SuperBlock<T> {
    fn inc_ref(&self) {
        // SAFETY: There is a reference already, by the type invariants, so the superblock is not on its way out.
        unsafe { bindings::atomic_inc(&raw mut (*self.as_ptr()).s_active) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up an active reference.
        unsafe { bindings::deactivate_super(obj.as_ptr().cast()) };
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// `sb` must be as the type invariants require, for all of `'a`.
    pub(super) unsafe fn from_raw<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: Valid by the caller's promise, and `Self` is transparent. INVARIANT: the caller's promise.
        unsafe { &*sb.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.inner.get()
    }

    /// The superblock of the file system `T` that `file` was opened on; [`None`] if it was on another file system.
    ///
    /// What counts is the directory entry through which it was opened. So this tells a node of ours from a node with the
    /// same device number anywhere else.
    pub(crate) fn of_file(file: &File) -> Option<&Self> {
        // SAFETY: A file that is there can be asked for its path.
        let dentry = NonNull::new(unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path.dentry })?;
        // SAFETY: An open file has a path, which does not change, and whose dentry and superblock stay while it is open. One
        // that could not be opened has none.
        let sb = unsafe { (*dentry.as_ptr()).d_sb };
        // SAFETY: As above; `s_type` does not change.
        if unsafe { (*sb).s_type } != T::fs_type().as_ptr() {
            return None;
        }
        // SAFETY: The type is `T`'s. That a file was opened means that the superblock is complete, and the file's mount
        // has an active reference for as long as the file is there, which the returned lifetime ends before.
        Some(unsafe { Self::from_raw(sb) })
    }

    /// The number of the device that the file system is on, if only for `stat(2)`: `st_dev`.
    pub(crate) fn device(&self) -> Device {
        // SAFETY: By the type invariants the superblock is complete; the number does not change.
        Device::from_raw(unsafe { (*self.as_ptr()).s_dev })
    }

    /// The root directory.
    pub(crate) fn root(&self) -> Dir<'_, T> {
        // SAFETY: By the type invariants `s_root` is set, and stays for the lifetime of `self`. It is a directory.
        unsafe { Dir::from_raw(self, (*self.as_ptr()).s_root) }
    }
}

impl<T: FileSystem> Deref for SuperBlock<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants `s_fs_info` is a `Pin<KBox<T>>` for the lifetime of `self`, and nobody borrows it
        // mutably.
        let instance = unsafe { Pin::<KBox<T>>::borrow((*self.as_ptr()).s_fs_info) };
        instance.get_ref()
    }
}

/// The superblock's operations for the file system `T`.
struct Operations<T>(PhantomData<T>);

impl<T: FileSystem> Operations<T> {
    const TABLE: bindings::super_operations = bindings::super_operations {
        statfs: Some(statfs::<T>),
        show_options: Some(show_options::<T>),
        evict_inode: Some(inode::evict_inode::<T>),
        ..pin_init::zeroed()
    };
}

/// Makes a new superblock: the callback of `get_tree_nodev()`.
///
/// # Safety
///
/// Called by `vfs_get_super()` with a new superblock of the type `T`, whose `s_umount` is held exclusively and which nobody
/// else uses, and with the context that [`fs_context::init_fs_context`] for the same `T` succeeded for. If this fails, the
/// caller drops the superblock's last reference, which ends in [`kill_sb`].
pub(super) unsafe extern "C" fn fill_super<T: FileSystem>(
    sb: *mut bindings::super_block,
    fc: *mut bindings::fs_context,
) -> c_int {
    from_result(|| {
        let fc = NonNull::new(fc).ok_or(EINVAL)?;
        // SAFETY: See above.
        let options = unsafe { fs_context::take_options::<T>(fc) }?;
        // SAFETY: The context is of the type `T`.
        let data = unsafe { FileSystemType::<T>::data((*fc.as_ptr()).fs_type) }?;
        let instance = KBox::pin_init(T::new(data, KBox::into_inner(options)), GFP_KERNEL)?;

        // SAFETY: The superblock is valid, and these fields are for this function alone to set.
        unsafe {
            if T::DEVICE_NODES {
                // CAST: a single low bit.
                (*sb).s_iflags &= !(bindings::SB_I_NODEV as c_ulong);
            }
            (*sb).s_blocksize_bits = T::BLOCK_SIZE_BITS;
            (*sb).s_blocksize = const { 1 << T::BLOCK_SIZE_BITS };
            (*sb).s_magic = T::SUPER_MAGIC;
            (*sb).s_op = &Operations::<T>::TABLE;
            // What is not pinned goes with its last user: names that were looked up in vain must not pile up.
            (*sb).s_d_flags = bindings::dentry_flags_DCACHE_DONTCACHE;
            (*sb).s_time_gran = 1;
            (*sb).s_fs_info = instance.into_foreign();
        }

        // SAFETY: The superblock is valid, and set up so that inodes may be made.
        let root = unsafe { NewInode::<T>::root(sb) }?;
        // SAFETY: `d_make_root()` takes over the reference to the inode, also when it fails.
        let root = NonNull::new(unsafe { bindings::d_make_root(root.into_raw()) }).ok_or(ENOMEM)?;
        // SAFETY: Ours alone until this function returns.
        unsafe { (*sb).s_root = root.as_ptr() };

        // SAFETY: The type is `T`'s, `s_fs_info` and `s_root` have just been set, and the caller has an active reference.
        let sb = unsafe { SuperBlock::<T>::from_raw(sb) };
        T::populate(&sb.root())?;
        Ok(0)
    })
}

/// `file_system_type.kill_sb`.
///
/// # Safety
///
/// Called by `deactivate_locked_super()` when the last active reference is gone, with a superblock of the type `T` whose
/// `s_umount` is held exclusively, made by [`fill_super`] as far as that got.
pub(super) unsafe extern "C" fn kill_sb<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: The superblock is valid. There is no active reference, hence no `SuperBlock<T>`.
    let info = unsafe { (*sb).s_fs_info };
    if !info.is_null() {
        // SAFETY: `fill_super` stored a `Pin<KBox<T>>` there. It is dropped below, and nobody borrows it mutably.
        let instance = unsafe { Pin::<KBox<T>>::borrow(info) };
        // SAFETY: As above, the superblock is valid; the number is its own until `kill_anon_super()`.
        let device = Device::from_raw(unsafe { (*sb).s_dev });
        instance.get_ref().shutdown(device);
    }
    // SAFETY: The superblock was made by `get_tree_nodev()`, that is with an anonymous device. It stays until the caller
    // gives up its passive reference.
    unsafe { bindings::kill_anon_super(sb) };
    // All inodes are gone, so nothing of the file system can look for the instance any more.
    //
    // SAFETY: As above, the superblock is still valid.
    unsafe { (*sb).s_fs_info = ptr::null_mut() };
    // SAFETY: `fill_super` stored a `Pin<KBox<T>>` there, or did not get so far, which left null.
    drop(unsafe { Pin::<KBox<T>>::try_from_foreign(info) });
}

/// `super_operations.statfs`.
///
/// # Safety
///
/// Called by `statfs_by_dentry()` with a valid dentry of a superblock of the type `T` and a buffer to fill.
unsafe extern "C" fn statfs<T: FileSystem>(
    dentry: *mut bindings::dentry,
    buf: *mut kernel::bindings::kstatfs,
) -> c_int {
    // SAFETY: Both are valid, see above.
    let ret = unsafe { bindings::simple_statfs(dentry, buf) };
    if ret == 0 {
        // SAFETY: As above; the kernel crate has this type as an opaque one.
        unsafe { (*buf.cast::<bindings::kstatfs>()).f_type = T::STATFS_MAGIC };
    }
    ret
}

/// `super_operations.show_options`.
///
/// # Safety
///
/// Called by `show_sb_opts()`'s callers in `fs/proc_namespace.c` with the root of a mounted superblock of the type `T`.
unsafe extern "C" fn show_options<T: FileSystem>(
    seq: *mut bindings::seq_file,
    dentry: *mut bindings::dentry,
) -> c_int {
    // SAFETY: The mount that is being shown has an active reference, for longer than this call.
    let sb = unsafe { SuperBlock::<T>::from_raw((*dentry).d_sb) };
    // SAFETY: The caller owns the `seq_file` for the duration of this call.
    T::show_options(sb, unsafe { SeqFile::from_raw(seq) });
    0
}
