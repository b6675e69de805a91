// SPDX-License-Identifier: GPL-2.0

//! Which pty indices a mount may hand out.

/// How many ptys one mount can have, `NR_UNIX98_PTY_MAX` of `include/linux/tty.h`: the width of a device minor.
pub const NR_PTY_MAX: u32 = 1 << 20;

/// Inode numbers of slaves start here: 1 is the root, 2 is `ptmx` (`devpts_pty_new()` in `fs/devpts/inode.c`).
const FIRST_SLAVE_INO: u64 = 3;

/// The highest index that a mount with the option `max=` may use.
///
/// `max` counts ptys, so the highest index is one less. As in devpts, `max=0` is no limit; what remains then is the
/// number of minors. (devpts itself would go on to indices whose device number overflows into the major.)
///
/// A `max` above [`NR_PTY_MAX`], which [`super::options::Options::set_max`] refuses, is taken as [`NR_PTY_MAX`].
pub const fn highest(max: u32) -> u32 {
    const LAST_MINOR: u32 = NR_PTY_MAX - 1;

    match max.checked_sub(1) {
        Some(last) if last < LAST_MINOR => last,
        _ => LAST_MINOR,
    }
}

/// The inode number of the slave with `index`.
pub const fn slave_ino(index: u32) -> u64 {
    // CAST: widening. OVERFLOW: both addends are below 2^33.
    (index as u64).wrapping_add(FIRST_SLAVE_INO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn max_counts_ptys() {
        assert_eq!(highest(1), 0);
        assert_eq!(highest(2), 1);
        assert_eq!(highest(4096), 4095);
        assert_eq!(highest(NR_PTY_MAX), NR_PTY_MAX - 1);
    }

    #[test]
    fn max_zero_is_no_limit_but_that_of_the_minors() {
        assert_eq!(highest(0), NR_PTY_MAX - 1);
    }

    #[test]
    fn inode_numbers_are_those_of_devpts() {
        assert_eq!(slave_ino(0), 3);
        assert_eq!(slave_ino(7), 10);
        assert_eq!(slave_ino(u32::MAX), 4_294_967_298);
    }

    proptest! {
        #[test]
        fn every_index_fits_a_minor(max: u32) {
            prop_assert!(highest(max) < NR_PTY_MAX);
        }

        #[test]
        fn as_many_indices_as_max_says(max in 1..=NR_PTY_MAX) {
            prop_assert_eq!(highest(max) + 1, max);
        }

        #[test]
        fn no_two_slaves_share_an_inode_number(a: u32, b: u32) {
            prop_assert_eq!(slave_ino(a) == slave_ino(b), a == b);
            prop_assert!(slave_ino(a) > 2);
        }
    }
}
