// SPDX-License-Identifier: GPL-2.0

//! What the two ends share: the way to the slave, and its entry in the directory.

use crate::{
    mount::Mount,
    tty::{Slot, Tty},
    vfs::{Entry, SuperBlock},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{aref::ARef, Arc, Mutex},
};

/// One terminal.
#[pin_data]
pub(crate) struct Pair {
    slot: Arc<Slot>,
    /// The file `slave`: there while the master is open.
    #[pin]
    entry: Mutex<Option<Entry<Mount>>>,
}

impl Pair {
    /// A terminal that nothing leads to yet.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            slot: Slot::new()?,
            entry <- new_mutex!(None, "Pair::entry"),
        })
    }

    /// Makes the file that leads to `slave`.
    ///
    /// # Errors
    ///
    /// `EBUSY`, `ENOMEM`.
    pub(crate) fn publish(&self, mount: &SuperBlock<Mount>, slave: ARef<Tty>) -> Result {
        // First the terminal, then the file: one may be opened as soon as it can be seen.
        self.slot.attach(slave);
        let entry = Mount::new_slave(mount, self.slot.clone())?;
        *self.entry.lock() = Some(entry);
        Ok(())
    }

    /// Removes the file, after the way to the terminal. Takes the directory's lock, with no other held.
    pub(crate) fn retire(&self) {
        self.detach();
        let entry = self.entry.lock().take();
        if let Some(entry) = entry {
            // `Removing` is the entry and the lock in one; nothing else can remove it.
            entry.start_removing().unlink();
        }
    }

    /// Who opens the file from here on gets `EIO`, never a terminal that is on its way out.
    pub(crate) fn detach(&self) {
        self.slot.detach();
    }
}
