// SPDX-License-Identifier: GPL-2.0

//! `struct file_system_type` and its registration.

use super::{fs_context, super_block, FileSystem};
use crate::bindings::{self, compat::this_module};
use core::{cell::UnsafeCell, mem::MaybeUninit, ptr};
use kernel::{
    error::to_result,
    ffi::c_int,
    new_spinlock,
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::{
        atomic::{
            ordering::{Acquire, Relaxed, Release},
            Atomic,
        },
        Arc, SpinLock,
    },
    types::Opaque, //
};

/// The registration's reference to the data of `T`, while there is a registration.
type DataLock<T> = SpinLock<Option<Arc<<T as FileSystem>::Data>>>;

/// A file system type, to be declared as a static.
///
/// Its address is the identity of the type: a superblock belongs to `T` if and only if its `s_type` is this static.
///
/// # Invariants
///
/// `inner` is made by [`FileSystemType::new`], so that every superblock and context of this type is handled by the
/// functions of this module for `T`; after that only the C side writes to it. `data` is initialised if `state` is [`READY`].
#[repr(C)]
pub(crate) struct FileSystemType<T: FileSystem> {
    inner: Opaque<bindings::file_system_type>,
    state: Atomic<u32>,
    /// Each superblock has a reference of its own.
    data: UnsafeCell<MaybeUninit<DataLock<T>>>,
}

/// [`FileSystemType`]: as made by [`FileSystemType::new`].
const NEW: u32 = 0;
/// [`FileSystemType`]: one thread has `data` to itself, to initialise it.
const BUSY: u32 = 1;
/// [`FileSystemType`]: `data` is initialised, and stays so.
const READY: u32 = 2;

// SAFETY: `inner` is only accessed by the C side, which synchronises itself; `data` is `Sync` where `T::Data` is `Send` and
// `Sync`, as the trait requires.
unsafe impl<T: FileSystem> Sync for FileSystemType<T> {}

impl<T: FileSystem> FileSystemType<T> {
    /// The type, not yet registered.
    pub(crate) const fn new() -> Self {
        let mut fs_type: bindings::file_system_type = pin_init::zeroed();
        fs_type.name = as_char_ptr_in_const_context(T::NAME);
        fs_type.owner = this_module::<T::Module>().as_ptr();
        fs_type.init_fs_context = Some(fs_context::init_fs_context::<T>);
        fs_type.kill_sb = Some(super_block::kill_sb::<T>);
        fs_type.parameters = T::PARAMETERS.as_ptr().cast();
        if T::USERNS_MOUNT {
            // CAST: a single low bit.
            fs_type.fs_flags = bindings::FS_USERNS_MOUNT as c_int;
        }
        // INVARIANT: as made above, and `data` is not yet needed.
        Self {
            inner: Opaque::new(fs_type),
            state: Atomic::new(NEW),
            data: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// What the C side has as this type's address.
    pub(super) fn as_ptr(&self) -> *mut bindings::file_system_type {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// The lock around the data, once the type was registered.
    fn data_lock(&self) -> Option<&DataLock<T>> {
        // SAFETY: Initialised for good, by the type invariants; the load pairs with the store in `Registration::new`.
        (self.state.load(Acquire) == READY).then(|| unsafe { (*self.data.get()).assume_init_ref() })
    }

    /// Gives up the registration's reference to the data.
    fn drop_data(&self) {
        let data = self.data_lock().and_then(|lock| lock.lock().take());
        // Not under the lock.
        drop(data);
    }

    /// The data given at the registration.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the type is not registered (any more).
    ///
    /// # Safety
    ///
    /// `fs_type` must point to a `FileSystemType<T>`: it must be the `fs_type` or the `s_type` of a context or superblock
    /// that one of the functions set in [`FileSystemType::new`] for this `T` was called for.
    pub(super) unsafe fn data(fs_type: *mut bindings::file_system_type) -> Result<Arc<T::Data>> {
        // SAFETY: The caller promises that this is a `FileSystemType<T>`, of which `inner` is the first field. Only statics
        // are ever registered.
        let this: &'static Self = unsafe { &*fs_type.cast::<Self>() };
        this.data_lock().ok_or(ENODEV)?.lock().clone().ok_or(ENODEV)
    }
}

/// A registered file system type; dropping it unregisters.
///
/// The module's initialisation should make it last, since from then on there can be mounts, and mounts must not outlive the
/// module. Once the module is loaded they cannot: each holds a reference to it.
///
/// # Invariants
///
/// `0` is registered, and this is the only value that will unregister it.
#[must_use = "dropping it unregisters the file system type"]
pub(crate) struct Registration<T: FileSystem>(&'static FileSystemType<T>);

impl<T: FileSystem> Registration<T> {
    /// Registers the type, with `register_filesystem()`. Each superblock shares `data` with the registration.
    ///
    /// This is possible once in the life of a module.
    ///
    /// # Errors
    ///
    /// `EBUSY` if a type of that name is registered, or if this one was before; `ENOMEM`.
    pub(crate) fn new(data: T::Data) -> Result<Self> {
        let fs_type = T::fs_type();
        let data = Arc::new(data, GFP_KERNEL)?;
        if fs_type.state.cmpxchg(NEW, BUSY, Relaxed).is_err() {
            return Err(EBUSY);
        }
        // The lock is initialised in its place, as it must not move: it is part of a static.
        //
        // SAFETY: `BUSY` makes the place ours alone, until `READY`; the borrow is over by then.
        let place: &'static mut MaybeUninit<DataLock<T>> = unsafe { &mut *fs_type.data.get() };
        let Ok(_) = place.write_pin_init(new_spinlock!(Some(data), "FileSystemType::data"));
        // INVARIANT: `data` has just been initialised.
        fs_type.state.store(READY, Release);
        // SAFETY: `fs_type` is a static with a valid `file_system_type`, and is registered once only, since it is `NEW` once.
        to_result(unsafe { bindings::register_filesystem(fs_type.as_ptr()) })
            .inspect_err(|_| fs_type.drop_data())?;
        // INVARIANT: Just registered.
        Ok(Self(fs_type))
    }
}

impl<T: FileSystem> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariants. It cannot fail for a registered type.
        unsafe { bindings::unregister_filesystem(self.0.as_ptr()) };
        self.0.drop_data();
    }
}
