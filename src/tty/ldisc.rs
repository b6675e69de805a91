// SPDX-License-Identifier: GPL-2.0

//! Line disciplines: the one that is attached to a terminal, and putting another table of operations under it.
//!
//! A pty starts with `N_TTY` at both ends. The master's never does anything: its terminal is raw for good. So its place is
//! taken, under the same number, by operations that know no buffer (`master_ldisc.rs`); the slave's are those of `N_TTY`
//! with some of them replaced (`slave_ldisc.rs`). `tty->ldisc->ops` is written where the terminal is made, and for a slave
//! once more when it is opened after `N_TTY` was attached anew, by a hangup or by `TIOCSETD`. A line discipline that user
//! space chooses is attached as ever, and ours is gone then.
//!
//! C headers: [`include/linux/tty_ldisc.h`](srctree/include/linux/tty_ldisc.h)

use super::tty_struct::{Flag, Tty};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{self, addr_of_mut, NonNull},
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering::Relaxed, Atomic},
        SetOnce,
    },
};

/// The operations of `N_TTY`, and where the kernel has them.
pub(super) struct NTty {
    /// What `tty->ldisc->ops` is where `N_TTY` is attached.
    table: NonNull<bindings::tty_ldisc_ops>,
    /// Its operations.
    pub(super) ops: bindings::tty_ldisc_ops,
}

// SAFETY: Tables of functions, constant once made.
unsafe impl Send for NTty {}
// SAFETY: As above.
unsafe impl Sync for NTty {}

static N_TTY: SetOnce<NTty> = SetOnce::new();

/// The kernel's `N_TTY`, once a terminal has been made.
pub(super) fn n_tty() -> Option<&'static NTty> {
    N_TTY.as_ref()
}

/// `N_TTY`'s operations, for a table that is to differ (`n_tty_inherit_ops()`).
pub(super) fn inherit() -> bindings::tty_ldisc_ops {
    // SAFETY: A table of optional functions, a number, and pointers that may be NULL.
    let mut ops: bindings::tty_ldisc_ops = unsafe { core::mem::zeroed() };
    // SAFETY: `ops` is valid for writes.
    unsafe { bindings::n_tty_inherit_ops(&mut ops) };
    ops
}

/// Whether `ops`, which a terminal of ours has, came there by [`adopt`]: the number of `N_TTY`, but not the kernel's table.
pub(super) fn is_adopted(ops: &bindings::tty_ldisc_ops) -> bool {
    ops.num == bindings::N_TTY as c_int
        && n_tty().is_some_and(|n_tty| !ptr::eq(n_tty.table.as_ptr(), ops))
}

/// Where a line discipline has its operations.
///
/// # Safety
///
/// `ldisc` is valid for `'a`.
unsafe fn attached<'a>(
    ldisc: *mut bindings::tty_ldisc,
) -> &'a Atomic<*mut bindings::tty_ldisc_ops> {
    // SAFETY: The caller's promise. The core writes it before anybody else has the line discipline.
    unsafe { Atomic::from_ptr(addr_of_mut!((*ldisc).ops).cast()) }
}

/// Puts `ops` under the line discipline of `tty` if that is `N_TTY`.
///
/// # Safety
///
/// `tty` is being made, or `tty_lock()` of it is held. `ops` can take over at any time from `N_TTY` with its data, while calls
/// of either are under way, if the line discipline is open; it outlives the terminal.
pub(super) unsafe fn adopt(tty: *mut bindings::tty_struct, ops: *const bindings::tty_ldisc_ops) {
    // SAFETY: A terminal that is being made has a line discipline. Later it is changed, exclusive of `tty_lock()`'s holders,
    // by `tty_set_ldisc()` and by a hangup.
    unsafe {
        let ldisc = (*tty).ldisc;
        let Some(ldisc) = NonNull::new(ldisc) else {
            return;
        };
        let attached = attached(ldisc.as_ptr());
        let Some(table) = NonNull::new(attached.load(Relaxed)) else {
            return;
        };
        if (*table.as_ptr()).num != bindings::N_TTY as c_int || table.as_ptr().cast_const() == ops {
            return;
        }
        N_TTY.populate(NTty {
            table,
            ops: inherit(),
        });
        attached.store(ops.cast_mut(), Relaxed);
    }
}

