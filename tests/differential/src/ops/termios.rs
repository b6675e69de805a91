// SPDX-License-Identifier: GPL-2.0
//! Terminal settings, at both ends.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::flags::Named;
use super::{Cx, Family};
use crate::model::Model;
use crate::named;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};

const IFLAGS: &[Named<u32>] = named!(u32: IGNBRK, BRKINT, IGNPAR, PARMRK, INPCK, ISTRIP, INLCR, IGNCR, ICRNL, IXON, IXANY,
    IXOFF, IMAXBEL, IUTF8);
const OFLAGS: &[Named<u32>] = named!(u32: OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, OFILL, OFDEL, TAB1, TAB2, TAB3, CR1,
    BS1, FF1, VT1, NL1);
const CFLAGS: &[Named<u32>] = named!(u32: CS5, CS6, CS7, CS8, CSTOPB, CREAD, PARENB, PARODD, HUPCL, CLOCAL, CRTSCTS,
    CMSPAR, B9600, B38400, BOTHER);
const LFLAGS: &[Named<u32>] = named!(u32: ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH, TOSTOP, ECHOCTL, ECHOPRT,
    ECHOKE, FLUSHO, PENDIN, IEXTEN, EXTPROC);
const WORDS: [&[Named<u32>]; 4] = [IFLAGS, OFLAGS, CFLAGS, LFLAGS];

const SETTERS: &[Named<u64>] = named!(u64: TCSETS, TCSETSW, TCSETSF, TCSETS2, TCSETSW2, TCSETSF2);

/// One change of the settings.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// A flag: word, number in its table, on or off.
    Flag(u8, u8, bool),
    /// A special character, or VMIN, VTIME.
    Char(u8, u8),
    /// All of a word's bits at once.
    Word(u8, u32),
    /// As cfmakeraw(3).
    Raw,
    /// As `stty sane`.
    Sane,
    /// The line discipline's number, which tcsetattr(3) cannot change.
    Line(u8),
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(..) => {
                let (named, on) = self.flag().unwrap_or((Named { name: "", value: 0 }, false));
                write!(f, "{}{}", if on { '+' } else { '-' }, named.name)
            }
            Self::Char(index, value) => write!(f, "c_cc[{index}]={value}"),
            Self::Word(word, bits) => write!(f, "word{word}={bits:#o}"),
            Self::Raw => f.write_str("raw"),
            Self::Sane => f.write_str("sane"),
            Self::Line(line) => write!(f, "line={line}"),
        }
    }
}

impl Edit {
    fn flag(&self) -> Option<(Named<u32>, bool)> {
        let Self::Flag(word, number, on) = self else {
            return None;
        };
        let table = WORDS[usize::from(*word) % WORDS.len()];
        Some((table[usize::from(*number) % table.len()], *on))
    }

    fn apply(&self, tio: &mut libc::termios2) {
        fn word(tio: &mut libc::termios2, word: u8) -> &mut u32 {
            match word % 4 {
                0 => &mut tio.c_iflag,
                1 => &mut tio.c_oflag,
                2 => &mut tio.c_cflag,
                _ => &mut tio.c_lflag,
            }
        }
        match self {
            Self::Flag(number, ..) => {
                let Some((named, on)) = self.flag() else {
                    return;
                };
                if on {
                    *word(tio, *number) |= named.value;
                } else {
                    *word(tio, *number) &= !named.value;
                }
            }
            Self::Char(index, value) => tio.c_cc[usize::from(*index) % tio.c_cc.len()] = *value,
            Self::Word(number, bits) => *word(tio, *number) = *bits,
            Self::Raw => {
                tio.c_iflag = 0;
                tio.c_oflag = 0;
                tio.c_lflag = 0;
                tio.c_cc[libc::VMIN] = 1;
                tio.c_cc[libc::VTIME] = 0;
            }
            Self::Sane => {
                tio.c_iflag = libc::ICRNL | libc::IXON;
                tio.c_oflag = libc::OPOST | libc::ONLCR;
                tio.c_cflag = libc::CS8 | libc::CREAD | libc::B38400;
                tio.c_lflag = libc::ISIG
                    | libc::ICANON
                    | libc::ECHO
                    | libc::ECHOE
                    | libc::ECHOK
                    | libc::ECHOCTL
                    | libc::ECHOKE
                    | libc::IEXTEN;
            }
            Self::Line(line) => tio.c_line = *line,
        }
    }

