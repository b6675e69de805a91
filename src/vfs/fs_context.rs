// SPDX-License-Identifier: GPL-2.0

//! `struct fs_context`: a mount or remount under way, in which the options are collected.
//!
//! C header: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h)
//!
//! The options are `fs_private` of the context, from `init_fs_context` until the superblock is made or reconfigured, or
//! the context is freed.

use super::{
    super_block::{self, SuperBlock},
    FileSystem,
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem,
    ptr::{self, NonNull},
};
use kernel::{
    error::from_result,
    ffi::c_int,
    prelude::*,
    types::{ForeignOwnable, NotThreadSafe}, //
};

/// A mount or remount under way: `struct fs_context`.
///
/// # Invariants
///
/// `fc` is valid for `'a`, and its `uapi_mutex` is held or it is not yet visible to others.
pub(crate) struct Context<'a> {
    fc: NonNull<bindings::fs_context>,
    _lifetime: PhantomData<&'a bindings::fs_context>,
    _not_send: NotThreadSafe,
}

impl Context<'_> {
    /// # Safety
    ///
    /// `fc` must be as the type invariants require, for the lifetime that the caller chooses.
    unsafe fn from_raw(fc: NonNull<bindings::fs_context>) -> Self {
        // INVARIANT: the caller's promise.
        Self {
            fc,
            _lifetime: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Whether this is for a new mount, as opposed to a remount.
    pub(crate) fn is_mount(&self) -> bool {
        // SAFETY: Valid by the type invariants.
        let purpose = unsafe { self.fc.as_ref() }.purpose();
        purpose == bindings::fs_context_purpose_FS_CONTEXT_FOR_MOUNT
    }

    /// Whether the current task is in the mount namespace that the system started with.
    pub(crate) fn in_initial_mount_namespace(&self) -> bool {
        let init_task = &raw const bindings::init_task;
        // SAFETY: `get_current()` is always valid, and a task may read its own `nsproxy` without a lock
        // (`include/linux/nsproxy.h`). `init_task` never exits and never changes its namespaces.
        let (own, initial) = unsafe { ((*bindings::get_current()).nsproxy, (*init_task).nsproxy) };
        if own.is_null() || initial.is_null() {
            // The task is exiting.
            return false;
        }
        // SAFETY: Both are not null, and stay: see above.
        unsafe { (*own).mnt_ns == (*initial).mnt_ns }
    }

    /// Leaves `message` for the caller of the system call to read from the context (or in the kernel log, for the old
    /// `mount(2)`), and gives the error `EINVAL`: `invalf()`.
    pub(crate) fn invalf(&self, message: &CStr) -> Error {
        // SAFETY: The context is valid by the type invariants, the log is null or valid, and the arguments are as the
        // format says. `'e'` is an ASCII character.
        unsafe {
            bindings::logfc(
                (*self.fc.as_ptr()).log.log,
                ptr::null(),
                b'e',
                c"%s".as_char_ptr(),
                message.as_char_ptr(),
            )
        };
        EINVAL
    }
}

/// The context's operations for the file system `T`.
struct Operations<T>(PhantomData<T>);

impl<T: FileSystem> Operations<T> {
    const TABLE: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(free::<T>),
        dup: None,
        parse_param: Some(parse_param::<T>),
        parse_monolithic: None,
        get_tree: Some(get_tree::<T>),
        reconfigure: Some(reconfigure::<T>),
    };
}

/// `file_system_type.init_fs_context`.
///
/// # Safety
///
/// Called by `alloc_fs_context()` or `finish_clean_context()` with a context of the type `T::fs_type()` whose `fs_private`
/// is null, new or with `uapi_mutex` held.
pub(super) unsafe extern "C" fn init_fs_context<T: FileSystem>(
    fc: *mut kernel::bindings::fs_context,
) -> c_int {
    from_result(|| {
        let fc = NonNull::new(fc.cast::<bindings::fs_context>()).ok_or(EINVAL)?;
        // SAFETY: Valid for this call, see above.
        let cx = unsafe { Context::from_raw(fc) };
        let options = KBox::new(T::init_options(&cx)?, GFP_KERNEL)?;
        // SAFETY: The context is ours alone for this call.
        let fc = unsafe { &mut *fc.as_ptr() };
        fc.fs_private = options.into_foreign();
        fc.ops = &Operations::<T>::TABLE;
        Ok(0)
    })
}

