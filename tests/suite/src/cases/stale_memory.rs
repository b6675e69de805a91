// SPDX-License-Identifier: GPL-2.0
//! Nothing that a pty gives to user space is memory that nobody has written.
//!
//! On any kernel, results are held against what was there before and what another pty gives. The job `stale-memory` runs these
//! cases where the kernel poisons what it allocates and does not clear it.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::ioctl::{self, Request};
use crate::fixture::mount::open_at;
use crate::fixture::{io, term, Fs, Pty};

cases! { "stale_memory":
    of_ioctls => "ioctls write as many bytes as their result has, the same for every fresh pty, and no poison",
    of_directories => "an entry of getdents is its name, and after it what was in the buffer before, or zeroes",
    of_attributes => "the spare fields of statx and statfs are zeroes",
    of_reads => "reads give what was written, and leave the rest of the buffer alone",
    of_text_files => "fdinfo and the mount's lines are text",
}

/// What SLUB fills with: objects in use but not written, freed ones, red zones.
const POISON: [u8; 5] = [0x5a, 0x6b, 0xa5, 0xbb, 0xcc];

/// Fails if two bytes of poison come one after another.
fn no_poison(bytes: &[u8], what: &str) -> Outcome {
    let found = bytes
        .windows(2)
        .position(|pair| pair[0] == pair[1] && POISON.contains(&pair[0]));
    check!(found.is_none(), "{what}: poison at {found:?}: {bytes:02x?}");
    Ok(())
}

/// Leaves bytes behind in the memory that terminals use.
fn soil(fs: &Fs) -> Outcome {
    let pty = Pty::open(fs)?;
    let slave = pty.slave()?;
    term::raw(&slave)?;
    for (to, _) in pty.directions(&slave) {
        io::set_nonblock(to, true)?;
        for len in [60_000, 4096, 200, 10] {
            while io::write_now(to, vec![0xa5; len]).is_ok() {}
        }
    }
    Ok(())
}

const TIOCGLCKTRMIOS: Request = 0x5456;
const TIOCGSERIAL: Request = 0x541E;
const TIOCGICOUNT: Request = 0x545D;
const TIOCGRS485: Request = 0x542E;
const TIOCGSOFTCAR: Request = 0x5419;
const TCGETA: Request = 0x5405;
const TCGETX: Request = 0x5432;
const TIOCGISO7816: Request = 0x8028_5442;

/// The ioctls that give something, and how many bytes.
const GIVING: &[(&str, Request, usize)] = &[
    ("TCGETS", libc::TCGETS, 36),
    ("TCGETS2", libc::TCGETS2, 44),
    ("TCGETA", TCGETA, 18),
    ("TCGETX", TCGETX, 16),
    ("TIOCGLCKTRMIOS", TIOCGLCKTRMIOS, 36),
    ("TIOCGWINSZ", ioctl::TIOCGWINSZ, 8),
    ("TIOCGPTN", ioctl::TIOCGPTN, 4),
    ("TIOCGPTLCK", ioctl::TIOCGPTLCK, 4),
    ("TIOCGPKT", ioctl::TIOCGPKT, 4),
    ("TIOCGEXCL", ioctl::TIOCGEXCL, 4),
    ("TIOCGETD", ioctl::TIOCGETD, 4),
    ("TIOCGDEV", ioctl::TIOCGDEV, 4),
    ("TIOCGSOFTCAR", TIOCGSOFTCAR, 4),
    ("TIOCINQ", ioctl::TIOCINQ, 4),
    ("TIOCOUTQ", ioctl::TIOCOUTQ, 4),
    ("TIOCGPGRP", ioctl::TIOCGPGRP, 4),
    ("TIOCGSID", ioctl::TIOCGSID, 4),
    ("TIOCMGET", ioctl::TIOCMGET, 4),
    ("TIOCGSERIAL", TIOCGSERIAL, 72),
    ("TIOCGICOUNT", TIOCGICOUNT, 80),
    ("TIOCGRS485", TIOCGRS485, 32),
    ("TIOCGISO7816", TIOCGISO7816, 40),
];

/// What an ioctl says and leaves in a buffer that is full of `before`.
fn result(end: &OwnedFd, request: Request, before: u8) -> (nix::Result<i32>, [u8; 256]) {
    let mut buffer = [before; 256];
    // SAFETY: the buffer is larger than the result of any of the requests.
    let result =
        Errno::result(unsafe { libc::ioctl(end.as_raw_fd(), request, buffer.as_mut_ptr()) });
    (result, buffer)
}

fn of_ioctls(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let mut first = Vec::new();
    for round in 0..4 {
        soil(&fs)?;
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        let mut all = Vec::new();
        for (name, end) in pty.ends(&slave) {
            for (what, request, size) in GIVING {
                let what = format!("{what} on the {name}");
                let ((one, a), (two, b)) =
                    (result(end, *request, 0x11), result(end, *request, 0xee));
                check_eq!(one, two, "{what}");
                let written = if one.is_ok() { *size } else { 0 };
                check_eq!(a[..written], b[..written], "{what}: what it gives");
                check!(
                    a[written..].iter().all(|byte| *byte == 0x11)
                        && b[written..].iter().all(|byte| *byte == 0xee),
                    "{what}: {one:?}, more than {written} bytes: {a:02x?}"
                );
                no_poison(&a[..written], &what)?;
                all.push((what, one, a[..written].to_vec()));
            }
        }
        if round == 0 {
            first = all;
        } else {
            for (old, new) in first.iter().zip(all) {
                check_eq!(*old, new, "another pty's");
            }
        }
    }
    Ok(())
}

