// SPDX-License-Identifier: GPL-2.0

//! The limits on the number of ptys of all mounts together: the sysctls `max`, `reserve` and `nr`.

/// Default of the sysctl `max`, `NR_UNIX98_PTY_DEFAULT` of `include/linux/tty.h`.
pub const DEFAULT_MAX: i32 = 4096;

/// Default of the sysctl `reserve`, `NR_UNIX98_PTY_RESERVE` of `include/linux/tty.h`.
pub const DEFAULT_RESERVE: i32 = 1024;

/// Whether one more pty is within the limits, as `devpts_new_index()` in `fs/devpts/inode.c` decides it.
///
/// `before` is the number of ptys that exist or are being made, without this one; `max` and `reserve` are the sysctls.
/// The last `reserve` of the `max` are for the mounts that may use them: those made in the initial mount namespace.
///
/// devpts counts the new pty first and compares with `>=`, so that `max` itself is never reached: with `max=4096` the
/// 4096th open fails. User space has seen it like this since the sysctl exists, so it stays.
pub const fn admits(before: i32, max: i32, reserve: i32, may_use_reserve: bool) -> bool {
    let kept_back = if may_use_reserve { 0 } else { reserve };
    before.saturating_add(1) < max.saturating_sub(kept_back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_pty_numbered_max_is_refused() {
        assert!(admits(0, 2, 0, true));
        assert!(!admits(1, 2, 0, true));
        assert!(!admits(2, 2, 0, true));
        assert!(admits(4094, 4096, 1024, true));
        assert!(!admits(4095, 4096, 1024, true));
    }

    #[test]
    fn the_reserve_is_kept_back_from_other_mount_namespaces() {
        assert!(admits(3070, 4096, 1024, false));
        assert!(!admits(3071, 4096, 1024, false));
        assert!(admits(3071, 4096, 1024, true));
    }

    #[test]
    fn nothing_is_admitted_when_all_is_reserved_or_max_is_zero() {
        assert!(!admits(0, 1024, 1024, false));
        assert!(!admits(0, 10, i32::MAX, false));
        assert!(!admits(0, 0, 0, true));
        assert!(!admits(0, 1, 0, true));
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        assert!(!admits(i32::MAX, i32::MAX, 0, true));
        assert!(!admits(i32::MAX - 1, i32::MAX, 0, true));
        assert!(admits(i32::MAX - 2, i32::MAX, 0, true));
        assert!(!admits(0, 0, i32::MAX, false));
        assert!(!admits(0, i32::MIN, i32::MAX, false));
    }

    proptest! {
        /// The C expression, computed without overflow.
        #[test]
        fn agrees_with_the_c_expression(
            before in 0..i32::MAX, max in 0..=i32::MAX, reserve in 0..=i32::MAX, may_use: bool
        ) {
            let limit = i64::from(max) - if may_use { 0 } else { i64::from(reserve) };
            let refused = i64::from(before) + 1 >= limit;
            prop_assert_eq!(admits(before, max, reserve, may_use), !refused);
        }

        #[test]
        fn near_the_limit_too(max in 0..50i32, reserve in 0..50i32, before in 0..60i32, may_use: bool) {
            let limit = max - if may_use { 0 } else { reserve };
            prop_assert_eq!(admits(before, max, reserve, may_use), before + 1 < limit);
        }

        #[test]
        fn the_reserve_only_ever_refuses(before: i32, max: i32, reserve in 0..=i32::MAX) {
            prop_assert!(!admits(before, max, reserve, false) || admits(before, max, reserve, true));
        }
    }
}
