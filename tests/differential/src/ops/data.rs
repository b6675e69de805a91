// SPDX-License-Identifier: GPL-2.0
//! Reading and writing.

use std::fmt;

use nix::errno::Errno;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};

/// What is written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Lines of `width` bytes, `len` bytes in all.
    Lines { len: u32, width: u16 },
    /// One byte, many times.
    Run { len: u32, byte: u8 },
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Lines { len, width } => write!(f, "{len} bytes in lines of {width}"),
            Self::Run { len, byte } => write!(f, "{len} times {:?}", char::from(*byte)),
        }
    }
}

impl Text {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Run { len, byte } => vec![*byte; *len as usize],
            Self::Lines { len, width } => {
                let width = usize::from(*width).max(1);
                (0..*len as usize)
                    .map(|n| {
                        if n % width == width - 1 {
                            b'\n'
                        } else {
                            b'a' + ((n / width + n % width) % 26) as u8
                        }
                    })
                    .collect()
            }
        }
    }

    /// Cuts it until its `size` is `most`, or less.
    pub fn shorten(&mut self, most: usize, size: impl Fn(&[u8]) -> usize) {
        let all = self.bytes();
        if size(&all) <= most {
            return;
        }
        let fits = (0..all.len())
            .collect::<Vec<_>>()
            .partition_point(|n| size(&all[..*n]) <= most);
        let fits = fits.saturating_sub(1);
        match self {
            Self::Bytes(bytes) => bytes.truncate(fits),
            Self::Lines { len, .. } | Self::Run { len, .. } => *len = fits as u32,
        }
    }

    /// Short texts with control characters in them, and, sometimes, long ones.
    pub fn any() -> BoxedStrategy<Self> {
        let control: &[u8] = b"\x03\x1a\x1c\x04\x13\x11\x15\x17\x7f\x08\x12\x16\x0f\x19\xff\0\x80\xc3\xa4\xe2\x07\x1b";
        let byte = prop_oneof![
            6 => prop::sample::select(b"abcXYZ \t".as_slice()),
            3 => prop::sample::select(b"\n\r".as_slice()),
            3 => prop::sample::select(control),
            1 => any::<u8>(),
        ];
        let long = prop_oneof![8 => 1..300_u32, 3 => 300..5000_u32, 1 => 5000..20000_u32, 1 => 4090..4100_u32];
        prop_oneof![
            20 => prop::collection::vec(byte, 0..12).prop_map(Self::Bytes),
            3 => (long.clone(), prop_oneof![1..80_u16, 80..5000_u16])
                .prop_map(|(len, width)| Self::Lines { len, width }),
            1 => (long, prop::sample::select(b"a\n\t\x01\xff".as_slice())).prop_map(|(len, byte)| Self::Run { len, byte }),
        ]
        .boxed()
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Data {
    /// read(2).
    Read { fd: Fd, len: u32 },
    /// readv(2), in pieces of this size.
    Readv { fd: Fd, piece: u16, pieces: u8 },
    /// pread(2).
    Pread { fd: Fd, len: u16 },
    /// write(2).
    Write { fd: Fd, text: Text },
    /// writev(2), in pieces of this size.
    Writev { fd: Fd, text: Text, piece: u16 },
    /// pwrite(2).
    Pwrite { fd: Fd, text: Text },
    /// read(2) or write(2) with an address that is not mapped, or that ends after some bytes.
    BadPointer {
        fd: Fd,
        write: bool,
        good: u16,
        len: u16,
    },
}

impl Family for Data {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let len = || {
            prop_oneof![
                4 => 1..10_u32,
                4 => 10..200_u32,
                4 => prop::sample::select(vec![63_u32, 64, 65, 255, 256, 257, 1024, 4094, 4095, 4096, 4097]),
                3 => 1000..9000_u32,
                1 => 9000..70_000_u32,
                1 => Just(0),
            ]
        };
        let tty = || Fd::mostly(Class::Tty);
        vec![
            (
                20,
                (Fd::mostly(Class::Readable), len())
                    .prop_map(|(fd, len)| Self::Read { fd, len })
                    .boxed(),
            ),
            (
                2,
                (tty(), len())
                    .prop_map(|(fd, len)| Self::Read { fd, len })
                    .boxed(),
            ),
            (
                2,
                (Fd::mostly(Class::Readable), 0..100_u16, 0..5_u8)
                    .prop_map(|(fd, piece, pieces)| Self::Readv { fd, piece, pieces })
                    .boxed(),
            ),
            (
                1,
                (Fd::mostly(Class::Any), 0..100_u16)
                    .prop_map(|(fd, len)| Self::Pread { fd, len })
                    .boxed(),
            ),
            (
                12,
                (Fd::mostly(Class::Master), Text::any())
                    .prop_map(|(fd, text)| Self::Write { fd, text })
                    .boxed(),
            ),
            (
                10,
                (Fd::mostly(Class::Slave), Text::any())
                    .prop_map(|(fd, text)| Self::Write { fd, text })
                    .boxed(),
            ),
            (
                1,
                (Fd::mostly(Class::Any), Text::any())
                    .prop_map(|(fd, text)| Self::Write { fd, text })
                    .boxed(),
            ),
            (
                2,
                (tty(), Text::any(), 1..100_u16)
                    .prop_map(|(fd, text, piece)| Self::Writev { fd, text, piece })
                    .boxed(),
            ),
            (
                1,
                (tty(), Text::any())
                    .prop_map(|(fd, text)| Self::Pwrite { fd, text })
                    .boxed(),
            ),
            (
                1,
                (
                    Fd::mostly(Class::Readable),
                    any::<bool>(),
                    prop_oneof![Just(0), 0..200_u16],
                    0..500_u16,
                )
                    .prop_map(|(fd, write, good, len)| Self::BadPointer {
                        fd,
                        write,
                        good,
                        len,
                    })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Read { fd, .. }
            | Self::Readv { fd, .. }
            | Self::Pread { fd, .. }
            | Self::Write { fd, .. }
            | Self::Writev { fd, .. }
            | Self::Pwrite { fd, .. }
            | Self::BadPointer { fd, .. } => fd.resolve(model),
        }
    }

    fn run(&self, _cx: &Cx<'_>) -> Outcome {
        match self {
            Self::Read { fd, len } => read_with(*len as usize, |buf| {
                // SAFETY: the buffer is as long as said.
                unsafe { libc::read(fd.number(), buf.as_mut_ptr().cast(), buf.len()) }
            }),
            Self::Pread { fd, len } => read_with(usize::from(*len), |buf| {
                // SAFETY: as above.
                unsafe { libc::pread(fd.number(), buf.as_mut_ptr().cast(), buf.len(), 0) }
            }),
            Self::Readv { fd, piece, pieces } => {
                read_with(usize::from(*piece) * usize::from(*pieces), |buf| {
                    let vecs = pieces_of(buf, *piece);
                    // SAFETY: the vectors are of the buffer.
                    unsafe { libc::readv(fd.number(), vecs.as_ptr(), vecs.len() as i32) }
                })
            }
            Self::Write { fd, text } => {
                let bytes = departures::at_once(fd.number(), text.bytes());
                // SAFETY: the buffer is as long as said.
                Outcome::from_ret(unsafe {
                    libc::write(fd.number(), bytes.as_ptr().cast(), bytes.len())
                } as i64)
            }
            Self::Pwrite { fd, text } => {
                let bytes = departures::at_once(fd.number(), text.bytes());
                // SAFETY: the buffer is as long as said.
                Outcome::from_ret(unsafe {
                    libc::pwrite(fd.number(), bytes.as_ptr().cast(), bytes.len(), 0)
                } as i64)
            }
            Self::Writev { fd, text, piece } => {
                let mut bytes = departures::at_once(fd.number(), text.bytes());
                bytes.truncate(1000 * usize::from(*piece));
                let vecs = pieces_of(&mut bytes, *piece);
                // SAFETY: the vectors are of the buffer.
                Outcome::from_ret(unsafe {
                    libc::writev(fd.number(), vecs.as_ptr(), vecs.len() as i32)
                } as i64)
            }
            Self::BadPointer {
                fd,
                write,
                good,
                len,
            } => {
                // One that waits for an echo, which comes in pieces, may have enough memory for the first.
                if !write && !is_ready(fd.number()) {
                    return Outcome::from_ret(0);
                }
                bad_pointer(fd.number(), *write, *good, *len)
            }
        }
    }

    fn writes(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Writev { .. } => true,
            Self::BadPointer { write, .. } => *write,
            _ => false,
        }
    }

    fn text(&mut self) -> Option<(i32, &mut Text)> {
        match self {
            Self::Write { fd, text } | Self::Writev { fd, text, .. } => Some((fd.number(), text)),
            _ => None,
        }
    }

    fn stream_read(&self) -> Option<(i32, usize)> {
        match self {
            Self::Read { fd, len } => Some((fd.number(), *len as usize)),
            Self::Readv { fd, piece, pieces } => {
                Some((fd.number(), usize::from(*piece) * usize::from(*pieces)))
            }
            _ => None,
        }
    }
}