/// Gives the terminal the kernel's own table back, if it still has a line discipline: the core will look into it after the
/// module may be gone.
///
/// # Safety
///
/// Nobody uses `tty` any more but the core, to free it.
pub(super) unsafe fn abandon(tty: *mut bindings::tty_struct) {
    // SAFETY: The caller's promise; nobody else looks.
    unsafe {
        if let (Some(ldisc), Some(n_tty)) = (NonNull::new((*tty).ldisc), n_tty()) {
            if (*(*ldisc.as_ptr()).ops).num == bindings::N_TTY as c_int {
                (*ldisc.as_ptr()).ops = n_tty.table.as_ptr();
            }
        }
    }
}

/// A reference to the line discipline of a terminal, which stays attached meanwhile.
///
/// # Invariants
///
/// A reference that `tty_ldisc_ref()` gave.
pub(super) struct Ldisc<'a> {
    raw: NonNull<bindings::tty_ldisc>,
    _tty: PhantomData<&'a Tty>,
}

impl<'a> Ldisc<'a> {
    /// The line discipline, unless it is being changed or gone (`tty_ldisc_ref()`). Does not sleep.
    pub(super) fn get(tty: &'a Tty) -> Option<Self> {
        // SAFETY: The terminal is live.
        // INVARIANT: The result is a reference, or NULL.
        NonNull::new(unsafe { bindings::tty_ldisc_ref(tty.as_ptr()) }).map(|raw| Self {
            raw,
            _tty: PhantomData,
        })
    }

    /// The line discipline, unless the terminal was hung up (`tty_ldisc_ref_wait()`). May sleep.
    pub(super) fn get_wait(tty: &'a Tty) -> Option<Self> {
        // SAFETY: The terminal is live.
        // INVARIANT: The result is a reference, or NULL.
        NonNull::new(unsafe { bindings::tty_ldisc_ref_wait(tty.as_ptr()) }).map(|raw| Self {
            raw,
            _tty: PhantomData,
        })
    }

    /// Its operations.
    pub(super) fn ops(&self) -> &'a bindings::tty_ldisc_ops {
        // SAFETY: Attached, by the invariant; a table outlives every terminal that has it. `adopt` may put another into the
        // place at any time.
        unsafe { &*attached(self.raw.as_ptr()).load(Relaxed) }
    }

    /// Hands it input (`tty_ldisc_receive_buf()`). Returns how much it took. May sleep.
    ///
    /// # Safety
    ///
    /// One call at a time, and in the order of the input: the buffer lock of the terminal's port is held.
    pub(super) unsafe fn receive(&self, data: *const u8, flags: *const u8, len: usize) -> usize {
        // SAFETY: Attached, by the invariant; the rest is the caller's promise.
        unsafe { bindings::tty_ldisc_receive_buf(self.raw.as_ptr(), data, flags, len) }
    }

    /// Lets it act on the flow control in input that has to wait.
    ///
    /// # Safety
    ///
    /// As for [`receive`](Self::receive), which the same bytes come to later.
    pub(super) unsafe fn look_ahead(&self, data: *const u8, flags: *const u8, len: usize) {
        if let Some(look_ahead) = self.ops().lookahead_buf {
            // SAFETY: Attached, by the invariant; the rest is the caller's promise.
            unsafe { look_ahead((*self.raw.as_ptr()).tty, data, flags, len) };
        }
    }

    /// Whether [`look_ahead`](Self::look_ahead) does anything: `N_TTY` with `IXON`.
    pub(super) fn looks_ahead(&self) -> bool {
        // SAFETY: Attached, by the invariant, to a live terminal.
        let tty = unsafe { Tty::from_raw((*self.raw.as_ptr()).tty) };
        self.starts_work() && tty.controls_flow()
    }

    /// Whether it starts the work of the port when it has room after it had none: `N_TTY` does, unless it is on its way out.
    pub(super) fn starts_work(&self) -> bool {
        // SAFETY: Attached, by the invariant, to a live terminal.
        let tty = unsafe { Tty::from_raw((*self.raw.as_ptr()).tty) };
        self.ops().num == bindings::N_TTY as c_int && !tty.test(Flag::LdiscChanging)
    }
}

impl Drop for Ldisc<'_> {
    fn drop(&mut self) {
        // SAFETY: Gives up the reference that we have by the invariant.
        unsafe { bindings::tty_ldisc_deref(self.raw.as_ptr()) };
    }
}
