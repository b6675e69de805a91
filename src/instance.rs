// SPDX-License-Identifier: GPL-2.0

//! One mount of rdevpts: its options, its directory, and which pty indices are taken.
//!
//! All is as in C devpts (`fs/devpts/inode.c`), but that a slave's directory entry is made and removed under the
//! directory's lock, which is the business of `vfs`.

use crate::{
    bindings::{kgid_t, kuid_t, FileOps},
    master::Master,
    model::{index, limits, options::Options},
    pair::Pair,
    ptys::{Mounts, Ptys},
    slave::Slave,
    tty::{self, Observer, PtyDriver, Slot},
    vfs::{
        sysctl, ActiveSuper, CharDevice, Context, Device, Dir, Entry, FileSystem, FileSystemType,
        Ida, Kgid, NewInode, Owner, Parameter, ParameterTable, Parameters,
    },
};
use core::fmt::Write;
use kernel::{
    new_spinlock,
    prelude::*,
    seq_file::SeqFile,
    str::NullTerminatedFormatter,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
        SpinLock, //
    },
    task::Kuid,
};

/// Private data of a slave's inode.
///
/// Shared with the pair, which empties it before the node goes.
pub(crate) type SlaveNode = Arc<Slot>;

/// The type of the file system.
static RDEVPTS: FileSystemType<Instance> = FileSystemType::new();

/// `TTYAUX_MAJOR` of `include/uapi/linux/major.h` and `PTMX_MINOR` of `fs/devpts/inode.c`.
const PTMX_DEVICE: Option<Device> = Device::new(5, 2);
const PTMX_INO: u64 = 2;
const PTMX_NAME: &CStr = c"ptmx";

/// `UNIX98_PTY_SLAVE_MAJOR` of `include/uapi/linux/major.h`: the rules of device cgroups and many programs know slaves
/// by it. The nodes lead to our terminals all the same, not to those of the C driver.
pub(crate) const SLAVE_MAJOR: u16 = 136;

/// The sysctl `max`: how many ptys there may be in all mounts together.
static MAX: Atomic<i32> = Atomic::new(limits::DEFAULT_MAX);
/// The sysctl `reserve`: how many of them are kept for mounts made in the initial mount namespace.
static RESERVE: Atomic<i32> = Atomic::new(limits::DEFAULT_RESERVE);
/// The sysctl `nr`: how many ptys there are.
static NR: Atomic<i32> = Atomic::new(0);

static SYSCTLS: sysctl::Table<3> = sysctl::Table::new([
    sysctl::Number::writable(c"max", &MAX),
    sysctl::Number::writable(c"reserve", &RESERVE),
    sysctl::Number::read_only(c"nr", &NR),
]);

/// Registers the directory `/proc/sys/kernel/rdevpts` with the limits, which are in force also without it.
pub(crate) fn register_sysctls() -> Result<sysctl::Registration> {
    sysctl::Registration::new(c"kernel/rdevpts", &SYSCTLS)
}

/// A pty as far as the limits are concerned: counted in `nr` until it is dropped.
struct Counted;