/// A read of so many bytes.
fn read_with(len: usize, read: impl FnOnce(&mut [u8]) -> isize) -> Outcome {
    let mut buf = vec![0xee; len];
    let mut outcome = Outcome::from_ret(read(&mut buf) as i64);
    buf.truncate(usize::try_from(outcome.ret).unwrap_or(0));
    outcome.bytes = buf;
    outcome
}

/// A buffer in pieces.
fn pieces_of(buf: &mut [u8], piece: u16) -> Vec<libc::iovec> {
    buf.chunks_mut(usize::from(piece).max(1))
        .map(|piece| libc::iovec {
            iov_base: piece.as_mut_ptr().cast(),
            iov_len: piece.len(),
        })
        .collect()
}

/// Whether a read would not wait.
fn is_ready(fd: i32) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one, as said.
    unsafe { libc::poll(&mut poll, 1, 0) != 0 }
}

/// A transfer whose memory ends after `good` bytes.
fn bad_pointer(fd: i32, write: bool, good: u16, len: u16) -> Outcome {
    let (good, page) = (usize::from(good), 4096);
    // SAFETY: two fresh pages, of which the second is taken away; only the kernel looks across the end of the first.
    unsafe {
        let base = libc::mmap(
            std::ptr::null_mut(),
            2 * page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if base == libc::MAP_FAILED {
            return Outcome::from_ret(-1);
        }
        let base = base.cast::<u8>();
        libc::munmap(base.add(page).cast(), page);
        base.write_bytes(b'p', page);
        let start = base.add(page - good);
        let ret = if write {
            libc::write(fd, start.cast(), usize::from(len))
        } else {
            libc::read(fd, start.cast(), usize::from(len))
        };
        let mut outcome = Outcome::from_ret(ret as i64);
        if !write {
            let got = usize::try_from(ret).unwrap_or(0).min(good);
            outcome.bytes = std::slice::from_raw_parts(start, got).to_vec();
            if ret == -1 || got == good {
                departures::level_input(fd);
            }
            if departures::is_bare_status(fd, &outcome.bytes, usize::from(len)) {
                outcome = Outcome::from_result(Err(Errno::EFAULT));
            }
        }
        libc::munmap(base.cast(), page);
        outcome
    }
}
