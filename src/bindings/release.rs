// SPDX-License-Identifier: GPL-2.0

//! Which kernel this is, and whether it is the one that the module was built for.

use super::raw;
use kernel::{ffi::c_char, prelude::*};

/// Whether the module may run here: on the release that it was built for (the loader can be told to go on with another,
/// `insmod -f`), of a series that it was tried on (`compat.h`). If not, the log says why.
///
/// # Errors
///
/// `ENOEXEC`.
pub(crate) fn check() -> Result {
    // SAFETY: Two strings that do not change.
    let (built, running) = unsafe {
        (
            string(raw::rdevpts_release_built_for()),
            string(raw::rdevpts_release_running()),
        )
    };
    if built.to_bytes_with_nul() != running.to_bytes_with_nul() {
        pr_err!("not loaded: this is kernel {running}, and it was built for {built}\n");
        return Err(ENOEXEC);
    }
    // SAFETY: Always sound.
    if !unsafe { raw::rdevpts_series_known() } {
        // SAFETY: A string.
        let known = unsafe { string(raw::rdevpts_series()) };
        pr_err!("not loaded: this is kernel {running}, and it was tried on {known} alone\n");
        return Err(ENOEXEC);
    }
    Ok(())
}

/// Borrows a string of C's. (`CStr::from_char_ptr()` adds in a way that can panic.)
///
/// # Safety
///
/// `ptr` is a string that stays, and does not change.
unsafe fn string(ptr: *const c_char) -> &'static CStr {
    // SAFETY: The caller's promise.
    unsafe {
        let len = raw::strlen(ptr).saturating_add(1);
        CStr::from_bytes_with_nul_unchecked(core::slice::from_raw_parts(ptr.cast(), len))
    }
}
