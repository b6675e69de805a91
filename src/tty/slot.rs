// SPDX-License-Identifier: GPL-2.0

//! Where a slave's node finds its terminal.

use super::tty_struct::Tty;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{aref::ARef, Arc, SpinLock},
};

/// Where a slave's node finds its terminal, for as long as there is one.
///
/// The node and the driver's pair share it; the pair empties it before the node goes, so that who opens the node finds the
/// terminal or nothing, and never one that is on its way out.
#[pin_data]
pub(crate) struct Slot {
    /// Taken under `tty_mutex` by openers, and under no lock by the rest.
    #[pin]
    slave: SpinLock<Option<ARef<Tty>>>,
}

impl Slot {
    /// A slot that leads nowhere.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                slave <- new_spinlock!(None, "Slot::slave"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The terminal.
    ///
    /// # Errors
    ///
    /// `EIO` where there is none (any more).
    pub(crate) fn slave(&self) -> Result<ARef<Tty>> {
        self.slave.lock().clone().ok_or(EIO)
    }

    /// Makes the slot lead to `slave`.
    pub(crate) fn attach(&self, slave: ARef<Tty>) {
        *self.slave.lock() = Some(slave);
    }

    /// Makes the slot lead nowhere, if that has not been done.
    pub(crate) fn detach(&self) {
        // The reference is given up when the lock is released.
        let _slave = self.slave.lock().take();
    }
}
