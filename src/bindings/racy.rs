// SPDX-License-Identifier: GPL-2.0

//! Reads that race with writers of the kernel's, on purpose.

/// Reads once what the kernel writes under a lock that the caller does not hold: `data_race(READ_ONCE(*from))`.
///
/// The answer may be old by the time that it is looked at, and only that: the writers in C store an aligned word as a whole,
/// but most of them do not say so (`WRITE_ONCE()`), and would have KCSAN report each reader.
///
/// # Safety
///
/// `from` is valid for reads and aligned, and whatever others store there are values of `T`.
#[inline(always)]
pub(crate) unsafe fn read_racy<T: Copy>(from: *const T) -> T {
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: Always sound; for this task or interrupt alone, and nested.
    unsafe {
        super::kcsan_disable_current()
    };
    // SAFETY: The caller's promise.
    let value = unsafe { from.read_volatile() };
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: It was disabled above.
    unsafe {
        super::kcsan_enable_current()
    };
    value
}
