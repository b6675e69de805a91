// SPDX-License-Identifier: GPL-2.0

//! One mount: its option, and the file that is there from the start.

use crate::{
    master::{self, Master},
    slave::Slave,
    tty::{self, PtyDriver, Slot},
    vfs::{
        CharDevice, Context, Device, Dir, Entry, FileSystem, FileSystemType, NewInode, Owner,
        Parameter, ParameterTable, Parameters, SuperBlock,
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

/// The terminals of all mounts.
pub(crate) type Terminals = PtyDriver<Master, Slave>;

/// What programs know a pty's slave by. It leads nowhere: the node has operations of its own.
pub(crate) const SLAVE_MAJOR: u16 = 136;

/// The type of the file system.
static ONEPTY: FileSystemType<Mount> = FileSystemType::new();

static PARAMETERS: ParameterTable<MountOption, 1> =
    ParameterTable::new([Parameter::u32_octal(c"mode", MountOption::Mode)]);

/// One mount option with its value.
pub(crate) enum MountOption {
    /// Permissions of the slave.
    Mode(u32),
}

/// One mount.
pub(crate) struct Mount {
    /// Permissions of the slaves to come; a remount changes them.
    mode: Atomic<u32>,
    terminals: Arc<Terminals>,
}

impl FileSystem for Mount {
    type Module = crate::LocalModule;
    type Parameter = MountOption;
    /// The permissions, while they are being read.
    type Options = u32;
    type Data = Arc<Terminals>;
    /// What a slave's inode leads to its terminal by. That of the master has none.
    type Node = Arc<Slot>;

    const NAME: &'static CStr = c"onepty";
    const SUPER_MAGIC: usize = u32::from_be_bytes(*b"1pty") as usize;
    const STATFS_MAGIC: isize = u32::from_be_bytes(*b"1pty") as isize;
    const BLOCK_SIZE_BITS: u8 = 10;
    const USERNS_MOUNT: bool = false;
    const DEVICE_NODES: bool = true;
    const ROOT_MODE: u16 = 0o755;
    const PARAMETERS: Parameters<MountOption> = PARAMETERS.as_parameters();

    fn fs_type() -> &'static FileSystemType<Self> {
        &ONEPTY
    }

    fn init_options(_cx: &Context<'_>) -> Result<u32> {
        Ok(0o600)
    }

    fn parse_param(options: &mut u32, cx: &Context<'_>, option: MountOption) -> Result {
        let MountOption::Mode(mode) = option;
        if mode > 0o777 {
            return Err(cx.invalf(c"mode has more than permissions"));
        }
        *options = mode;
        Ok(())
    }

    fn new(terminals: Arc<Arc<Terminals>>, mode: u32) -> impl PinInit<Self, Error> {
        Ok(Self {
            mode: Atomic::new(mode),
            terminals: Arc::clone(&terminals),
        })
    }

    fn populate(root: &Dir<'_, Self>) -> Result {
        let master = CharDevice {
            ino: 2,
            mode: 0o600,
            device: Device::new(5, 2).ok_or(EINVAL)?,
            owner: Owner::current(),
            fops: Some(master::fops()?),
        };
        let inode = NewInode::chrdev(root.super_block(), master, None)?;
        root.start_creating(c"master")?.make_permanent(inode)
    }

    fn reconfigure(root: &Dir<'_, Self>, mode: u32) -> Result {
        root.super_block().mode.store(mode, Relaxed);
        Ok(())
    }

    fn show_options(&self, m: &SeqFile) {
        seq_print!(m, ",mode={:03o}", self.mode.load(Relaxed));
    }
}

impl Mount {
    /// The terminals.
    pub(crate) fn terminals(&self) -> &Terminals {
        &self.terminals
    }

    /// Makes the file `slave`, which leads where `node` does. Takes the directory's lock; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` where there is one, so that the terminal is in use; `ENOMEM`.
    pub(crate) fn new_slave(mount: &SuperBlock<Self>, node: Arc<Slot>) -> Result<Entry<Self>> {
        let slave = CharDevice {
            ino: 3,
            // CAST: nine bits.
            mode: mount.mode.load(Relaxed) as u16,
            device: Device::new(SLAVE_MAJOR.into(), 0).ok_or(EINVAL)?,
            owner: Owner::current(),
            fops: Some(tty::slave_fops::<Slave>()),
        };
        let inode = NewInode::chrdev(mount, slave, Some(node))?;
        // With `creating` the directory is locked, until the entry is there or `creating` is dropped.
        let creating = match mount.root().start_creating(c"slave") {
            Err(error) if error == EEXIST => return Err(EBUSY),
            creating => creating?,
        };
        creating.make_persistent(inode)
    }
}
