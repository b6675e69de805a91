// SPDX-License-Identifier: GPL-2.0

//! The mount options, with the defaults, ranges and display of devpts (`fs/devpts/inode.c`).

use super::index::NR_PTY_MAX;
use core::fmt;

/// The bits of a mode that an option may set, `S_IALLUGO` of `include/linux/stat.h`.
const S_IALLUGO: u32 = 0o7777;

/// The options of one mount.
///
/// `uid` and `gid` are kernel-internal ids, which are those of the initial user namespace; [`None`] where the option was
/// not given, which means the ids of whoever opens `ptmx`.
///
/// # Invariants
///
/// `mode` and `ptmxmode` have no bits outside of `S_IALLUGO`, and `max` is at most [`NR_PTY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: u16,
    ptmxmode: u16,
    max: u32,
}

/// The value of `max=` is negative or above [`NR_PTY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxOutOfRange;

impl Options {
    /// What a mount without options has; also what a remount starts from, so that it resets each option it does not name.
    ///
    /// `ptmxmode` is 0000: `ptmx` of a new mount is unusable until its mode is set.
    // INVARIANT: the constants are within the bounds.
    pub const DEFAULT: Self = Self {
        uid: None,
        gid: None,
        mode: 0o600,
        ptmxmode: 0,
        max: NR_PTY_MAX,
    };

    /// Owner of every slave, if given.
    pub const fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Group of every slave, if given.
    pub const fn gid(&self) -> Option<u32> {
        self.gid
    }

    /// Permission bits of every slave.
    pub const fn mode(&self) -> u16 {
        self.mode
    }

    /// Permission bits of `ptmx`.
    pub const fn ptmxmode(&self) -> u16 {
        self.ptmxmode
    }

    /// How many ptys there may be, where 0 is no limit; see [`super::index::highest`].
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// Sets the option `uid=`.
    pub fn set_uid(&mut self, uid: u32) {
        self.uid = Some(uid);
    }

    /// Sets the option `gid=`.
    pub fn set_gid(&mut self, gid: u32) {
        self.gid = Some(gid);
    }

    /// Sets the option `mode=`; bits that are no permission bits are ignored, as devpts does.
    pub fn set_mode(&mut self, mode: u32) {
        self.mode = permission_bits(mode);
    }

    /// Sets the option `ptmxmode=`; bits that are no permission bits are ignored, as devpts does.
    pub fn set_ptmxmode(&mut self, mode: u32) {
        self.ptmxmode = permission_bits(mode);
    }

    /// Sets the option `max=`. On an error the options are as before.
    pub fn set_max(&mut self, max: i32) -> Result<(), MaxOutOfRange> {
        match u32::try_from(max) {
            Ok(max) if max <= NR_PTY_MAX => {
                // INVARIANT: just checked.
                self.max = max;
                Ok(())
            }
            _ => Err(MaxOutOfRange),
        }
    }
}

/// INVARIANT of [`Options`]: the result is within `S_IALLUGO`.
const fn permission_bits(mode: u32) -> u16 {
    // CAST: the masked value has 12 bits.
    (mode & S_IALLUGO) as u16
}

/// As `/proc/mounts` shows them, each with a comma before it.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uid) = self.uid {
            write!(f, ",uid={uid}")?;
        }
        if let Some(gid) = self.gid {
            write!(f, ",gid={gid}")?;
        }
        write!(f, ",mode={:03o},ptmxmode={:03o}", self.mode, self.ptmxmode)?;
        if self.max < NR_PTY_MAX {
            write!(f, ",max={}", self.max)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn defaults_are_those_of_devpts() {
        assert_eq!(Options::DEFAULT.to_string(), ",mode=600,ptmxmode=000");
        assert_eq!(Options::DEFAULT.max(), NR_PTY_MAX);
    }

    #[test]
    fn shows_what_was_set() {
        let mut options = Options::DEFAULT;
        options.set_gid(5);
        options.set_mode(0o620);
        options.set_ptmxmode(0o666);
        assert_eq!(options.set_max(64), Ok(()));
        assert_eq!(options.to_string(), ",gid=5,mode=620,ptmxmode=666,max=64");
        options.set_uid(0);
        options.set_mode(0o4);
        assert_eq!(
            options.to_string(),
            ",uid=0,gid=5,mode=004,ptmxmode=666,max=64"
        );
        options.set_mode(0o1777);
        assert_eq!(
            options.to_string(),
            ",uid=0,gid=5,mode=1777,ptmxmode=666,max=64"
        );
    }

    #[test]
    fn max_at_the_ends_of_its_range() {
        let mut options = Options::DEFAULT;
        for bad in [-1, i32::MIN, i32::MAX, NR_PTY_MAX as i32 + 1] {
            assert_eq!(options.set_max(bad), Err(MaxOutOfRange));
            assert_eq!(options, Options::DEFAULT);
        }
        assert_eq!(options.set_max(0), Ok(()));
        assert_eq!(options.to_string(), ",mode=600,ptmxmode=000,max=0");
        assert_eq!(options.set_max(NR_PTY_MAX as i32), Ok(()));
        assert_eq!(options.to_string(), ",mode=600,ptmxmode=000");
    }

    proptest! {
        #[test]
        fn modes_are_masked(mode: u32, ptmxmode: u32) {
            let mut options = Options::DEFAULT;
            options.set_mode(mode);
            options.set_ptmxmode(ptmxmode);
            prop_assert_eq!(u32::from(options.mode()), mode % 0o10000);
            prop_assert_eq!(u32::from(options.ptmxmode()), ptmxmode % 0o10000);
        }

        #[test]
        fn max_is_taken_or_refused_whole(max: i32) {
            let mut options = Options::DEFAULT;
            let in_range = (0..=1 << 20).contains(&max);
            prop_assert_eq!(options.set_max(max).is_ok(), in_range);
            prop_assert_eq!(i64::from(options.max()), if in_range { i64::from(max) } else { 1 << 20 });
        }

        /// What is shown, given as options again, makes the same options.
        #[test]
        fn display_round_trips(
            uid: Option<u32>, gid: Option<u32>, mode in 0..0o10000u32, ptmxmode in 0..0o10000u32, max in 0..=1i32 << 20
        ) {
            let mut options = Options::DEFAULT;
            if let Some(uid) = uid { options.set_uid(uid); }
            if let Some(gid) = gid { options.set_gid(gid); }
            options.set_mode(mode);
            options.set_ptmxmode(ptmxmode);
            prop_assert_eq!(options.set_max(max), Ok(()));

            let shown = options.to_string();
            let mut again = Options::DEFAULT;
            for option in shown.strip_prefix(',').unwrap().split(',') {
                let (name, value) = option.split_once('=').unwrap();
                match name {
                    "uid" => again.set_uid(value.parse().unwrap()),
                    "gid" => again.set_gid(value.parse().unwrap()),
                    "mode" => again.set_mode(u32::from_str_radix(value, 8).unwrap()),
                    "ptmxmode" => again.set_ptmxmode(u32::from_str_radix(value, 8).unwrap()),
                    "max" => prop_assert_eq!(again.set_max(value.parse().unwrap()), Ok(())),
                    _ => prop_assert!(false, "{} is no option", name),
                }
            }
            prop_assert_eq!(options, again);
        }
    }
}
