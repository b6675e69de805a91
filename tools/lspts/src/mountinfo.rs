// SPDX-License-Identifier: GPL-2.0

//! `/proc/self/mountinfo`: which mounts of rdevpts the caller's namespace has. See proc_pid_mountinfo(5).
//!
//! Lines are taken as bytes: the path of a mount need not be UTF-8, and one that is not must not hide the others.

use crate::device::Device;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One mount: a place where a file system, or a part of it, can be seen.
#[derive(Debug, PartialEq, Eq)]
pub struct Mountinfo {
    /// The file system.
    pub device: Device,
    /// Whether all of it is seen, and not a single node that was bound somewhere.
    pub is_whole: bool,
    /// Where.
    pub path: PathBuf,
    /// The file system's options, with commas between them.
    pub options: String,
}

/// All mounts of a type, in the file's order; also how many lines nobody understands.
pub fn parse(text: &[u8], fstype: &str) -> (Vec<Mountinfo>, usize) {
    let mut mounts = Vec::new();
    let mut strange = 0;
    for line in text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        match parse_line(line) {
            Some((kind, mount)) if kind == fstype.as_bytes() => mounts.push(mount),
            Some(_) => {}
            None => strange += 1,
        }
    }
    (mounts, strange)
}

/// `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG...] - TYPE SOURCE OPTIONS`: the type, and the rest of what matters.
fn parse_line(line: &[u8]) -> Option<(&[u8], Mountinfo)> {
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    let device = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let root = unescape(words.next()?);
    let path = unescape(words.next()?);
    words.find(|word| *word == b"-")?;
    let fstype = words.next()?;
    let options = String::from_utf8_lossy(words.nth(1)?).into_owned();
    let mount = Mountinfo {
        device,
        is_whole: root == b"/",
        path: OsString::from_vec(path).into(),
        options,
    };
    Some((fstype, mount))
}

/// Blanks, newlines and backslashes are `\` and three octal digits: mangle_path() of fs/seq_file.c.
fn unescape(mut word: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(word.len());
    while let Some((&byte, rest)) = word.split_first() {
        let escaped = match (byte, rest) {
            (b'\\', [a, b, c, ..]) => octal([*a, *b, *c]),
            _ => None,
        };
        path.push(escaped.unwrap_or(byte));
        word = match escaped {
            Some(_) => rest.get(3..).unwrap_or_default(),
            None => rest,
        };
    }
    path
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let digits = std::str::from_utf8(&digits).ok()?;
    match digits.starts_with('+') {
        true => None,
        false => u8::from_str_radix(digits, 8).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw
31 22 0:45 / /dev/pts rw,nosuid,noexec,relatime shared:3 master:1 - rdevpts none rw,gid=5,mode=620,ptmxmode=666
32 22 0:24 / /mnt/c rw,relatime - devpts devpts rw,mode=600
40 22 0:45 / /srv/a\\040b\\134c rw - rdevpts none rw,gid=5,mode=620,ptmxmode=666
41 22 0:45 /3 /dev/console rw - rdevpts none rw,gid=5,mode=620,ptmxmode=666
42 22 0:46 / /mnt/\xff rw - rdevpts  rw,mode=600,ptmxmode=000,max=12
";

    #[test]
    fn mounts_of_one_type() {
        let (mounts, strange) = parse(TEXT, "rdevpts");
        assert_eq!(strange, 0);
        let seen: Vec<_> = mounts
            .iter()
            .map(|mount| {
                (
                    mount.device.to_string(),
                    mount.is_whole,
                    mount.path.to_string_lossy().into_owned(),
                )
            })
            .collect();
        let expected = [
            ("0:45", true, "/dev/pts"),
            ("0:45", true, "/srv/a b\\c"),
            ("0:45", false, "/dev/console"),
            ("0:46", true, "/mnt/\u{fffd}"),
        ];
        assert_eq!(
            seen,
            expected.map(|(device, whole, path)| (device.to_string(), whole, path.to_string()))
        );
        assert_eq!(mounts[0].options, "rw,gid=5,mode=620,ptmxmode=666");
        assert_eq!(mounts[3].options, "rw,mode=600,ptmxmode=000,max=12");
        assert_eq!(parse(TEXT, "devpts").0.len(), 1);
    }

    #[test]
    fn broken_lines_are_counted_and_the_others_kept() {
        let lines: [&[u8]; 7] = [
            b"garbage",
            b"31 22 0:45",
            b"31 22 zero:45 / /a rw - rdevpts none rw",
            b"31 22 0:45 / /a rw rdevpts none rw",
            b"31 22 0:45 / /a rw - rdevpts none",
            b"\xff\xff \xff \xff \xff",
            b"31 22 0:45 / /dev/pts rw - rdevpts none rw",
        ];
        let (mounts, strange) = parse(&lines.join(&b'\n'), "rdevpts");
        assert_eq!((mounts.len(), strange), (1, 6));
        assert_eq!(parse(b"", "rdevpts"), (vec![], 0));
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape(b"a\\011b\\012"), b"a\tb\n");
        for word in [&b"\\"[..], b"\\04", b"\\08x", b"\\9999", b"\\+12", b"\\777"] {
            assert_eq!(unescape(word), word);
        }
    }
}
