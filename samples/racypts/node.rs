// SPDX-License-Identifier: GPL-2.0

//! The nodes: `ptmx`, and one child per open file of it.
//!
//! A child is made by opening `ptmx` and torn down by the last close of that file. It has the one reference that
//! `d_alloc_name()` gave it, as in 2018; only `ptmx` itself is persistent in today's sense.

use crate::{
    bindings::{self, Table},
    parent_lock, readdir,
};
use core::ptr;
use kernel::{
    error::{from_err_ptr, from_result},
    ffi::{c_int, c_long, c_uint, c_ulong},
    ioctl::_IOR,
    prelude::*,
    str::CString,
    uaccess::{UserPtr, UserSlice},
};

/// The file system's magic number: none that anything else looks for.
pub(crate) const MAGIC: c_ulong = 0x7261_6379;

/// `TIOCGPTN`: the index of the pty.
const TIOCGPTN: u32 = _IOR::<c_uint>(b'T' as u32, 0x30);

/// Inode numbers: the root, `ptmx`, and from there on the nodes by index.
const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
const FIRST_INO: u64 = 3;

kernel::sync::global_lock! {
    /// How many nodes were ever created. Held over the insertion into the list of children, so that these stand in the
    /// order of their numbers. It is not held by `readdir` or teardown, and protects them from nothing.
    // SAFETY: Initialised by the module before it registers the file system.
    pub(crate) unsafe(uninit) static CREATED: Mutex<usize> = 0;
}

static PTMX_FOPS: Table<bindings::file_operations> = Table::new(bindings::file_operations {
    open: Some(ptmx_open),
    release: Some(ptmx_release),
    unlocked_ioctl: Some(ptmx_ioctl),
    ..pin_init::zeroed()
});

static NODE_FOPS: Table<bindings::file_operations> = Table::new(pin_init::zeroed());

/// A new inode of `sb`, with nothing to free but itself.
///
/// # Safety
///
/// `sb` must be a live superblock of ours.
unsafe fn new_inode(
    sb: *mut bindings::super_block,
    ino: u64,
    mode: c_uint,
    fops: *const bindings::file_operations,
) -> Result<*mut bindings::inode> {
    // SAFETY: Per this function's contract. The inode is ours until it is given to a dentry.
    unsafe {
        let inode = bindings::new_inode(sb);
        if inode.is_null() {
            return Err(ENOMEM);
        }
        (*inode).i_ino = ino;
        // CAST: Modes have 16 bits.
        (*inode).i_mode = mode as bindings::umode_t;
        (*inode).__bindgen_anon_3.i_fop = fops;
        bindings::simple_inode_init_ts(inode);
        Ok(inode)
    }
}

/// Makes the root directory of `sb` and `ptmx` in it.
///
/// # Safety
///
/// `sb` must be new, and ours alone.
pub(crate) unsafe fn make_root(sb: *mut bindings::super_block) -> Result {
    // SAFETY: Per this function's contract.
    unsafe {
        let mode = bindings::S_IFDIR | 0o755;
        let inode = new_inode(sb, ROOT_INO, mode, readdir::ROOT_FOPS.as_ptr())?;
        (*inode).i_op = &raw const bindings::simple_dir_inode_operations;
        bindings::set_nlink(inode, 2);
        // `d_make_root()` consumes the inode, also when it fails.
        (*sb).s_root = bindings::d_make_root(inode);
        if (*sb).s_root.is_null() {
            return Err(ENOMEM);
        }

        let dentry = from_err_ptr(bindings::simple_start_creating(
            (*sb).s_root,
            c"ptmx".as_char_ptr(),
        ))?;
        let mode = bindings::S_IFCHR | 0o666;
        let made = new_inode(sb, PTMX_INO, mode, PTMX_FOPS.as_ptr());
        if let Ok(inode) = made {
            bindings::d_make_persistent(dentry, inode);
        }
        bindings::simple_done_creating(dentry);
        made.map(drop)
    }
}

/// Takes the directory's lock where the module's parameter says so.
///
/// # Safety
///
/// `dir` must be the live inode of a root directory of ours, not locked by this task.
unsafe fn lock_parent(dir: *mut bindings::inode) {
    if parent_lock() {
        // SAFETY: Per this function's contract.
        unsafe { bindings::racypts_inode_lock(dir) };
    }
}

/// Undoes [`lock_parent`].
///
/// # Safety
///
/// This task must have called [`lock_parent`] on `dir`.
unsafe fn unlock_parent(dir: *mut bindings::inode) {
    if parent_lock() {
        // SAFETY: Per this function's contract.
        unsafe { bindings::racypts_inode_unlock(dir) };
    }
}

