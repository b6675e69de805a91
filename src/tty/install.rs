// SPDX-License-Identifier: GPL-2.0

//! The operations that the tty core calls while a pair is made, or a slave is looked for: `lookup`, `install`, and the `open`
//! of a master, where the two ends are linked. See [`super::pair`].

use super::{
    ends::Ends,
    ldisc,
    master_ldisc::MasterLdisc,
    operations::{Master, Operations, Slave},
    pair::{set_index, Births, PtyDriver},
    port::Port,
    trial,
    tty_struct::{Flag, Tty},
};
use crate::bindings;
use core::ptr;
use kernel::{
    error::from_result,
    fs::File,
    prelude::*,
    sync::{aref::ARef, Arc},
    types::ForeignOwnable,
};

impl<M: Master, S: Slave<Pair = M::Pair>> PtyDriver<M, S> {
    pub(super) const MASTER_OPS: bindings::tty_operations = bindings::tty_operations {
        lookup: Some(Self::master_lookup),
        install: Some(Self::master_install),
        open: Some(Self::master_open),
        ..Operations::<M, true>::TABLE
    };

    pub(super) const SLAVE_OPS: bindings::tty_operations = bindings::tty_operations {
        lookup: Some(Self::slave_lookup),
        install: Some(Self::slave_install),
        open: Some(Self::slave_open),
        ..Operations::<S, false>::TABLE
    };

    pub(super) const NURSERY_OPS: bindings::tty_operations = bindings::tty_operations {
        install: Some(Self::nursery_install),
        ..Operations::<S, false>::TABLE
    };

