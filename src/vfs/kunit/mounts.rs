// SPDX-License-Identifier: GPL-2.0

//! A file system for tests, and mounts of it that no user sees.

use super::super::{
    ActiveSuper, CharDevice, Context, Device, Dir, Entry, FileSystem, FileSystemType, Kgid,
    NewInode, Owner, Parameter, ParameterTable, Parameters, Registration, SuperBlock,
};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    seq_file::SeqFile,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    task::Kuid,
};

const SB_KERNMOUNT: c_int = 1 << 22;
pub(super) const STATFS_MAGIC: c_long = 0x6b75;

/// Which numbers were dropped of what.
#[derive(Default)]
pub(super) struct Dropped {
    pub(super) instances: Counter,
    pub(super) nodes: Counter,
}

/// A number that goes up.
pub(super) struct Counter(Atomic<i32>);

impl Default for Counter {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> i32 {
        self.0.load(Relaxed)
    }
}

/// Private data of a node.
pub(super) struct Probe(Arc<Dropped>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.nodes.add();
    }
}

pub(super) enum Opt {
    Mode(u32),
    Number(i32),
    Uid(Kuid),
    Gid(Kgid),
    Flag,
}

static PARAMETERS: ParameterTable<Opt, 5> = ParameterTable::new([
    Parameter::u32_octal(c"mode", Opt::Mode),
    Parameter::s32(c"number", Opt::Number),
    Parameter::uid(c"uid", Opt::Uid),
    Parameter::gid(c"gid", Opt::Gid),
    Parameter::flag(c"flag", || Opt::Flag),
]);

/// The options that there are between a context's beginning and its end.
pub(super) static OPTIONS: Atomic<i32> = Atomic::new(0);

pub(super) struct Options {
    pub(super) mode: u32,
    pub(super) number: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) flag: bool,
}

impl Drop for Options {
    fn drop(&mut self) {
        OPTIONS.fetch_sub(1, Relaxed);
    }
}

/// An instance of a test's file system; each test has a type of its own, `T`, as a type can be registered once.
pub(super) struct Test<T: Tag> {
    pub(super) options: Options,
    dropped: Arc<Dropped>,
    _tag: PhantomData<T>,
}

impl<T: Tag> Drop for Test<T> {
    fn drop(&mut self) {
        self.dropped.instances.add();
    }
}

pub(super) trait Tag: Sized + Send + Sync + 'static {
    fn fs_type() -> &'static FileSystemType<Test<Self>>;
}

/// Declares a [`Tag`].
macro_rules! tag {
    ($name:ident) => {
        struct $name;
        impl Tag for $name {
            fn fs_type() -> &'static FileSystemType<Test<Self>> {
                static TYPE: FileSystemType<Test<$name>> = FileSystemType::new();
                &TYPE
            }
        }
    };
}
pub(super) use tag;

impl<T: Tag> FileSystem for Test<T> {
    type Module = crate::LocalModule;
    type Parameter = Opt;
    type Options = Options;
    type Data = Arc<Dropped>;
    type Node = KBox<Probe>;

    const NAME: &'static CStr = c"rdevpts_kunit";
    const SUPER_MAGIC: usize = 0x6b756e69;
    const STATFS_MAGIC: c_long = STATFS_MAGIC;
    const BLOCK_SIZE_BITS: u8 = 11;
    const USERNS_MOUNT: bool = false;
    const DEVICE_NODES: bool = true;
    const ROOT_MODE: u16 = 0o751;
    const PARAMETERS: Parameters<Opt> = PARAMETERS.as_parameters();

    fn fs_type() -> &'static FileSystemType<Self> {
        T::fs_type()
    }

    fn init_options(cx: &Context<'_>) -> Result<Options> {
        if !cx.is_mount() {
            return Err(EINVAL);
        }
        OPTIONS.fetch_add(1, Relaxed);
        Ok(Options {
            mode: 0o600,
            number: 7,
            uid: 0,
            gid: 0,
            flag: false,
        })
    }

    fn parse_param(options: &mut Options, cx: &Context<'_>, option: Opt) -> Result {
        match option {
            Opt::Mode(mode) => options.mode = mode,
            Opt::Number(number) if number > 99 => return Err(cx.invalf(c"number out of range")),
            Opt::Number(number) => options.number = number,
            Opt::Uid(uid) => options.uid = uid.into_raw().val,
            Opt::Gid(gid) => options.gid = gid.into_raw().val,
            Opt::Flag => options.flag = true,
        }
        Ok(())
    }

    fn new(data: Arc<Arc<Dropped>>, options: Options) -> impl PinInit<Self, Error> {
        Ok(Self {
            options,
            dropped: (*data).clone(),
            _tag: PhantomData,
        })
    }

    fn populate(root: &Dir<'_, Self>) -> Result {
        let inode = NewInode::chrdev(root.super_block(), device(2)?, None)?;
        root.start_creating(c"first")?.make_permanent(inode)
    }

    fn reconfigure(_: &Dir<'_, Self>, _: Options) -> Result {
        Err(EINVAL)
    }

    fn show_options(&self, _: &SeqFile) {}
}