/// Takes the options out of a context.
///
/// # Safety
///
/// `fc` must be a context of the type `T` that [`init_fs_context`] succeeded for, ours alone for this call.
pub(super) unsafe fn take_options<T: FileSystem>(
    fc: NonNull<bindings::fs_context>,
) -> Result<KBox<T::Options>> {
    // SAFETY: Ours alone, by the caller's promise.
    let private = mem::replace(unsafe { &mut (*fc.as_ptr()).fs_private }, ptr::null_mut());
    // SAFETY: `init_fs_context` stored a `KBox<T::Options>` there, or it was taken out, which left null.
    unsafe { KBox::try_from_foreign(private) }.ok_or(EINVAL)
}

/// `fs_context_operations.free`.
///
/// # Safety
///
/// Called by `put_fs_context()` or `vfs_clean_context()`, once after each successful [`init_fs_context`] for this `T`, with
/// a context that nobody else uses.
unsafe extern "C" fn free<T: FileSystem>(fc: *mut bindings::fs_context) {
    if let Some(fc) = NonNull::new(fc) {
        // SAFETY: See above.
        drop(unsafe { take_options::<T>(fc) });
    }
}

/// `fs_context_operations.parse_param`.
///
/// # Safety
///
/// Called by `vfs_parse_fs_param()` between [`init_fs_context`] for this `T` and [`free`], with a context and a parameter
/// that nobody else uses: `uapi_mutex` is held, or `mount(2)` owns the context.
unsafe extern "C" fn parse_param<T: FileSystem>(
    fc: *mut bindings::fs_context,
    param: *mut bindings::fs_parameter,
) -> c_int {
    from_result(|| {
        let fc = NonNull::new(fc).ok_or(EINVAL)?;
        // SAFETY: See above.
        let parameter = unsafe { T::PARAMETERS.parse(fc, param) }?;
        // SAFETY: `fs_private` is what `init_fs_context` stored or null, and ours alone for this call.
        let private = unsafe { (*fc.as_ptr()).fs_private };
        if private.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: Not null, hence a `KBox<T::Options>` that is ours alone for this call.
        let options = unsafe { KBox::<T::Options>::borrow_mut(private) };
        // SAFETY: Valid for this call, see above.
        T::parse_param(options, &unsafe { Context::from_raw(fc) }, parameter)?;
        Ok(0)
    })
}

/// `fs_context_operations.get_tree`.
///
/// # Safety
///
/// Called by `vfs_get_tree()`, once after [`init_fs_context`] for this `T`, with a context that nobody else uses.
unsafe extern "C" fn get_tree<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    // SAFETY: The context is valid and ours; `fill_super` accepts what `get_tree_nodev()` calls it with.
    unsafe { bindings::get_tree_nodev(fc, Some(super_block::fill_super::<T>)) }
}

/// `fs_context_operations.reconfigure`.
///
/// # Safety
///
/// Called by `reconfigure_super()` with `s_umount` of the context's superblock held exclusively, after [`init_fs_context`]
/// for this `T` in a context for a superblock of that type, which nobody else uses.
unsafe extern "C" fn reconfigure<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    from_result(|| {
        let fc = NonNull::new(fc).ok_or(EINVAL)?;
        // SAFETY: See above.
        let options = unsafe { take_options::<T>(fc) }?;
        // SAFETY: `root` is set in a context for a reconfiguration, and holds the superblock active, which is of type `T`
        // and completely made, since it was mounted.
        let sb = unsafe { SuperBlock::<T>::from_raw((*(*fc.as_ptr()).root).d_sb) };
        T::reconfigure(&sb.root(), KBox::into_inner(options))?;
        Ok(0)
    })
}
