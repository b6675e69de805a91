// SPDX-License-Identifier: GPL-2.0

//! Making a pair of linked terminals from functions that the tty core exports.
//!
//! The C driver makes its pairs with `alloc_tty_struct()` and `tty_init_dev()`, which modules cannot call. Two ways into
//! `tty_init_dev()` are exported, each for one `tty_struct`:
//!
//! - `tty_kopen_exclusive()`, for the **slave**: opens a terminal for the kernel. It refuses drivers that have a
//!   `lookup` operation, as the slaves' driver must. So there is a second driver, the *nursery*, of a single line that is
//!   never entered into its table; its `install` turns the newborn into a slave: it replaces `tty->driver` (with its
//!   reference) and `tty->ops` by the real driver's.
//! - the tty core's `open`, for the **master**, on the file that user space is opening. Of the inode it reads `i_rdev`
//!   alone, so it gets one of ours with the number of the masters' driver in place of the 5:2 of the node.
//!
//! Both operations, and the `open` of the master in which the two are linked, are in `install.rs`. From then
//! on the core sees what `pty_common_install()` makes, and all else goes its normal way, release included.
//!
//! # Numbers
//!
//! A driver must be registered for `tty_open()` to find it by number, and the numbers that slaves have for user space are
//! the C driver's. So slaves have two drivers: the one that they are of, which has those numbers and is not registered; and
//! the *entrance*, which is, with a number of the kernel's choice. Their nodes' `open` (`slave_node.rs`) hands the core an
//! inode with the number of the entrance, whose `lookup` goes by the file.
//!
//! # Fields of the core's that are written here
//!
//! They are private to the core by custom. `Documentation/abstractions.rst` lists them, each with the reason why nobody else
//! reads it meanwhile.
//!
//! C source: [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c),
//! [`drivers/tty/pty.c`](srctree/drivers/tty/pty.c)

use super::{
    driver::{Config, Driver, Unregistered},
    ends::Ends,
    file::{CoreFops, Opened, OpeningFile},
    operations::{Master, Slave},
    slave_file,
    slave_ldisc::SlaveLdisc,
    termios::Termios,
    trial,
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{self, addr_of_mut, NonNull},
};
use kernel::{
    error::from_err_ptr,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering::Relaxed, Atomic},
        Arc, Mutex,
    },
};

/// What the drivers of a pair are called in `/proc/tty/drivers`, and how many pairs there can be.
pub(crate) struct Names {
    /// The masters' driver.
    pub(crate) master: &'static CStr,
    /// The slaves' driver.
    pub(crate) slave: &'static CStr,
    /// The nursery, see the module's documentation.
    pub(crate) nursery: &'static CStr,
    /// The number of pairs at most, so also of minor numbers.
    pub(crate) lines: u32,
    /// The major number that the slaves have for user space. Nobody looks them up by it.
    pub(crate) slave_major: u16,
}

/// A creation under way, on the stack of the task that opens a master.
pub(super) struct Creation<P> {
    pub(super) ends: Arc<Ends<P>>,
    /// The file that the master is for.
    pub(super) file: *mut bindings::file,
    /// The slave, once it is made.
    pub(super) slave: *mut bindings::tty_struct,
    pub(super) index: c_int,
    /// What the slave is to be one of.
    pub(super) slave_driver: *mut bindings::tty_driver,
    /// Whether master and slave are linked: from then on the master's release takes the slave with it.
    pub(super) linked: bool,
}

/// Which creation is under way, for the operations that the tty core calls meanwhile.
///
/// # Invariants
///
/// Both are NULL, or `creation` is on the stack of the task `creator`, which is in [`Births::attend`].
pub(super) struct Births<P> {
    creator: Atomic<*mut bindings::task_struct>,
    creation: Atomic<*mut Creation<P>>,
}

impl<P> Births<P> {
    fn new() -> Self {
        Self {
            creator: Atomic::new(ptr::null_mut()),
            creation: Atomic::new(ptr::null_mut()),
        }
    }

