// SPDX-License-Identifier: GPL-2.0

//! `getdents64`, raw: one system call at a time, into a buffer of any size, and a parser that trusts nothing.
//!
//! The C library's `readdir()` hides where one call ends and the next begins, and reads in large chunks; races that need
//! several calls for one pass would never be tried.

use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};

/// `struct linux_dirent64` up to the name: `d_ino`, `d_off`, `d_reclen`, `d_type`.
const HEADER: usize = 19;

/// One directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dent {
    /// `d_ino`.
    pub ino: u64,
    /// `d_type`.
    pub d_type: u8,
    /// `d_name`.
    pub name: Name,
}

/// The names that mean something in a pty directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// `ptmx`
    Ptmx,
    /// A pty's index, in decimal.
    Index(u32),
    /// Anything else.
    Other(String),
}

impl Name {
    /// The meaning of a name.
    pub fn parse(name: &[u8]) -> Self {
        match name {
            b"." => return Name::Dot,
            b".." => return Name::DotDot,
            b"ptmx" => return Name::Ptmx,
            _ => {}
        }
        let name = String::from_utf8_lossy(name).into_owned();
        match name.parse::<u32>() {
            // `+7` and `007` parse as well, and are no pty's name.
            Ok(index) if index.to_string() == name => Name::Index(index),
            _ => Name::Other(name),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Dot => f.write_str("."),
            Name::DotDot => f.write_str(".."),
            Name::Ptmx => f.write_str("ptmx"),
            Name::Index(index) => index.fmt(f),
            Name::Other(name) => name.fmt(f),
        }
    }
}

/// One `getdents64` into `buffer`: how many bytes of it are entries now. 0 is the end of the directory.
pub fn getdents(dir: impl AsFd, buffer: &mut [u8]) -> nix::Result<usize> {
    let fd = dir.as_fd().as_raw_fd();
    // SAFETY: The kernel writes at most `buffer.len()` bytes to `buffer`, which is ours alone.
    let n = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) };
    Errno::result(n).map(|n| usize::try_from(n).unwrap_or(0))
}

/// The entries that one call returned, or what is wrong with its bytes.
pub fn parse(mut bytes: &[u8]) -> Result<Vec<Dent>, String> {
    let mut dents = Vec::new();
    while !bytes.is_empty() {
        let number = dents.len();
        let reclen = match bytes.get(16..18) {
            Some(&[low, high]) => usize::from(u16::from_ne_bytes([low, high])),
            _ => {
                return Err(format!(
                    "entry {number} is cut off at {} bytes",
                    bytes.len()
                ))
            }
        };
        if reclen % 8 != 0 || reclen <= HEADER || reclen > bytes.len() {
            return Err(format!(
                "entry {number} has d_reclen {reclen}, of {} bytes left",
                bytes.len()
            ));
        }
        let (dent, rest) = bytes.split_at(reclen);
        bytes = rest;
        let name = match dent[HEADER..].iter().position(|&byte| byte == 0) {
            Some(0) => return Err(format!("entry {number} has an empty name")),
            Some(end) => &dent[HEADER..HEADER + end],
            None => return Err(format!("the name of entry {number} has no end")),
        };
        let mut ino = [0; 8];
        ino.copy_from_slice(&dent[..8]);
        dents.push(Dent {
            ino: u64::from_ne_bytes(ino),
            d_type: dent[18],
            name: Name::parse(name),
        });
    }
    Ok(dents)
}

/// The `d_type` that goes with an `st_mode`.
pub fn type_of_mode(mode: libc::mode_t) -> u8 {
    ((mode & libc::S_IFMT) >> 12) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of one entry, as the kernel lays them out.
    fn record(ino: u64, d_type: u8, name: &[u8]) -> Vec<u8> {
        let reclen = (HEADER + name.len() + 1).next_multiple_of(8);
        let mut bytes = ino.to_ne_bytes().to_vec();
        bytes.extend(99_u64.to_ne_bytes());
        bytes.extend(u16::try_from(reclen).unwrap().to_ne_bytes());
        bytes.push(d_type);
        bytes.extend(name);
        bytes.resize(reclen, 0);
        bytes
    }

    #[test]
    fn entries_are_read_back() {
        let mut bytes = record(1, libc::DT_DIR, b".");
        bytes.extend(record(1, libc::DT_DIR, b".."));
        bytes.extend(record(2, libc::DT_CHR, b"ptmx"));
        bytes.extend(record(1026, libc::DT_CHR, b"1023"));
        let names: Vec<_> = parse(&bytes)
            .unwrap()
            .into_iter()
            .map(|d| (d.ino, d.name))
            .collect();
        assert_eq!(
            names,
            [
                (1, Name::Dot),
                (1, Name::DotDot),
                (2, Name::Ptmx),
                (1026, Name::Index(1023))
            ]
        );
    }

    #[test]
    fn only_the_decimal_form_is_an_index() {
        assert_eq!(Name::parse(b"0"), Name::Index(0));
        for name in ["00", "+1", "-1", "4294967296", "1a", "x"] {
            assert_eq!(Name::parse(name.as_bytes()), Name::Other(name.into()));
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        let good = record(3, libc::DT_CHR, b"0");
        assert!(parse(&good).is_ok());
        assert!(parse(&good[..10]).is_err(), "cut off in the header");
        assert!(parse(&good[..20]).is_err(), "cut off in the name");
        for reclen in [0_u16, 7, 16, 25, 32] {
            let mut bad = good.clone();
            bad[16..18].copy_from_slice(&reclen.to_ne_bytes());
            assert!(parse(&bad).is_err(), "d_reclen {reclen}");
        }
        let mut endless = good.clone();
        endless[HEADER..].fill(b'1');
        assert!(parse(&endless).is_err(), "no terminator");
        assert!(parse(&record(3, libc::DT_CHR, b"")).is_err(), "no name");
    }

    #[test]
    fn a_real_directory_parses_in_any_chunk() {
        let dir = tempdir();
        for i in 0..50 {
            std::fs::write(dir.join(i.to_string()), "").unwrap();
        }
        for size in [64, 200, 4096] {
            let file = std::fs::File::open(&dir).unwrap();
            let mut buffer = vec![0; size];
            let (mut calls, mut names) = (0, Vec::new());
            loop {
                let n = getdents(&file, &mut buffer).unwrap();
                if n == 0 {
                    break;
                }
                calls += 1;
                names.extend(parse(&buffer[..n]).unwrap().into_iter().map(|d| d.name));
            }
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 52, "buffer of {size}");
            assert!(calls > 1 || size == 4096);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    fn tempdir() -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("reproducer-dents-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn types_match_modes() {
        assert_eq!(type_of_mode(libc::S_IFCHR | 0o620), libc::DT_CHR);
        assert_eq!(type_of_mode(libc::S_IFDIR | 0o755), libc::DT_DIR);
        assert_eq!(type_of_mode(libc::S_IFREG), libc::DT_REG);
    }
}