impl Counted {
    /// Counts one more pty, if the limits admit it; [`ENOSPC`] otherwise.
    fn new(may_use_reserve: bool) -> Result<Self> {
        // Counted first, as the comparison is with what others count at the same time.
        let before = NR.fetch_add(1, Relaxed);
        let counted = Self;
        if limits::admits(
            before,
            MAX.load(Relaxed),
            RESERVE.load(Relaxed),
            may_use_reserve,
        ) {
            Ok(counted)
        } else {
            Err(ENOSPC)
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        NR.fetch_sub(1, Relaxed);
    }
}

/// What every mount needs from the rest of the driver.
pub(crate) struct Data {
    /// What opening `ptmx` does.
    pub(crate) ptmx_fops: FileOps,
    /// The terminals.
    pub(crate) pty: Arc<PtyDriver<Master, Slave>>,
    /// Where the mounts can be looked at.
    pub(crate) mounts: Arc<Mounts>,
}

/// One mount option with its value.
pub(crate) enum MountOption {
    Uid(Kuid),
    Gid(Kgid),
    Mode(u32),
    PtmxMode(u32),
    Max(i32),
    NewInstance,
}

static PARAMETERS: ParameterTable<MountOption, 6> = ParameterTable::new([
    Parameter::gid(c"gid", MountOption::Gid),
    Parameter::s32(c"max", MountOption::Max),
    Parameter::u32_octal(c"mode", MountOption::Mode),
    Parameter::flag(c"newinstance", || MountOption::NewInstance),
    Parameter::u32_octal(c"ptmxmode", MountOption::PtmxMode),
    Parameter::uid(c"uid", MountOption::Uid),
]);

/// The options of a mount or remount under way.
pub(crate) struct MountOptions {
    options: Options,
    may_use_reserve: bool,
}

/// One mount.
#[pin_data]
pub(crate) struct Instance {
    /// Changed by a remount.
    #[pin]
    options: SpinLock<Options>,
    /// Whether the mount was made in the initial mount namespace; not changed by a remount.
    may_use_reserve: bool,
    data: Arc<Data>,
    #[pin]
    indices: Ida,
    ptys: Arc<Ptys>,
}

impl FileSystem for Instance {
    type Module = crate::LocalModule;
    type Parameter = MountOption;
    type Options = MountOptions;
    type Data = Data;
    type Node = SlaveNode;

    const NAME: &'static CStr = c"rdevpts";
    /// Ours. With that of devpts, C devpts would take a mount beside a device node 5:2 for one of its own, and the instance
    /// for its own `struct pts_fs_info`.
    const SUPER_MAGIC: usize = u32::from_be_bytes(*b"rpts") as usize;
    /// `DEVPTS_SUPER_MAGIC` of `include/uapi/linux/magic.h`, which container runtimes look for.
    const STATFS_MAGIC: isize = 0x1cd1;
    const BLOCK_SIZE_BITS: u8 = 10;
    const USERNS_MOUNT: bool = true;
    const DEVICE_NODES: bool = true;
    const ROOT_MODE: u16 = 0o755;
    const PARAMETERS: Parameters<MountOption> = PARAMETERS.as_parameters();

    fn fs_type() -> &'static FileSystemType<Self> {
        &RDEVPTS
    }

    fn init_options(cx: &Context<'_>) -> Result<MountOptions> {
        Ok(MountOptions {
            options: Options::DEFAULT,
            may_use_reserve: cx.is_mount() && cx.in_initial_mount_namespace(),
        })
    }

    fn parse_param(mount: &mut MountOptions, cx: &Context<'_>, option: MountOption) -> Result {
        let options = &mut mount.options;
        match option {
            MountOption::Uid(uid) => options.set_uid(uid.into_raw().val),
            MountOption::Gid(gid) => options.set_gid(gid.into_raw().val),
            MountOption::Mode(mode) => options.set_mode(mode),
            MountOption::PtmxMode(mode) => options.set_ptmxmode(mode),
            MountOption::Max(max) => options
                .set_max(max)
                .map_err(|_| cx.invalf(c"max out of range"))?,
            // Every mount is a new instance.
            MountOption::NewInstance => {}
        }
        Ok(())
    }