    /// Runs `f`, in which the current task has `creation` under way.
    ///
    /// # Safety
    ///
    /// No other task is in here, and `creation` is on the stack of this one, for the length of the call.
    pub(super) unsafe fn attend<R>(&self, creation: *mut Creation<P>, f: impl FnOnce() -> R) -> R {
        // INVARIANT: The caller's promise.
        self.creation.store(creation, Relaxed);
        self.creator.store(current(), Relaxed);
        let result = f();
        self.creator.store(ptr::null_mut(), Relaxed);
        self.creation.store(ptr::null_mut(), Relaxed);
        result
    }

    /// The creation that the current task has under way, from an operation of `driver`.
    ///
    /// # Errors
    ///
    /// `EIO` where it has none.
    ///
    /// # Safety
    ///
    /// `driver` must be the masters' or the nursery of a [`PtyDriver`] whose pairs carry a `P`.
    pub(super) unsafe fn current(
        driver: *mut bindings::tty_driver,
    ) -> Result<NonNull<Creation<P>>> {
        // SAFETY: By the invariant of `PtyDriver`, which the terminals of its drivers keep.
        let this = unsafe { &*(*driver).driver_state.cast::<Self>() };
        // Another task's pointer cannot compare equal, so the stores and these loads are by one thread.
        if this.creator.load(Relaxed) != current() {
            return Err(EIO);
        }
        NonNull::new(this.creation.load(Relaxed)).ok_or(EIO)
    }
}

/// A driver of pseudo-terminals: masters, slaves, the nursery in which slaves are born, and the entrance to them.
///
/// # Invariants
///
/// `driver_state` of the masters' driver and of the nursery points to `births`, which is pinned, initialised before them, and
/// outlives them. Only who holds `creating` changes it. `driver_state` of the entrance is the slaves' driver.
#[pin_data]
pub(crate) struct PtyDriver<M: Master, S: Slave<Pair = M::Pair>> {
    // The drivers go first, their operations use what is below.
    pub(super) ptm: Driver,
    pub(super) nursery: Driver,
    entrance: Driver,
    pub(super) pts: Unregistered,
    /// How many pairs there can be: `num` of the drivers.
    lines: u32,
    pub(super) core: CoreFops,
    pub(super) slave_fops: &'static bindings::file_operations,
    /// Of this, `tty_open()` reads `i_rdev`, the masters' device number, and nothing else.
    device: KBox<MaybeUninit<bindings::inode>>,
    /// The same for the entrance.
    slave_device: KBox<MaybeUninit<bindings::inode>>,
    pub(super) births: Births<M::Pair>,
    pub(super) slave_ldisc: bindings::tty_ldisc_ops,
    /// Held as long as there is a creation under way.
    #[pin]
    pub(super) creating: Mutex<()>,
    _ends: PhantomData<fn() -> (M, S)>,
}

// SAFETY: The drivers may be unregistered on any thread, and what `creation` points to is only used by its own thread.
unsafe impl<M: Master, S: Slave<Pair = M::Pair>> Send for PtyDriver<M, S> {}
// SAFETY: `&self` allows `open`, which `creating` serialises, and reads of what does not change after the construction.
unsafe impl<M: Master, S: Slave<Pair = M::Pair>> Sync for PtyDriver<M, S> {}