pub(super) fn device(ino: u64) -> Result<CharDevice> {
    Ok(CharDevice {
        ino,
        mode: 0o620,
        device: Device::new(1, 3).ok_or(EINVAL)?,
        owner: Owner::current(),
        fops: None,
    })
}

/// A mount that no user sees.
pub(super) struct Mount<T: Tag> {
    mnt: NonNull<bindings::vfsmount>,
    pub(super) dropped: Arc<Dropped>,
    _registration: Registration<Test<T>>,
}

impl<T: Tag> Mount<T> {
    /// Registers the type, and mounts it with `options`.
    pub(super) fn new(options: &CStr) -> Result<Self> {
        let dropped = Arc::new(Dropped::default(), GFP_KERNEL)?;
        let registration = Registration::new(dropped.clone())?;
        let mnt = mount::<T>(options)?;
        Ok(Self {
            mnt,
            dropped,
            _registration: registration,
        })
    }

    pub(super) fn super_block(&self) -> ActiveSuper<Test<T>> {
        // SAFETY: The mount is there, and keeps its superblock, which is of that type, active.
        unsafe { SuperBlock::<Test<T>>::from_raw((*self.mnt.as_ptr()).mnt_sb) }.into()
    }

    /// The path of the root, for as long as the mount.
    pub(super) fn path(&self) -> bindings::path {
        bindings::path {
            mnt: self.mnt.as_ptr(),
            // SAFETY: The mount is there.
            dentry: unsafe { (*self.mnt.as_ptr()).mnt_root },
        }
    }

    /// The inode numbers in the directory from position `from` on, as many as `numbers` has room for; and the next position.
    pub(super) fn list(&self, from: i64, numbers: &mut [u64]) -> Result<(usize, i64)> {
        // SAFETY: The path is valid; a task's own credentials stay for the call.
        let file = from_err_ptr(unsafe {
            bindings::dentry_open(
                &self.path(),
                bindings::O_RDONLY as c_int,
                (*bindings::get_current()).cred,
            )
        })?;
        let mut list = List {
            ctx: bindings::dir_context {
                actor: Some(take::<T>),
                pos: from,
                count: 0,
                dt_flags_mask: 0,
            },
            numbers: numbers.as_mut_ptr(),
            room: numbers.len(),
            used: 0,
        };
        // SAFETY: The file is open, and ours. Positions are those of the file.
        let listed = unsafe {
            (*file).f_pos = from;
            to_result(bindings::iterate_dir(file, &mut list.ctx))
        };
        // SAFETY: The reference is ours.
        unsafe { bindings::__fput_sync(file) };
        listed?;
        Ok((list.used, list.ctx.pos))
    }
}

impl<T: Tag> Drop for Mount<T> {
    fn drop(&mut self) {
        // SAFETY: The mount is ours, and was never attached to a tree.
        unsafe { bindings::kern_unmount(self.mnt.as_ptr()) };
    }
}

/// `vfs_kern_mount()`.
pub(super) fn mount<T: Tag>(options: &CStr) -> Result<NonNull<bindings::vfsmount>> {
    // It is taken apart in its place.
    let mut text = [0u8; 128];
    let bytes = options.to_bytes_with_nul();
    text.get_mut(..bytes.len())
        .ok_or(EINVAL)?
        .copy_from_slice(bytes);
    // SAFETY: The type is a static; name and options are NUL terminated.
    let mnt = from_err_ptr(unsafe {
        bindings::vfs_kern_mount(
            T::fs_type().as_ptr(),
            SB_KERNMOUNT,
            c"none".as_char_ptr(),
            text.as_mut_ptr().cast(),
        )
    })?;
    NonNull::new(mnt).ok_or(ENOMEM)
}

/// A listing under way.
#[repr(C)]
struct List {
    ctx: bindings::dir_context,
    numbers: *mut u64,
    room: usize,
    used: usize,
}

/// # Safety
///
/// Called by `iterate_dir()` with the context of a [`List`].
unsafe extern "C" fn take<T>(
    ctx: *mut bindings::dir_context,
    _: *const c_char,
    _: c_int,
    _: bindings::loff_t,
    ino: u64,
    _: c_uint,
) -> bool {
    // SAFETY: It is the first field of a `List`, whose numbers have that room.
    unsafe {
        let list = ctx.cast::<List>();
        if (*list).used == (*list).room {
            return false;
        }
        (*list).numbers.add((*list).used).write(ino);
        (*list).used += 1;
    }
    true
}

/// Makes an entry with a node.
pub(super) fn entry<T: Tag>(mount: &Mount<T>, name: &CStr, ino: u64) -> Result<Entry<Test<T>>> {
    let sb = mount.super_block();
    let probe = KBox::new(Probe(mount.dropped.clone()), GFP_KERNEL)?;
    let inode = NewInode::chrdev(&sb, device(ino)?, Some(probe))?;
    let entry = sb.root().start_creating(name)?.make_persistent(inode)?;
    Ok(entry)
}

/// Whether there is such a name.
pub(super) fn exists<T: Tag>(mount: &Mount<T>, name: &CStr) -> bool {
    let sb = mount.super_block();
    let result = sb.root().start_creating(name).err();
    result == Some(EEXIST)
}
