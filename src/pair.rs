// SPDX-License-Identifier: GPL-2.0

//! One pty: the index that it leases, its node, and the order in which it goes.
//!
//! # Teardown
//!
//! 1. *Detach*: the node's [`Slot`] loses the slave. From here on an opener of the node gets `EIO`, never a dying tty.
//! 2. *Unlink*: the node goes, under the directory's lock and no other.
//! 3. The tty core closes the master, which hangs the slave up.
//! 4. When the last file of either end is closed, [`Pair::release`] gives back the index and then the mount.
//!
//! [`Pair::retire`] is 1 and 2. It runs in the master file's release, before the tty core takes any lock; so that who
//! waits for the directory's lock holds up no terminal.
//! Where `open(2)` of the master failed half way there is no node, and the master's close detaches.

use crate::{
    instance::{IndexLease, Instance},
    ptys::Watched,
    tty::{Slot, Tty},
    vfs::{ActiveSuper, Attributes, Device, Entry, Path},
};
use kernel::{
    fs::File,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};

/// What the two ends of a pty share.
#[pin_data]
pub(crate) struct Pair {
    slot: Arc<Slot>,
    /// The node. Held while the master's file is open.
    #[pin]
    entry: Mutex<Option<Entry<Instance>>>,
    /// The index and, with it, the mount. Held until both ends are closed.
    #[pin]
    lease: Mutex<Option<IndexLease>>,
    /// How often the slave was opened.
    slaves_opened: Atomic<u64>,
}

impl Pair {
    /// A pair that has leased an index, and has no node yet.
    pub(crate) fn new(slot: Arc<Slot>, lease: IndexLease) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            slot,
            entry <- new_mutex!(None, "Pair::entry"),
            lease <- new_mutex!(Some(lease), "Pair::lease"),
            slaves_opened: Atomic::new(0),
        })
    }

    /// A pair without an index, which no node leads to.
    pub(crate) fn unnamed() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            slot: Slot::new()?,
            entry <- new_mutex!(None, "Pair::entry"),
            lease <- new_mutex!(None, "Pair::lease"),
            slaves_opened: Atomic::new(0),
        })
    }

    /// Makes the node of the pair, which leased `index` of `mount`, and lets it lead to `slave`. Takes the directory's lock.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is such a node, which cannot be.
    pub(crate) fn publish(
        &self,
        mount: &ActiveSuper<Instance>,
        index: u32,
        slave: ARef<Tty>,
        pty: Watched,
    ) -> Result {
        // First the terminal, then the node: one may be opened as soon as it can be seen.
        self.slot.attach(slave);
        let entry = Instance::new_slave_entry(mount, index, self.slot.clone())?;
        *self.entry.lock() = Some(entry);
        mount.ptys().add(pty);
        Ok(())
    }

    /// Detaches the slave from its node, if that has not been done.
    pub(crate) fn detach(&self) {
        self.slot.detach();
    }

    /// The same, and removes the node. Takes the directory's lock, with no lock of the pair's held.
    pub(crate) fn retire(&self) {
        self.detach();
        let watched = self.lease.lock().as_ref().and_then(IndexLease::forget_pty);
        drop(watched);
        let entry = self.entry.lock().take();
        if let Some(entry) = entry {
            entry.start_removing().unlink();
        }
    }

    /// Gives back index and mount, if that has not been done. May be the end of the mount.
    pub(crate) fn release(&self) {
        let lease = self.lease.lock().take();
        drop(lease);
    }

    /// Where the node is, for who has `ptmx`, the master's file.
    ///
    /// # Errors
    ///
    /// `EIO` where it is gone; `ENOENT`, `ENODEV` where its mount cannot be found beside the file.
    pub(crate) fn path_beside(&self, ptmx: &File) -> Result<Path> {
        // To find it may take as long as those like who serve the file systems on the way: without the lock.
        let place = self.entry.lock().as_ref().map(Entry::place);
        place.ok_or(EIO)?.beside(ptmx)
    }

    /// The slave was opened.
    pub(crate) fn count_open(&self) {
        self.slaves_opened.fetch_add(1, Relaxed);
    }

    /// How often the slave was opened.
    pub(crate) fn slaves_opened(&self) -> u64 {
        self.slaves_opened.load(Relaxed)
    }

    /// Whom the node belongs to, and its permissions, if it is there.
    pub(crate) fn attributes(&self) -> Option<Attributes> {
        self.entry.lock().as_ref().map(Entry::attributes)
    }

    /// The device that the mount is on, if the pty has not been released.
    pub(crate) fn device(&self) -> Option<Device> {
        self.lease.lock().as_ref().map(IndexLease::device)
    }
}
