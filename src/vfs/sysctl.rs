// SPDX-License-Identifier: GPL-2.0

//! Numbers in `/proc/sys`.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)

use crate::bindings;
use core::{mem::size_of, ptr::NonNull};
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::atomic::Atomic, //
};

/// The bounds of a number that must not be negative.
static LOWEST: c_int = 0;
static HIGHEST: c_int = c_int::MAX;

/// One file: a number that is an `int` for the C side, too.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    name: &'static CStr,
    value: &'static Atomic<i32>,
    writable: bool,
}

impl Number {
    /// A number that the superuser can set, to anything that is not negative.
    pub(crate) const fn writable(name: &'static CStr, value: &'static Atomic<i32>) -> Self {
        Self {
            name,
            value,
            writable: true,
        }
    }

    /// A number that can be read only.
    pub(crate) const fn read_only(name: &'static CStr, value: &'static Atomic<i32>) -> Self {
        Self {
            name,
            value,
            writable: false,
        }
    }

    const fn into_raw(self) -> bindings::ctl_table {
        let mut raw: bindings::ctl_table = pin_init::zeroed();
        raw.procname = as_char_ptr_in_const_context(self.name);
        raw.data = self.value.as_ptr().cast();
        // CAST: four.
        raw.maxlen = size_of::<c_int>() as c_int;
        if self.writable {
            raw.mode = 0o644;
            raw.proc_handler = Some(bindings::proc_dointvec_minmax);
            // `proc_dointvec_minmax()` only reads the bounds.
            raw.extra1 = (&raw const LOWEST).cast_mut().cast::<c_void>();
            raw.extra2 = (&raw const HIGHEST).cast_mut().cast::<c_void>();
        } else {
            raw.mode = 0o444;
            raw.proc_handler = Some(bindings::proc_dointvec);
        }
        raw
    }
}

/// The `N` files of one directory, to be declared as a static.
///
/// # Invariants
///
/// Each entry names an `Atomic<i32>` that is a static, as its data.
pub(crate) struct Table<const N: usize>([bindings::ctl_table; N]);

// SAFETY: The table itself is immutable. What its entries point to is atomic, and the C side accesses it with
// `READ_ONCE()` and `WRITE_ONCE()`.
unsafe impl<const N: usize> Sync for Table<N> {}

impl<const N: usize> Table<N> {
    /// The table of `numbers`.
    pub(crate) const fn new(numbers: [Number; N]) -> Self {
        let mut table = [pin_init::zeroed::<bindings::ctl_table>(); N];
        let mut i = 0;
        // The indexing is checked when the static is evaluated, at build time.
        while i < N {
            table[i] = numbers[i].into_raw();
            i += 1;
        }
        // INVARIANT: `Number` has no other values than such atomics.
        Self(table)
    }
}

/// A directory of numbers in `/proc/sys`; dropping it removes the directory, and waits for who is reading or writing.
///
/// # Invariants
///
/// `0` is what `register_sysctl_sz()` returned, and this is the only value that will unregister it.
#[must_use = "dropping it removes the directory"]
pub(crate) struct Registration(NonNull<bindings::ctl_table_header>);

// SAFETY: It may be unregistered by any thread.
unsafe impl Send for Registration {}
// SAFETY: There is nothing that can be done with a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Makes the directory `path`, which is relative to `/proc/sys`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory, or there is such a file (the C side does not tell, but logs it).
    pub(crate) fn new<const N: usize>(
        path: &'static CStr,
        table: &'static Table<N>,
    ) -> Result<Self> {
        // SAFETY: Path and table are statics, and the table has `N` entries, each valid by the type invariants.
        let header =
            unsafe { bindings::register_sysctl_sz(path.as_char_ptr(), table.0.as_ptr(), N) };
        // INVARIANT: Just registered.
        Ok(Self(NonNull::new(header).ok_or(ENOMEM)?))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariants.
        unsafe { bindings::unregister_sysctl_table(self.0.as_ptr()) };
    }
}