    fn any() -> BoxedStrategy<Self> {
        let value = prop_oneof![
            3 => prop::sample::select(b"\0abc\n\x03\x04\x11\x13\x1a\x7f\xff".as_slice()),
            1 => any::<u8>(),
        ];
        prop_oneof![
            6 => (0..4_u8, 0..16_u8, any::<bool>()).prop_map(|(word, n, on)| Self::Flag(word, n, on)),
            6 => (0..16_u8, any::<bool>()).prop_map(|(n, on)| Self::Flag(3, n, on)),
            2 => ((0..19_u8), value).prop_map(|(n, v)| Self::char(n, v)),
            2 => (0..6_u8).prop_map(|v| Self::Char(libc::VMIN as u8, v)),
            1 => (0..4_u8, any::<u32>()).prop_map(|(n, v)| Self::Word(n, v)),
            3 => Just(Self::Raw),
            3 => Just(Self::Sane),
            1 => (0..30_u8).prop_map(Self::Line),
        ]
        .boxed()
    }

    /// A special character; VTIME no more than a tenth of a second, and rarely.
    fn char(index: u8, value: u8) -> Self {
        let time = usize::from(index) == libc::VTIME;
        Self::Char(index, if time { u8::from(value == 0xff) } else { value })
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Termios {
    /// Reads the settings, changes them, writes them, reads them again.
    Change { fd: Fd, how: u8, edits: Vec<Edit> },
    /// `TCGETS2`.
    Get { fd: Fd },
    /// `TCGETA`, and then `TCSETA`, `TCSETAW` or `TCSETAF` of the same, with another `c_lflag`.
    Old { fd: Fd, how: u8, flip: u16 },
    /// `TIOCSLCKTRMIOS` with these bits of `c_lflag`.
    Lock { fd: Fd, bits: u32 },
    /// `TIOCGLCKTRMIOS`.
    GetLock { fd: Fd },
}

impl Family for Termios {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let tty = || Fd::mostly(Class::Tty);
        let edits = || prop::collection::vec(Edit::any(), 0..4);
        let how = || prop_oneof![4 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => 3..6_u8];
        vec![
            (
                4,
                (Fd::mostly(Class::Master), how(), edits())
                    .prop_map(|(fd, how, edits)| Self::Change { fd, how, edits })
                    .boxed(),
            ),
            (
                9,
                (Fd::mostly(Class::Slave), how(), edits())
                    .prop_map(|(fd, how, edits)| Self::Change { fd, how, edits })
                    .boxed(),
            ),
            (1, tty().prop_map(|fd| Self::Get { fd }).boxed()),
            (
                1,
                (tty(), 0..3_u8, any::<u16>())
                    .prop_map(|(fd, how, flip)| Self::Old { fd, how, flip })
                    .boxed(),
            ),
            (
                1,
                (tty(), prop_oneof![Just(0), any::<u32>()])
                    .prop_map(|(fd, bits)| Self::Lock { fd, bits })
                    .boxed(),
            ),
            (1, tty().prop_map(|fd| Self::GetLock { fd }).boxed()),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Change { fd, .. }
            | Self::Get { fd }
            | Self::Old { fd, .. }
            | Self::Lock { fd, .. }
            | Self::GetLock { fd } => fd.resolve(model),
        }
    }

    fn drains(&self) -> bool {
        match self {
            Self::Change { how, .. } | Self::Old { how, .. } => how % 3 != 0,
            _ => false,
        }
    }

    fn run(&self, _cx: &Cx<'_>) -> Outcome {
        match self {
            Self::Change { fd, how, edits } => change(fd.number(), *how, edits),
            Self::Get { fd } => match get(fd.number()) {
                Ok(tio) => Outcome::default().with_values(words(&tio)),
                Err(outcome) => outcome,
            },
            Self::Old { fd, how, flip } => old(fd.number(), *how, *flip),
            Self::Lock { fd, bits } => {
                // SAFETY: plain data; the kernel's struct termios is a prefix of termios2.
                let ret = unsafe {
                    let mut tio: libc::termios2 = std::mem::zeroed();
                    tio.c_lflag = *bits;
                    libc::ioctl(fd.number(), libc::TIOCSLCKTRMIOS, &tio)
                };
                Outcome::from_ret(ret.into())
            }
            Self::GetLock { fd } => {
                // SAFETY: as above; it writes no more than that.
                unsafe {
                    let mut tio: libc::termios2 = std::mem::zeroed();
                    let ret = libc::ioctl(fd.number(), libc::TIOCGLCKTRMIOS, &mut tio);
                    Outcome::from_ret(ret.into()).with_values(words(&tio))
                }
            }
        }
    }
}

/// `TCGETS2`.
fn get(fd: i32) -> Result<libc::termios2, Outcome> {
    // SAFETY: it fills the struct.
    unsafe {
        let mut tio: libc::termios2 = std::mem::zeroed();
        let ret = libc::ioctl(fd, libc::TCGETS2, &mut tio);
        if ret < 0 {
            Err(Outcome::from_ret(ret.into()))
        } else {
            Ok(tio)
        }
    }
}

fn words(tio: &libc::termios2) -> Vec<i64> {
    let head = [
        tio.c_iflag,
        tio.c_oflag,
        tio.c_cflag,
        tio.c_lflag,
        tio.c_line.into(),
    ];
    let chars = tio.c_cc.iter().map(|c| i64::from(*c));
    head.into_iter()
        .map(i64::from)
        .chain(chars)
        .chain([tio.c_ispeed.into(), tio.c_ospeed.into()])
        .collect()
}

fn change(fd: i32, how: u8, edits: &[Edit]) -> Outcome {
    let mut tio = match get(fd) {
        Ok(tio) => tio,
        Err(outcome) => return outcome,
    };
    for edit in edits {
        edit.apply(&mut tio);
    }
    let request = SETTERS[usize::from(how) % SETTERS.len()].value;
    // SAFETY: the struct is as long as the longer of the two that these take.
    let outcome = Outcome::from_ret(unsafe { libc::ioctl(fd, request, &tio) }.into());
    match get(fd) {
        Ok(now) => outcome.with_values(words(&now)),
        Err(_) => outcome,
    }
}

fn old(fd: i32, how: u8, flip: u16) -> Outcome {
    /// The kernel's `struct termio`.
    #[repr(C)]
    #[derive(Default)]
    struct Termio {
        flags: [u16; 4],
        rest: [u8; 10],
    }
    let mut tio = Termio::default();
    // SAFETY: 18 bytes, as the kernel has it.
    let ret = unsafe { libc::ioctl(fd, libc::TCGETA, &mut tio) };
    if ret < 0 {
        return Outcome::from_ret(ret.into());
    }
    let before: Vec<i64> = tio
        .flags
        .iter()
        .map(|v| i64::from(*v))
        .chain(tio.rest.iter().map(|v| i64::from(*v)))
        .collect();
    tio.flags[3] ^= flip;
    let request = [libc::TCSETA, libc::TCSETAW, libc::TCSETAF][usize::from(how) % 3];
    // SAFETY: as above.
    Outcome::from_ret(unsafe { libc::ioctl(fd, request, &tio) }.into()).with_values(before)
}