/// The directory's allocator of indices.
///
/// # Safety
///
/// `sb` must be a live superblock of ours.
unsafe fn indices(sb: *mut bindings::super_block) -> *mut bindings::ida {
    // SAFETY: Per this function's contract.
    unsafe { (*sb).s_fs_info.cast() }
}

/// Creates the node of `index` and returns its dentry, with one reference.
///
/// # Safety
///
/// `sb` must be a live superblock of ours, and `index` allocated by the caller.
unsafe fn create(sb: *mut bindings::super_block, index: c_uint) -> Result<*mut bindings::dentry> {
    let name = CString::try_from_fmt(fmt!("{index}"))?;
    let ino = u64::from(index).wrapping_add(FIRST_INO);

    // SAFETY: Per this function's contract. What is wrong here is what was wrong in 2018.
    unsafe {
        let inode = new_inode(sb, ino, bindings::S_IFCHR | 0o620, NODE_FOPS.as_ptr())?;
        let root = (*sb).s_root;
        lock_parent((*root).d_inode);
        let mut created = CREATED.lock();
        let dentry = bindings::d_alloc_name(root, name.as_char_ptr());
        if dentry.is_null() {
            drop(created);
            unlock_parent((*root).d_inode);
            bindings::iput(inode);
            return Err(ENOMEM);
        }
        *created = created.wrapping_add(1);
        (*dentry).d_fsdata = ptr::without_provenance_mut(*created);
        drop(created);
        bindings::d_add(dentry, inode);
        unlock_parent((*root).d_inode);
        Ok(dentry)
    }
}

/// Opens `ptmx`: allocates an index and makes its node.
///
/// # Safety
///
/// Called by the VFS with `ptmx`'s inode and a new file.
unsafe extern "C" fn ptmx_open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    from_result(|| {
        // SAFETY: Per this function's contract; the open file keeps the superblock alive.
        unsafe {
            let sb = (*inode).i_sb;
            let index = bindings::racypts_ida_alloc(indices(sb));
            // A negative number is the error; any other is an index, and `index` its value.
            let index = c_uint::try_from(index).map_err(|_| Error::from_errno(index))?;
            match create(sb, index) {
                Ok(dentry) => (*file).private_data = dentry.cast(),
                Err(e) => {
                    bindings::ida_free(indices(sb), index);
                    return Err(e);
                }
            }
        }
        Ok(0)
    })
}

/// The index of an open `ptmx`.
///
/// # Safety
///
/// `file` must be an open file of [`PTMX_FOPS`], whose node has not been torn down.
unsafe fn index_of(file: *mut bindings::file) -> c_uint {
    // SAFETY: Per this function's contract `private_data` is the node's dentry.
    let ino = unsafe { (*(*(*file).private_data.cast::<bindings::dentry>()).d_inode).i_ino };
    // CAST: The inode number was made from an index.
    ino.wrapping_sub(FIRST_INO) as c_uint
}

/// The last close of an open `ptmx`: tears its node down as 2018's `devpts_pty_kill()` did.
///
/// # Safety
///
/// Called by the VFS with the last reference to an open file of [`PTMX_FOPS`].
unsafe extern "C" fn ptmx_release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Per this function's contract. Without the parent's lock this is the bug.
    unsafe {
        let index = index_of(file);
        let sb = (*inode).i_sb;
        let dir = (*(*sb).s_root).d_inode;
        let dentry = (*file).private_data.cast::<bindings::dentry>();

        lock_parent(dir);
        bindings::drop_nlink((*dentry).d_inode);
        bindings::d_delete(dentry);
        bindings::dput(dentry);
        unlock_parent(dir);

        bindings::ida_free(indices(sb), index);
    }
    0
}

/// The one ioctl of `ptmx`.
///
/// # Safety
///
/// Called by the VFS with an open file of [`PTMX_FOPS`].
unsafe extern "C" fn ptmx_ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
    // CAST: Error numbers are small.
    let done = match cmd {
        TIOCGPTN => {
            // SAFETY: Per this function's contract.
            let index = unsafe { index_of(file) };
            let user = UserSlice::new(UserPtr::from_addr(arg), size_of::<c_uint>());
            user.writer().write(&index)
        }
        _ => Err(ENOTTY),
    };
    done.map_or_else(|e| e.to_errno() as c_long, |()| 0)
}