impl<M: Master, S: Slave<Pair = M::Pair>> PtyDriver<M, S> {
    /// Registers the drivers, with major numbers of the kernel's choice, and fills [`Master::fops`]. Then a pair of them is
    /// [tried](super::trial).
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` where no major number is left; `ENOEXEC` where the tty core is not as it was; `ERESTARTSYS`.
    pub(crate) fn new(names: Names, module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let before = trial::references(module);
        try_pin_init!(&this in Self {
            creating <- new_mutex!((), "PtyDriver::creating"),
            lines: names.lines,
            births: Births::new(),
            slave_ldisc: SlaveLdisc::<S>::ops(),
            pts: {
                let driver = Unregistered::new(Self::slave_config(&names), module)?;
                driver.set_major(names.slave_major);
                // SAFETY: SLAVE_OPS take it for that; `this` is pinned, and drops the driver before it.
                unsafe { driver.set_state(addr_of_mut!((*this.as_ptr()).slave_ldisc).cast()) };
                driver
            },
            entrance: {
                let driver = Unregistered::new(Self::slave_config(&names), module)?;
                // SAFETY: `slave_lookup` takes it for that; the slaves' driver is dropped after the entrance.
                unsafe { driver.set_state(pts.as_ptr().cast()) };
                driver.register()?
            },
            nursery: {
                let driver = Unregistered::new(
                    Config {
                        driver_name: names.nursery,
                        name: c"pts",
                        lines: 1,
                        subtype: bindings::tty_driver_subtype_PTY_TYPE_SLAVE,
                        flags: 0,
                        termios: Termios::pty(),
                        ops: &Self::NURSERY_OPS,
                    },
                    module,
                )?;
                // SAFETY: NURSERY_OPS take it for that; `this` is pinned, and drops the driver before it.
                unsafe { driver.set_state(addr_of_mut!((*this.as_ptr()).births).cast()) };
                driver.register()?
            },
            ptm: {
                let driver = Unregistered::new(
                    Config {
                        driver_name: names.master,
                        name: c"ptm",
                        lines: names.lines,
                        subtype: bindings::tty_driver_subtype_PTY_TYPE_MASTER,
                        flags: MANY,
                        termios: Termios::pty_raw(),
                        ops: &Self::MASTER_OPS,
                    },
                    module,
                )?;
                // SAFETY: MASTER_OPS take it for that; `this` is pinned, and drops the driver before it.
                unsafe { driver.set_state(addr_of_mut!((*this.as_ptr()).births).cast()) };
                driver.register()?
            },
            core: {
                let core = CoreFops::of(ptm)?;
                M::fops().populate::<M>(core);
                core
            },
            slave_fops: slave_file::fops(*core)?,
            device: inode_for(ptm)?,
            slave_device: inode_for(entrance)?,
            _ends: PhantomData,
        })
        .pin_chain(move |this| trial::of_core(&this, module, before))
    }

    fn slave_config(names: &Names) -> Config {
        Config {
            driver_name: names.slave,
            name: c"pts",
            lines: names.lines,
            subtype: bindings::tty_driver_subtype_PTY_TYPE_SLAVE,
            flags: MANY,
            termios: Termios::pty(),
            ops: &Self::SLAVE_OPS,
        }
    }

    /// Has the tty core open `opening`, on the slave that [`Slave::lookup`] finds for it. Sleeps.
    ///
    /// # Errors
    ///
    /// What [`Slave::lookup`] or `PtyEnd::open` fails with; `ENOMEM`; `ERESTARTSYS`.
    pub(crate) fn open_slave(&self, opening: OpeningFile<'_>) -> Result {
        // SAFETY: The file is being opened (`OpeningFile`). `tty_open()` reads no more of the inode than `i_rdev`.
        unsafe {
            opening.open_as(
                self.slave_fops,
                self.core,
                self.slave_device.as_ptr().cast_mut(),
            )
        }
    }

    /// Makes a pair of number `index`, with `opening` as its master's file, and has it carry `pair`.
    ///
    /// The slave is closed as yet, and nothing leads to it but its master. `PtyEnd::open` of the master is called.
    /// Sleeps; the caller holds no lock of the tty core.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such number; `ENOMEM`; what `pair` or `PtyEnd::open` fails with. `PtyEnd::remove` was called
    /// then, unless `pair` failed.
    pub(crate) fn open<'a>(
        &self,
        opening: OpeningFile<'a>,
        index: u32,
        pair: impl PinInit<M::Pair, Error>,
    ) -> Result<Opened<'a, M::Pair>> {
        if index >= self.lines {
            return Err(EINVAL);
        }
        let index = c_int::try_from(index)?;
        let ends = Ends::new(pair)?;
        let creation = UnsafeCell::new(Creation {
            ends: ends.clone(),
            file: opening.as_ptr(),
            slave: ptr::null_mut(),
            index,
            slave_driver: self.pts.as_ptr(),
            linked: false,
        });

        let creating = self.creating.lock();
        // SAFETY: `creating` is held. The creation is on this task's stack until the end of it.
        let result = unsafe {
            self.births
                .attend(creation.get(), || self.create(creation.get()))
        };
        drop(creating);

        match result {
            // SAFETY: The core opened the file.
            Ok(()) => Ok(unsafe { Opened::new(self.core, opening, ends) }),
            Err(error) => {
                // The ends may never have been installed, so that nobody told the driver.
                M::remove(ends.pair());
                Err(error)
            }
        }
    }

    /// Makes slave and master.
    ///
    /// # Safety
    ///
    /// `creating` is held, and `creation` is the one under way.
    unsafe fn create(&self, creation: *mut Creation<M::Pair>) -> Result {
        let dev = self.nursery.first_dev();
        // SAFETY: No requirement but a device number. Calls `nursery_install` on this task.
        let slave = from_err_ptr(unsafe { bindings::tty_kopen_exclusive(dev) })?;
        // SAFETY: The slave is ours, locked, and nobody else knows it. Lock classes are set while the locks are free.
        unsafe {
            (*creation).slave = slave;
            set_index(slave, (*creation).index);
            bindings::tty_unlock(slave);
            bindings::rdevpts_tty_set_lock_subclass(slave);
            bindings::rdevpts_tty_set_termios_subclass(slave);
            (*creation).ends.slave_port().set_slave_lock_class();
        }

        // `tty_open()` reads no more of the inode than `i_rdev`.
        let inode = self.device.as_ptr().cast_mut();
        // SAFETY: The file is being opened (`OpeningFile`). Calls the `master_*` operations on this task.
        let result = unsafe { self.core.open(inode, (*creation).file) };
        // SAFETY: The callbacks have returned. A slave that is not linked is still only ours: open for the kernel,
        // unlocked.
        unsafe {
            if result.is_err() && !(*creation).linked {
                bindings::tty_kclose(slave);
            }
        }
        result
    }
}

/// An inode of which nothing but `i_rdev` may be read, the number of the first terminal of `driver`.
fn inode_for(driver: &Driver) -> Result<KBox<MaybeUninit<bindings::inode>>> {
    let mut inode = KBox::<bindings::inode>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The inode is ours, and a field of plain old data.
    unsafe { addr_of_mut!((*inode.as_mut_ptr()).i_rdev).write(driver.first_dev()) };
    Ok(inode)
}

/// The current task, to be compared with.
fn current() -> *mut bindings::task_struct {
    // SAFETY: Always sound.
    unsafe { bindings::get_current() }
}

/// For drivers of many lines: no table of them, one character device for all.
const MANY: bindings::tty_driver_flag = bindings::tty_driver_flag_TTY_DRIVER_DEVPTS_MEM
    | bindings::tty_driver_flag_TTY_DRIVER_DYNAMIC_ALLOC;

/// Gives `tty` its number and name.
///
/// # Safety
///
/// No other thread knows `tty`.
pub(super) unsafe fn set_index(tty: *mut bindings::tty_struct, index: c_int) {
    // SAFETY: The tty is ours. The name has room for 64 bytes, which snprintf() does not exceed.
    unsafe {
        (*tty).index = index;
        let name = addr_of_mut!((*tty).name);
        bindings::snprintf(
            name.cast(),
            core::mem::size_of_val(&*name),
            c"%s%d".as_char_ptr(),
            (*(*tty).driver).name,
            index,
        );
    }
}
