// SPDX-License-Identifier: GPL-2.0

//! Registration of a `struct tty_driver`.
//!
//! C header: [`include/linux/tty_driver.h`](srctree/include/linux/tty_driver.h)

use super::termios::Termios;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};

/// What a driver is, in `struct tty_driver`'s terms.
pub(super) struct Config {
    /// `driver_name`: the first column of `/proc/tty/drivers`.
    pub(super) driver_name: &'static CStr,
    /// `name`: a terminal is called this and its index.
    pub(super) name: &'static CStr,
    /// How many terminals it may have.
    pub(super) lines: u32,
    /// `PTY_TYPE_MASTER` or `PTY_TYPE_SLAVE`.
    pub(super) subtype: bindings::tty_driver_subtype,
    /// `TTY_DRIVER_*` beside those that every pty driver has.
    pub(super) flags: bindings::tty_driver_flag,
    /// The settings that a terminal starts with.
    pub(super) termios: Termios,
    /// The operations.
    pub(super) ops: &'static bindings::tty_operations,
}

/// A driver that is not registered (yet).
///
/// # Invariants
///
/// Owns the reference that `__tty_alloc_driver()` returned.
pub(super) struct Unregistered(NonNull<bindings::tty_driver>);

impl Unregistered {
    /// Allocates a driver (`tty_alloc_driver()`), whose operations find `state` in `driver_state`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for no lines.
    pub(super) fn new(config: Config, module: &'static ThisModule) -> Result<Self> {
        let flags = bindings::tty_driver_flag_TTY_DRIVER_RESET_TERMIOS
            | bindings::tty_driver_flag_TTY_DRIVER_REAL_RAW
            | bindings::tty_driver_flag_TTY_DRIVER_DYNAMIC_DEV
            | bindings::tty_driver_flag_TTY_DRIVER_NO_WORKQUEUE
            | config.flags;
        // SAFETY: The module outlives its drivers.
        let ptr = from_err_ptr(unsafe {
            bindings::__tty_alloc_driver(config.lines, module.as_ptr(), flags as c_ulong)
        })?;
        // INVARIANT: The allocation succeeded, so is not NULL and ours.
        let this = Self(NonNull::new(ptr).ok_or(ENOMEM)?);
        // SAFETY: The driver is ours alone until it is registered. All that it points to is static.
        unsafe {
            (*ptr).driver_name = config.driver_name.as_char_ptr();
            (*ptr).name = config.name.as_char_ptr();
            (*ptr).type_ = bindings::tty_driver_type_TTY_DRIVER_TYPE_PTY;
            (*ptr).subtype = config.subtype;
            (*ptr).init_termios = *config.termios.as_raw();
            (*ptr).ops = config.ops;
        }
        Ok(this)
    }

    /// Lets the operations find `state` in `driver->driver_state`.
    ///
    /// # Safety
    ///
    /// The operations must agree on what it is, and it must outlive the registration.
    pub(super) unsafe fn set_state(&self, state: *mut c_void) {
        // SAFETY: The driver is ours alone until it is registered.
        unsafe { (*self.0.as_ptr()).driver_state = state };
    }

    /// Lets its terminals have device numbers of this major, from minor 0 on, without being registered for them.
    pub(super) fn set_major(&self, major: u16) {
        // SAFETY: The driver is ours alone: it has no terminals yet.
        unsafe { (*self.0.as_ptr()).major = major.into() };
    }

    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::tty_driver {
        self.0.as_ptr()
    }

    /// Registers the driver, with a major number of the kernel's choice.
    ///
    /// # Errors
    ///
    /// `EBUSY` where no major number is left; `ENOMEM`.
    pub(super) fn register(self) -> Result<Driver> {
        // SAFETY: The driver is complete, and ours.
        to_result(unsafe { bindings::tty_register_driver(self.as_ptr()) })?;
        // INVARIANT: It is registered.
        Ok(Driver(self))
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        // SAFETY: Gives up the reference that we own by the invariant.
        unsafe { bindings::tty_driver_kref_put(self.as_ptr()) };
    }
}

/// A registered driver.
///
/// # Invariants
///
/// Registered by `tty_register_driver()`, until dropped.
pub(super) struct Driver(Unregistered);

impl Driver {
    /// The C object.
    pub(super) fn as_ptr(&self) -> *mut bindings::tty_driver {
        self.0.as_ptr()
    }

    /// The device number of terminal 0.
    pub(super) fn first_dev(&self) -> bindings::dev_t {
        // SAFETY: Both are set by the registration, and constant from then on. MKDEV() of numbers that the kernel made
        // itself: 12 and 20 bits.
        unsafe {
            (((*self.as_ptr()).major as u32) << bindings::MINORBITS)
                | (*self.as_ptr()).minor_start as u32
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: Registered by the invariant. No terminal of it is left: each holds a reference to the module, and a
        // driver is dropped on the module's exit, before it could have any, or when those of its trial are gone.
        unsafe {
            bindings::tty_unregister_driver(self.as_ptr());
            // destruct_tty_driver() walks `termios[0..num]`, which TTY_DRIVER_DEVPTS_MEM drivers do not have: the core
            // never expected one to go. With no lines left there is nothing to walk.
            if (*self.as_ptr()).termios.is_null() {
                (*self.as_ptr()).num = 0;
            }
        }
    }
}
