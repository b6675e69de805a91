// SPDX-License-Identifier: GPL-2.0
//! What may differ between devpts and rdevpts, and is made the same before it is compared.
//!
//! Every function here is a line of `Documentation/departures.rst`, or something that differs between any two mounts. What
//! is not here is compared as it is.

use std::mem::MaybeUninit;

use crate::world::Target;

/// What a line discipline holds at most, in bytes, and so what devpts says of a master's input.
pub const INPUT: usize = 4095;

/// How many bytes both file systems take towards a slave before a writer waits: devpts has buffers of 8 KiB beside its line
/// disciplines, in pieces that need not be full. Cases write no more than that ([`crate::under_way`]).
pub const FITS: usize = 7000;

/// The same towards a master: what is in these buffers comes to the line discipline later, and tells of itself again.
pub const FITS_MASTER: usize = 4000;

/// In what pieces the tty core hands a write on to devpts, in bytes; rdevpts gets all at once.
pub const PIECE: usize = 2048;

/// Bytes to read: rdevpts says of a master all that is there.
pub fn input(bytes: i32) -> i32 {
    bytes.min(INPUT as i32)
}

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

/// After a read of a terminal to memory that is not there: takes away what is left to read, and the packet mode status.
///
/// A line discipline has taken some of it when it finds out, other numbers of bytes in each, and a master of rdevpts none.
pub fn level_input(fd: i32) {
    let (mut packet, off, on) = (0, 0, 1);
    // SAFETY: requests that take a number, write an int, or read one.
    unsafe {
        libc::ioctl(fd, libc::TCFLSH, libc::TCIFLUSH);
        if libc::ioctl(fd, libc::TIOCGPKT, &mut packet) == 0 && packet != 0 {
            libc::ioctl(fd, libc::TIOCPKT, &off);
            libc::ioctl(fd, libc::TIOCPKT, &on);
        }
    }
}

/// As much of what is to be written as both file systems take the same way: up to, or from, a character that makes a signal, and
/// no more than has an echo that fits.
///
/// A signal drops the echo of what came before it, which devpts may have passed on to the master by then, or not, whatever the
/// order in which kernel threads run; rdevpts has. Which characters print the line once more is for the terminal to say.
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
    if termios.c_lflag & libc::ICANON != 0 {
        let again = [libc::VREPRINT, libc::VKILL, libc::VWERASE].map(|n| termios.c_cc[n]);
        let (mut line, mut printed) = (0, 0);
        let fits = bytes.iter().take_while(|byte| {
            line = if **byte == b'\n' { 0 } else { line + 8 };
            printed += if again.contains(byte) { line } else { 1 };
            printed <= FITS_MASTER
        });
        let fits = fits.count();
        bytes.truncate(fits);
    }
    bytes
}

/// Whether a read of `len` bytes from a master in packet mode gave the status of data, and had memory for no more: rdevpts leaves
/// both, and fails.
pub fn is_bare_status(fd: i32, bytes: &[u8], len: usize) -> bool {
    let mut packet = 0;
    // SAFETY: writes an int.
    let asked = unsafe { libc::ioctl(fd, libc::TIOCGPKT, &mut packet) };
    asked == 0 && packet != 0 && len > 1 && bytes == [0]
}

/// The events to watch for: for who asks for edges of room, all by which the kernel tells of it. The terminal may be being written
/// to while its echo comes, so that there is room only a moment later.
pub fn edges(events: u32) -> u32 {
    let room = (libc::EPOLLOUT | libc::EPOLLWRNORM | libc::EPOLLWRBAND) as u32;
    if events & libc::EPOLLET as u32 != 0 && events & room != 0 {
        events | libc::EPOLLOUT as u32
    } else {
        events
    }
}

/// The flags of preadv2(2) or pwritev2(2) that both file systems take the same way: a master of rdevpts knows `RWF_NOWAIT`.
pub fn may_wait(fd: i32, flags: i32) -> i32 {
    let mut st = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: writes what it is given, or fails.
    let is_master = unsafe {
        libc::fstat(fd, st.as_mut_ptr()) == 0 && st.assume_init().st_rdev == libc::makedev(5, 2)
    };
    if is_master {
        flags & !libc::RWF_NOWAIT
    } else {
        flags
    }
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