    /// # Safety
    ///
    /// Called by `tty_init_dev()` under `tty_mutex` and the new tty's lock, for the nursery.
    unsafe extern "C" fn nursery_install(
        driver: *mut bindings::tty_driver,
        tty: *mut bindings::tty_struct,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `driver` is the nursery. The creation is this task's, which is inside `create`.
            unsafe {
                let creation = Births::<M::Pair>::current(driver)?.as_ptr();
                let ends = &(*creation).ends;
                adopt(
                    tty,
                    (*creation).slave_driver,
                    ends.slave_port(),
                    ends.clone(),
                );
                ldisc::adopt(tty, slave_ldisc(tty));
                Tty::from_raw(tty).set(Flag::NoWriteSplit);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by `tty_init_dev()` under `tty_mutex` and the new tty's lock, for the masters' driver.
    unsafe extern "C" fn master_install(
        driver: *mut bindings::tty_driver,
        tty: *mut bindings::tty_struct,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `driver` is the masters'. The creation is this task's, which is inside `create`.
            unsafe {
                let creation = Births::<M::Pair>::current(driver)?.as_ptr();
                let ends = &(*creation).ends;
                adopt(tty, driver, ends.master_port(), ends.clone());
                ldisc::adopt(tty, MasterLdisc::<M>::OPS);
                Tty::from_raw(tty).set(Flag::NoWriteSplit);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by `tty_init_dev()`, which `slave_lookup` never lets happen.
    unsafe extern "C" fn slave_install(
        _: *mut bindings::tty_driver,
        _: *mut bindings::tty_struct,
    ) -> c_int {
        EIO.to_errno()
    }

    /// A master is new, for the file that `open` makes, or not to be had: NULL has the core make it.
    ///
    /// # Safety
    ///
    /// Called by `tty_driver_lookup_tty()` under `tty_mutex`, for the masters' driver.
    unsafe extern "C" fn master_lookup(
        driver: *mut bindings::tty_driver,
        file: *mut bindings::file,
        _: c_int,
    ) -> *mut bindings::tty_struct {
        // SAFETY: `driver` is the masters'. The creation is this task's, which is inside `create`.
        let ours = unsafe {
            Births::<M::Pair>::current(driver)
                .is_ok_and(|creation| (*creation.as_ptr()).file == file)
        };
        if ours {
            ptr::null_mut()
        } else {
            EIO.to_ptr()
        }
    }

    /// # Safety
    ///
    /// Called by `tty_driver_lookup_tty()` under `tty_mutex`, for the entrance, with a file that is being opened.
    unsafe extern "C" fn slave_lookup(
        driver: *mut bindings::tty_driver,
        file: *mut bindings::file,
        _: c_int,
    ) -> *mut bindings::tty_struct {
        if file.is_null() {
            // The kernel's own opening has none.
            return EIO.to_ptr();
        }
        // SAFETY: The file is valid for the call, and nobody else has it yet.
        let file = unsafe { File::from_raw_file(file) };
        let tty: ARef<Tty> = match trial::slave_of(file).map_or_else(|| S::lookup(file), Ok) {
            Ok(tty) => tty,
            Err(error) => return error.to_ptr(),
        };
        let ptr = tty.as_ptr();
        // SAFETY: The tty is live: `tty` is a reference. Its port lives as long. The slaves' driver, which the entrance has
        // as its state, says that it is a slave of ours, so has a port; `itty` is reset under `tty_mutex`, which the caller
        // holds.
        let unreleased =
            unsafe { (*ptr).driver == (*driver).driver_state.cast() && (*(*ptr).port).itty == ptr };
        // The caller takes a reference of its own when we are gone. It may: a tty that is not released still has its
        // first one, and `release_tty()` needs the mutex that the caller holds.
        if unreleased {
            ptr
        } else {
            EIO.to_ptr()
        }
    }

    /// Sees to the line discipline, which a hangup attached anew, then opens the slave.
    ///
    /// # Safety
    ///
    /// Called by `tty_open()` with the slave's `tty_lock()` held.
    unsafe extern "C" fn slave_open(
        tty: *mut bindings::tty_struct,
        file: *mut bindings::file,
    ) -> c_int {
        // What `N_TTY`'s own table has begun to receive does not say that it may echo; lines of a writer leave no room for that.
        // SAFETY: `tty_lock()` is held. The operations in the table that are not `N_TTY`'s call those, and keep what is their own
        // in the channel, which `N_TTY` does not know.
        unsafe {
            ldisc::adopt(tty, slave_ldisc(tty));
            Operations::<S, false>::open(tty, file)
        }
    }

    /// Links the new master to its slave, then opens it.
    ///
    /// # Safety
    ///
    /// Called by `tty_open()` with the master's `tty_lock()` held.
    unsafe extern "C" fn master_open(
        tty: *mut bindings::tty_struct,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: A master's driver is the masters'. The creation is this task's, which is inside `create`: its slave is
        // made and known to nobody else, and the master is known to this task alone. The slave now counts its open
        // master, as check_tty_count() wants it, in place of the kernel.
        unsafe {
            let creation = match Births::<M::Pair>::current((*tty).driver) {
                Ok(creation) => creation.as_ptr(),
                Err(error) => return error.to_errno(),
            };
            let slave = (*creation).slave;
            set_index(tty, (*creation).index);
            (*slave).link = tty;
            (*tty).link = slave;
            (*creation).linked = true;
            (*creation).ends.slave_port().clear_kopened();
            (*creation).ends.wakeup().set_master(tty);
            Operations::<M, true>::open(tty, file)
        }
    }
}

/// The operations for the line discipline of a slave.
///
/// # Safety
///
/// `tty` is a slave, with its driver set.
unsafe fn slave_ldisc(tty: *mut bindings::tty_struct) -> *const bindings::tty_ldisc_ops {
    // SAFETY: A slave's driver is the slaves', whose state that is.
    unsafe {
        (*(*tty).driver)
            .driver_state
            .cast::<bindings::tty_ldisc_ops>()
    }
}

/// Makes `tty` a first-time opened terminal of `driver`.
///
/// # Safety
///
/// `tty` is new, and in its `install` operation; `driver` is one of ours; `port` is part of `ends`.
unsafe fn adopt<P: Send + Sync + 'static>(
    tty: *mut bindings::tty_struct,
    driver: *mut bindings::tty_driver,
    port: &Port,
    ends: Arc<Ends<P>>,
) {
    // SAFETY: `tty` is ours for the length of `install`. The reference to `driver` is what release_one_tty() puts, for
    // the driver that it finds then; that to the module was taken for one driver of ours, and is put for another of the
    // same module.
    unsafe {
        bindings::rdevpts_tty_driver_kref_get(driver);
        (*tty).driver = driver;
        (*tty).ops = (*driver).ops;
        (*tty).termios = (*driver).init_termios;
        (*tty).port = port.as_ptr();
        (*tty).driver_data = ends.into_foreign();
        (*tty).count = 1;
    }
}
