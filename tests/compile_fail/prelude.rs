// SPDX-License-Identifier: GPL-2.0

// What each case includes: the module's own `bindings` and `vfs` in a crate without the driver, and a file system that is
// nothing but its types. The rules of the module's crate root hold: no unsafe code but in `bindings` and `vfs`.

#[allow(unsafe_code)]
#[path = "../../src/bindings/mod.rs"]
mod bindings;
#[allow(unsafe_code)]
#[path = "../../src/vfs/mod.rs"]
mod vfs;

#[allow(unused_imports)]
use kernel::{fs::File, prelude::*};
#[allow(unused_imports)]
use vfs::{ActiveSuper, Creating, Dir, Entry, NewInode, Path, Removing, SuperBlock};

/// What lines in the log would begin with.
#[allow(dead_code)]
const __LOG_PREFIX: &[u8] = c"case".to_bytes_with_nul();

/// The module that this would be part of.
struct Module;

impl kernel::ModuleMetadata for Module {
    const NAME: &'static CStr = c"case";
    // SAFETY: Never run.
    #[allow(unsafe_code)]
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// A file system.
struct Fs;

static FS: vfs::FileSystemType<Fs> = vfs::FileSystemType::new();
static PARAMETERS: vfs::ParameterTable<(), 1> =
    vfs::ParameterTable::new([vfs::Parameter::flag(c"none", || ())]);

impl vfs::FileSystem for Fs {
    type Module = Module;
    type Parameter = ();
    type Options = ();
    type Data = ();
    type Node = KBox<u32>;

    const NAME: &'static CStr = c"case";
    const SUPER_MAGIC: usize = 1;
    const STATFS_MAGIC: isize = 1;
    const BLOCK_SIZE_BITS: u8 = 10;
    const USERNS_MOUNT: bool = false;
    const DEVICE_NODES: bool = false;
    const ROOT_MODE: u16 = 0o755;
    const PARAMETERS: vfs::Parameters<()> = PARAMETERS.as_parameters();

    fn fs_type() -> &'static vfs::FileSystemType<Self> {
        &FS
    }

    fn init_options(_: &vfs::Context<'_>) -> Result {
        Ok(())
    }

    fn parse_param(_: &mut (), _: &vfs::Context<'_>, (): ()) -> Result {
        Ok(())
    }

    fn new(_: kernel::sync::Arc<()>, (): ()) -> impl PinInit<Self, Error> {
        Ok(Fs)
    }

    fn populate(_: &Dir<'_, Self>) -> Result {
        Ok(())
    }

    fn reconfigure(_: &Dir<'_, Self>, (): ()) -> Result {
        Ok(())
    }

    fn show_options(&self, _: &kernel::seq_file::SeqFile) {}
}