fn of_directories(ctx: &Ctx) -> Outcome {
    const NAME: usize = 19;
    let fs = Fs::new(ctx)?;
    soil(&fs)?;
    let _ptys = (0..40)
        .map(|_| Pty::locked(&fs))
        .collect::<Result<Vec<_>>>()?;
    for before in [0x11, 0xee] {
        let root = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut names = 0;
        loop {
            let mut buffer = vec![before; 300];
            // SAFETY: the buffer is as long as that.
            let n = unsafe {
                libc::syscall(
                    libc::SYS_getdents64,
                    root.as_raw_fd(),
                    buffer.as_mut_ptr(),
                    buffer.len(),
                )
            };
            let n = usize::try_from(n).context("getdents64")?;
            if n == 0 {
                break;
            }
            check!(
                buffer[n..].iter().all(|byte| *byte == before),
                "more than {n} bytes: {buffer:02x?}"
            );
            let mut rest = &buffer[..n];
            while !rest.is_empty() {
                let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
                let entry = &rest[..length];
                let end = NAME
                    + entry[NAME..]
                        .iter()
                        .position(|b| *b == 0)
                        .context("no end")?;
                check!(
                    entry[end + 1..]
                        .iter()
                        .all(|byte| *byte == before || *byte == 0),
                    "after the name: {entry:02x?}"
                );
                no_poison(&entry[..end], "an entry")?;
                names += 1;
                rest = &rest[length..];
            }
        }
        check_eq!(43, names, "names");
    }
    Ok(())
}

fn of_attributes(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    soil(&fs)?;
    let _pty = Pty::open(&fs)?;
    for name in ["", "ptmx", "0"] {
        let path = std::ffi::CString::new(fs.path.join(name).as_os_str().as_encoded_bytes())?;
        let mut both = Vec::new();
        for before in [0x11, 0xee] {
            let (mut attributes, mut system) = ([before; 256], [before; 128]);
            // SAFETY: struct statx has 256 bytes, struct statfs 120.
            let (one, two) = unsafe {
                (
                    libc::statx(
                        libc::AT_FDCWD,
                        path.as_ptr(),
                        libc::AT_SYMLINK_NOFOLLOW,
                        libc::STATX_BASIC_STATS,
                        attributes.as_mut_ptr().cast(),
                    ),
                    libc::syscall(libc::SYS_statfs, path.as_ptr(), system.as_mut_ptr()),
                )
            };
            check_eq!((0, 0), (one, two), "statx and statfs of {name:?}");
            no_poison(&attributes, "statx")?;
            no_poison(&system[..120], "statfs")?;
            // After stx_dio_mem_align and the like, which a device node has not; and f_spare.
            check!(
                attributes[192..].iter().all(|byte| *byte == 0),
                "spare fields of statx: {attributes:02x?}"
            );
            check!(
                system[88..120].iter().all(|byte| *byte == 0),
                "spare fields of statfs: {system:02x?}"
            );
            both.push((attributes, system[..120].to_vec()));
        }
        check!(both[0] == both[1], "not all bytes of {name:?} are written");
    }
    Ok(())
}

fn of_reads(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    for len in [1, 2, 63, 65, 255, 257, 4095, 4097, 20_000] {
        soil(&fs)?;
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        term::raw(&slave)?;
        for (to, from) in pty.directions(&slave) {
            io::set_nonblock(to, true)?;
            let sent = io::write_now(to, vec![b'n'; len]).context("write")?;
            let mut got = 0;
            while got < sent {
                io::wait_for(from, PollFlags::POLLIN)?;
                let mut buffer = vec![0xee; 30_000];
                let n = nix::unistd::read(from, &mut buffer).context("read")?;
                check!(
                    buffer[..n].iter().all(|byte| *byte == b'n'),
                    "of {sent}, after {got}: other bytes came: {:02x?}",
                    &buffer[..n.min(64)]
                );
                check!(
                    buffer[n..].iter().all(|byte| *byte == 0xee),
                    "of {sent}, after {got}: more than {n} bytes were changed"
                );
                got += n;
            }
            check_eq!(sent, got, "bytes");
        }
    }
    Ok(())
}

fn of_text_files(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,uid=7,gid=9,mode=620,max=77")?;
    soil(&fs)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    let mut texts = vec![fs.mounts_line()?, fs.options()?];
    for (_, end) in pty.ends(&slave) {
        texts.push(
            std::fs::read_to_string(format!("/proc/self/fdinfo/{}", end.as_raw_fd()))
                .context("fdinfo")?,
        );
        texts.push(io::fd_link(end)?);
    }
    for text in texts {
        check!(
            text.bytes()
                .all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\t')),
            "not text: {text:?}"
        );
        no_poison(text.as_bytes(), "text").or_else(|error| {
            // `kk` and `ZZ` could be meant.
            check!(!text.contains("kkkk") && !text.contains("ZZZZ"), "{error}");
            Ok(())
        })?;
    }
    Ok(())
}
