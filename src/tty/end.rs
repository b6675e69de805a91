// SPDX-License-Identifier: GPL-2.0

//! One end of a pair: what its operations are called with, and what both ends of any pty do alike.
//!
//! C source: [`drivers/tty/pty.c`](srctree/drivers/tty/pty.c)

use super::{
    channel::Channel,
    ends::Ends,
    figures::{self, Figures, Observer},
    port::Port,
    tty_struct::{Flag, Tty},
    wakeup::Wakeup,
};
use crate::{bindings, model::channel::Column};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow},
    types::ForeignOwnable,
};

/// One end of a live pair, as its operations see it.
///
/// Live: the tty core has not released the pair, so both ends and what they share are there. The core calls the
/// operations below only then, and releases both ends at once (`release_tty()`).
pub(crate) struct End<'a, P> {
    tty: &'a Tty,
    link: &'a Tty,
    ends: ArcBorrow<'a, Ends<P>>,
    is_master: bool,
}

impl<'a, P: 'static> End<'a, P> {
    /// Borrows the end that `tty` is, if it is linked to another already.
    ///
    /// # Safety
    ///
    /// `tty` must be an end that [`super::pair`] made with an `Ends<P>`, and stay unreleased for `'a`.
    pub(super) unsafe fn from_raw(tty: *mut bindings::tty_struct, is_master: bool) -> Option<Self> {
        // SAFETY: The tty is live by the caller's promise. `link` is written once, before any second thread can reach
        // the tty, to an end that is released together with this one.
        let link = NonNull::new(unsafe { (*tty).link })?;
        // SAFETY: `driver_data` carries an `Arc<Ends<P>>` since `install`, until `cleanup`.
        let ends = unsafe { Arc::<Ends<P>>::borrow((*tty).driver_data) };
        Some(Self {
            // SAFETY: As above.
            tty: unsafe { Tty::from_raw(tty) },
            // SAFETY: As above.
            link: unsafe { Tty::from_raw(link.as_ptr()) },
            ends,
            is_master,
        })
    }

    /// This end.
    pub(crate) fn tty(&self) -> &'a Tty {
        self.tty
    }

    /// The other end.
    pub(crate) fn link(&self) -> &'a Tty {
        self.link
    }

    /// Hangs the other end up and returns when that is complete (`vhangup(2)`).
    ///
    /// Takes `tty_lock()` of the other end and may sleep; the caller holds no lock that ranks after it.
    pub(crate) fn vhangup_link(&self) {
        // SAFETY: The other end is live, and so is its link, this end.
        unsafe { bindings::tty_vhangup(self.link.as_ptr()) };
    }

    /// What the driver keeps for the pair.
    pub(crate) fn pair(&self) -> &P {
        self.ends.pair()
    }

    /// Opens this end, if it `may` be, and the other is not closed. Under its `tty_lock()`.
    ///
    /// # Errors
    ///
    /// `EIO` where it may not, or the other end is closed.
    pub(crate) fn open(&self, may: bool) -> Result {
        if !may || self.tty.test(Flag::OtherClosed) {
            self.tty.set(Flag::IoError);
            return Err(EIO);
        }
        self.tty.clear(Flag::IoError);
        self.link.clear(Flag::OtherClosed);
        // Always set, so that the line discipline calls `unthrottle` whenever it has read.
        self.tty.set(Flag::Throttled);
        Ok(())
    }

    /// Closes this end for good, or until it is opened again: tells those who wait at either end. Under its `tty_lock()`.
    pub(crate) fn close(&self) {
        self.tty.set(Flag::IoError);
        self.tty.wake_readers();
        self.tty.wake_writers();
        self.tty.ctrl().disable_packet();
        self.link.set_release(Flag::OtherClosed);
        self.link.wake_readers();
        self.link.wake_writers();
    }

    /// Hands output to the other end's input, as far as it has room. Returns how much. Does not sleep.
    ///
    /// Those who wait for it are told, unless the caller is inside of a write that tells them at its end.
    pub(crate) fn write(&self, data: &[u8]) -> usize {
        if self.tty.stopped() {
            self.lose_column();
            // Who is stopped may wait, with lines that nobody has been told of.
            self.flush_chars();
            return 0;
        }
        self.put(data, true, self.column_after(data))
    }

    /// Like [`write`](Self::write) for one byte, of which those who wait are told by [`flush_chars`](Self::flush_chars).
    pub(crate) fn put_char(&self, byte: u8) -> usize {
        if self.tty.stopped() {
            self.lose_column();
            return 0;
        }
        self.put(&[byte], false, Column::Other)
    }

    /// What the line discipline puts out is not taken: it has moved its column all the same.
    fn lose_column(&self) {
        if !self.is_master {
            self.channel().set_column(Column::Other);
        }
    }

    /// The column of the line discipline after it has output `data`.
    fn column_after(&self, data: &[u8]) -> Column {
        if !self.tty.processes_output() {
            Column::Same
        } else if data == b"\r\n" && self.tty.only_maps_newlines() {
            // It outputs these two together for a newline alone.
            Column::Zero
        } else {
            Column::Other
        }
    }

    fn put(&self, data: &[u8], tell: bool, column: Column) -> usize {
        if !self.is_master {
            if let Some((taken, wake)) = self.channel().write(data, tell, column) {
                if wake {
                    self.tell_master(taken);
                }
                return taken;
            }
        }
        let taken = self.link_port().receive(data);
        if self.is_master {
            self.ends.count_input(taken);
        } else {
            self.ends.count_output(taken);
        }
        taken
    }

    /// On a master: it has written `len` bytes, past its operations.
    pub(super) fn count_input(&self, len: usize) {
        self.ends.count_input(len);
    }

    /// On a master: what is to be known of the pair.
    pub(crate) fn figures(&self) -> Figures {
        Figures::of(&self.ends, self.tty, self.link)
    }

    /// Open files of the slave.
    pub(crate) fn opens(&self) -> u32 {
        figures::opens(if self.is_master { self.link } else { self.tty })
    }

    /// On a master: lets somebody look at the pair, released or not.
    pub(super) fn observer(&self) -> Observer<P> {
        Observer::new(self.ends.into(), self.tty.into(), self.link.into())
    }

    /// Tells those who wait for what was sent by [`put_char`](Self::put_char), or inside of a write.
    pub(crate) fn flush_chars(&self) {
        if !self.is_master && self.channel().flush() {
            self.tell_master(0);
        }
    }

    /// How much [`write`](Self::write) takes now, memory permitting. Does not sleep.
    pub(crate) fn write_room(&self) -> u32 {
        if self.tty.stopped() {
            return 0;
        }
        if !self.is_master {
            if let Some(room) = self.channel().write_room() {
                return room as u32;
            }
        }
        self.link_port().space_avail()
    }

    /// Drops output that has not reached the other end, and tells a master in packet mode. May sleep.
    pub(crate) fn flush_buffer(&self) {
        if !self.is_master {
            self.channel().flush_output();
        }
        self.link_port().flush();
        if self.link.packet() {
            let mut ctrl = self.tty.ctrl();
            ctrl.update_pktstatus(0, bindings::TIOCPKT_FLUSHWRITE);
            self.link.wake_readers();
        }
    }

    /// The line discipline has read: the other end may write again.
    pub(crate) fn unthrottle(&self) {
        self.link.wakeup();
        self.tty.set(Flag::Throttled);
    }

    /// On a slave: tells the readers of the master that there is output, after a write of `len` bytes.
    pub(super) fn tell_master(&self, len: usize) {
        self.ends
            .wakeup()
            .tell(self.link, len, || self.channel().len());
    }

    /// When the master's readers are woken, at either end.
    pub(super) fn wakeup(&self) -> &Wakeup {
        self.ends.wakeup()
    }

    /// The slave's output, at either end.
    pub(super) fn channel(&self) -> &Channel {
        self.ends.channel()
    }

    /// The master has another line discipline from now on: what the slave writes goes through the master's port.
    pub(super) fn detach_channel(&self) {
        let port = self.ends.master_port();
        self.channel().detach(|bytes| port.receive_all(bytes));
    }

    /// Where bytes for the other end go when they must wait.
    pub(super) fn link_port(&self) -> &Port {
        if self.is_master {
            self.ends.slave_port()
        } else {
            self.ends.master_port()
        }
    }
}

/// Borrows the end behind an open master file.
///
/// # Safety
///
/// `file` must be a file that the tty core has opened on a master that [`super::pair`] made with an `Ends<P>`, and stay
/// open for `'a`.
pub(super) unsafe fn master_end<'a, P: 'static>(file: *mut bindings::file) -> Option<End<'a, P>> {
    // SAFETY: A file that the tty core opened carries a `tty_file_private`, whose tty is not released before the file.
    unsafe {
        let private = (*file).private_data.cast::<bindings::tty_file_private>();
        End::from_raw((*private).tty, true)
    }
}
