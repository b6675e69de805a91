// SPDX-License-Identifier: GPL-2.0

//! Pseudo file systems: one superblock per mount, one root directory whose entries only the file system makes.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! [`include/linux/dcache.h`](srctree/include/linux/dcache.h)
//!
//! A file system implements [`FileSystem`], declares a static [`FileSystemType`] and keeps a [`Registration`]. The traits
//! and types keep the names and the division of work of the C side; what is added is ownership:
//!
//! - [`ActiveSuper`] owns an active reference to a superblock, which keeps the instance, the root and the module.
//! - [`Dir`] is a directory of a live superblock. [`Dir::start_creating`] gives [`Creating`], a name that is about to come
//!   into being, *with the directory locked*; [`Creating::make_persistent`] gives the [`Entry`], and unlocks.
//! - [`Entry::start_removing`] gives [`Removing`], the entry *with its directory locked*; [`Removing::unlink`] removes it,
//!   and unlocks. An [`Entry`] that goes out of scope removes itself the same way.
//!
//! So no directory entry appears or disappears but under its directory's `i_rwsem`, held exclusively, and nothing but this
//! module can change that: `d_make_persistent()`, `d_invalidate()` and `d_make_discardable()` are called in `dentry.rs`
//! alone. `readdir` (see `readdir.rs`) and lookups take the same lock shared: they see each entry whole or not at all.
//!
//! # Locking
//!
//! The guards take `i_rwsem` of the directory in the class `I_MUTEX_PARENT`. Within it the VFS takes `d_lock`, `i_lock`,
//! `namespace_sem` (to detach a mount from an entry that goes) and the locks of fsnotify, and allocates memory. An inode's
//! private data ([`FileSystem::Node`]) and a superblock's last reference are dropped outside of it.
//!
//! # What is not supported
//!
//! Subdirectories, regular files, symbolic links, operations by users (create, unlink, rename), a backing device, export
//! by file handle, and duplicating an `fs_context`.

#![allow(unsafe_code)]

pub(crate) mod debugfs;
mod dentry;
mod fs_context;
mod fs_parser;
mod fs_type;
mod ida;
mod inode;
#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
mod path;
mod readdir;
mod records;
mod super_block;
pub(crate) mod sysctl;

// The guards are there for who has to name them.
pub(crate) use dentry::{Attributes, Dir, Entry};
#[allow(unused_imports)]
pub(crate) use dentry::{Creating, Removing};
pub(crate) use fs_context::Context;
pub(crate) use fs_parser::{Parameter, ParameterTable, Parameters};
pub(crate) use fs_type::{FileSystemType, Registration};
pub(crate) use ida::Ida;
pub(crate) use inode::{node_of_file, CharDevice, Device, Kgid, NewInode, Owner};
pub(crate) use path::Path;
pub(crate) use super_block::{ActiveSuper, SuperBlock};

use kernel::{
    ffi::{c_long, c_ulong},
    prelude::*,
    seq_file::SeqFile,
    sync::Arc,
    types::ForeignOwnable,
    ModuleMetadata,
};

/// A pseudo file system. `Self` is the instance: what one superblock has as its private data, `s_fs_info`.
///
/// Mounting calls, in this order, [`init_options`](Self::init_options), [`parse_param`](Self::parse_param) once for each
/// option, [`new`](Self::new) and [`populate`](Self::populate). A remount calls `init_options`, `parse_param` and
/// [`reconfigure`](Self::reconfigure), so that an option it does not name is what `init_options` made it.
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// The module that the file system is part of; superblocks and contexts hold a reference to it.
    type Module: ModuleMetadata;

    /// Name of the type, for `mount(2)` and `/proc/filesystems`.
    const NAME: &'static CStr;

    /// `s_magic`, by which kernel code tells superblocks apart. It must not be that of a C file system: such code would
    /// take this instance for its own private data.
    const SUPER_MAGIC: c_ulong;

    /// `f_type`, by which user space tells file systems apart in `statfs(2)`.
    const STATFS_MAGIC: c_long;

    /// Binary logarithm of the block size that `statfs(2)` reports.
    const BLOCK_SIZE_BITS: u8;

    /// Whether it may be mounted in a user namespace by who is root there (`FS_USERNS_MOUNT`).
    const USERNS_MOUNT: bool;

    /// Whether device nodes work even then (`SB_I_NODEV` cleared). Users cannot make any here, so the nodes are those that
    /// the file system itself makes.
    const DEVICE_NODES: bool;

    /// Permission bits of the root directory, which belongs to the superuser.
    const ROOT_MODE: u16;

    /// The mount options.
    const PARAMETERS: Parameters<Self::Parameter>;

    /// One mount option with its value, as [`PARAMETERS`](Self::PARAMETERS) makes it.
    type Parameter: 'static;

    /// The mount options together, while they are collected in the `fs_context`.
    type Options: Send + 'static;

    /// Given when the type is registered; the registration and every mount share it.
    type Data: Send + Sync + 'static;

    /// Private data of an inode (`i_private`), see [`NewInode`] and [`node_of_file`].
    ///
    /// It is dropped with the inode, by whoever drops the last reference to that, in a context that may sleep and with
    /// none of this layer's locks held (but possibly in the middle of a umount or of memory reclaim). It must not own
    /// an [`ActiveSuper`] of its own superblock, which then could never go away.
    type Node: ForeignOwnable + Send + Sync + 'static;

    /// The type's static.
    fn fs_type() -> &'static FileSystemType<Self>;

    /// The options before any is parsed. Called from `fsopen(2)`, `fspick(2)`, `mount(2)`, in the task of the caller.
    fn init_options(cx: &Context<'_>) -> Result<Self::Options>;

    /// Takes one option into `options`. An error fails the system call; say why with [`Context::invalf`].
    fn parse_param(
        options: &mut Self::Options,
        cx: &Context<'_>,
        parameter: Self::Parameter,
    ) -> Result;

    /// Makes the instance of a new superblock.
    fn new(data: Arc<Self::Data>, options: Self::Options) -> impl PinInit<Self, Error>;

    /// Makes the entries that each mount has from the start. Called once, before anybody can see the superblock, with
    /// `s_umount` held.
    fn populate(root: &Dir<'_, Self>) -> Result;

    /// Takes the options of a remount. Called with `s_umount` held.
    fn reconfigure(root: &Dir<'_, Self>, options: Self::Options) -> Result;

    /// The last active reference is gone, and the superblock about to be taken apart: nobody may find it any more by what the
    /// instance has told the outside, `device` among it, whose number is still its own. Called with `s_umount` held exclusively, also
    /// where [`populate`](Self::populate) failed or was not called; may sleep.
    fn shutdown(&self, _device: Device) {}

    /// Shows the options as in `/proc/mounts`: each with a comma before it.
    fn show_options(&self, m: &SeqFile);
}
