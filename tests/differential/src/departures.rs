// SPDX-License-Identifier: GPL-2.0
//! What may differ between devpts and rdevpts, and is made the same before it is compared.
//!
//! Every function here is a line of `Documentation/departures.rst`, or something that differs between any two mounts. What
//! is not here is compared as it is.

use std::mem::MaybeUninit;

use crate::world::Target;

/// Device numbers: rdevpts has a major number of the kernel's choice for masters.
pub fn device(target: &Target, device: u64) -> i64 {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let major = if major == target.master_major {
        1001
    } else {
        major
    };
    (i64::from(major) << 32) | i64::from(minor)
}

/// As much of what is to be written as a terminal takes the same way whatever the order in which kernel threads run: up to, or
/// from, a character that makes a signal.
///
/// That drops the echo of what came before it, which a kernel thread may have passed on to the master by then, or not.
pub fn at_once(fd: i32, mut bytes: Vec<u8>) -> Vec<u8> {
    let mut termios = MaybeUninit::<libc::termios>::uninit();
    let mut index = 0;
    // SAFETY: requests that write what they are given, or fail.
    let termios = unsafe {
        if libc::ioctl(fd, libc::TIOCGPTN, &mut index) < 0
            || libc::tcgetattr(fd, termios.as_mut_ptr()) < 0
        {
            return bytes;
        }
        termios.assume_init()
    };
    if termios.c_lflag & libc::ISIG != 0 && termios.c_lflag & libc::NOFLSH == 0 {
        let signals = [libc::VINTR, libc::VQUIT, libc::VSUSP].map(|n| termios.c_cc[n]);
        let next = bytes.iter().skip(1).position(|byte| signals.contains(byte));
        bytes.truncate(next.map_or(bytes.len(), |n| n + 1));
    }
    bytes
}

/// What stat(2) gives, without the superblock's number and the times, which differ between any two mounts.
pub fn stat(target: &Target, st: &libc::stat) -> Vec<i64> {
    vec![
        st.st_ino as i64,
        st.st_mode.into(),
        st.st_nlink as i64,
        st.st_uid.into(),
        st.st_gid.into(),
        device(target, st.st_rdev),
        st.st_size,
        st.st_blksize,
        st.st_blocks,
    ]
}

/// What statfs(2) gives, without the identity, which is the superblock's number.
pub fn statfs(st: &nix::sys::statfs::Statfs) -> Vec<i64> {
    vec![
        st.filesystem_type().0,
        st.block_size(),
        st.blocks() as i64,
        st.blocks_free() as i64,
        st.blocks_available() as i64,
        st.files() as i64,
        st.files_free() as i64,
        st.maximum_name_length(),
        st.flags().bits() as i64,
    ]
}

/// The entries of a directory as a set: C gives the newest first, rdevpts the lowest number.
pub fn entries(mut entries: Vec<String>) -> Vec<String> {
    entries.sort_unstable();
    entries
}

/// A line of mountinfo: the flags of the mount, its source, and the options of the superblock. The name of the file system is
/// what is compared, and the rest is numbers that differ between any two mounts.
pub fn mountinfo(target: &Target, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let kind = words.iter().rev().nth(2).copied().unwrap_or_default();
    let kind = if kind == target.fstype { "pts" } else { kind };
    let last: Vec<&str> = words.iter().rev().take(2).rev().copied().collect();
    format!(
        "{} {kind} {}",
        words.get(5).copied().unwrap_or_default(),
        last.join(" ")
    )
}

/// The name of the file system, in what the kernel says of mounts.
pub fn fstype(target: &Target, text: &str) -> String {
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| match word.strip_prefix(target.fstype.as_str()) {
            Some(rest) if rest.len() <= 1 => format!("FSTYPE{rest}"),
            _ => word.to_owned(),
        })
        .collect()
}