    fn new(data: Arc<Data>, mount: MountOptions) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            options <- new_spinlock!(mount.options),
            may_use_reserve: mount.may_use_reserve,
            data,
            indices <- Ida::new(),
            ptys: Ptys::new()?,
        })
    }

    fn populate(root: &Dir<'_, Self>) -> Result {
        let instance = root.super_block();
        let ptmx = CharDevice {
            ino: PTMX_INO,
            mode: instance.options().ptmxmode(),
            device: PTMX_DEVICE.ok_or(EINVAL)?,
            owner: Owner::current(),
            fops: Some(instance.data.ptmx_fops),
        };
        let inode = NewInode::chrdev(instance, ptmx, None)?;
        root.start_creating(PTMX_NAME)?.make_permanent(inode)?;
        let mounts = &instance.data.mounts;
        mounts.add(instance.device(), instance.ptys.clone())
    }

    fn shutdown(&self, device: Device) {
        self.data.mounts.remove(device);
    }

    fn reconfigure(root: &Dir<'_, Self>, mount: MountOptions) -> Result {
        *root.super_block().options.lock() = mount.options;
        root.set_mode(PTMX_NAME, mount.options.ptmxmode())
    }

    fn show_options(&self, m: &SeqFile) {
        m.call_printf(format_args!("{}", self.options()));
    }
}

impl Instance {
    fn options(&self) -> Options {
        *self.options.lock()
    }

    /// Takes the lowest free index of the mount `sb`: `devpts_new_index()`.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there are as many ptys as the limits or the option `max=` allow, `ENOMEM`.
    pub(crate) fn lease_index(sb: ActiveSuper<Self>) -> Result<IndexLease> {
        let counted = Counted::new(sb.may_use_reserve)?;
        let index = sb.indices.alloc_max(index::highest(sb.options().max()))?;
        Ok(IndexLease {
            index,
            _counted: counted,
            sb,
        })
    }

    /// The terminals.
    pub(crate) fn pty(&self) -> &PtyDriver<Master, Slave> {
        &self.data.pty
    }

    /// The ptys, to be looked at.
    pub(crate) fn ptys(&self) -> &Ptys {
        &self.ptys
    }

    /// Makes the directory entry of the slave with `index`, which is leased: `devpts_pty_new()`.
    ///
    /// The entry must be removed before the lease is dropped, or the index could be given out while its name is taken.
    ///
    /// Locks the mount's root directory; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `node` is dropped then.
    pub(crate) fn new_slave_entry(
        instance: &ActiveSuper<Self>,
        index: u32,
        node: SlaveNode,
    ) -> Result<Entry<Self>> {
        let options = instance.options();
        let current = Owner::current();
        let slave = CharDevice {
            ino: index::slave_ino(index),
            mode: options.mode(),
            device: Device::new(SLAVE_MAJOR.into(), index).ok_or(EINVAL)?,
            owner: Owner {
                uid: options
                    .uid()
                    .map_or(current.uid, |val| Kuid::from_raw(kuid_t { val })),
                gid: options
                    .gid()
                    .map_or(current.gid, |val| Kgid::from_raw(kgid_t { val })),
            },
            fops: Some(tty::slave_fops::<Slave>()),
        };
        let inode = NewInode::chrdev(instance, slave, Some(node))?;

        let mut name = [0; "4294967295\0".len()];
        write!(
            NullTerminatedFormatter::new(&mut name).ok_or(EINVAL)?,
            "{}",
            index
        )?;
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| EINVAL)?;
        instance.root().start_creating(name)?.make_persistent(inode)
    }
}

/// A pty index that is taken, with the mount that it is one of; dropping it gives it back, and the mount too.
#[must_use = "dropping it gives back the index"]
pub(crate) struct IndexLease {
    index: u32,
    // Dropped in this order, after the index is given back.
    _counted: Counted,
    sb: ActiveSuper<Instance>,
}

impl IndexLease {
    /// The index, which is also the slave's minor device number and its name.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The device that the mount is on.
    pub(crate) fn device(&self) -> Device {
        self.sb.device()
    }

    /// The pty of this index is not looked at any more.
    pub(crate) fn forget_pty(&self) -> Option<Observer<Pair>> {
        self.sb.ptys.remove(self.index)
    }
}

impl Drop for IndexLease {
    fn drop(&mut self) {
        self.sb.indices.free(self.index);
    }
}
