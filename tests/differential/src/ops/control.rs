// SPDX-License-Identifier: GPL-2.0
//! The ioctls of terminals and of masters, settings aside: lock, packet mode, flush, flow, size, and the rest.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::flags::Named;
use super::{Cx, Family};
use crate::departures;
use crate::model::Model;
use crate::named;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};

/// Requests that write an int.
const GETTERS: &[Named<u64>] = named!(u64: TIOCGPTN, TIOCGPTLCK, TIOCGPKT, TIOCINQ, TIOCOUTQ, TIOCGETD, TIOCGEXCL, TIOCMGET,
    TIOCGSOFTCAR, TIOCGPGRP, TIOCGSID, FIONREAD, TIOCMIWAIT);

/// Requests that read an int, and values that mean something to one of them.
const SETTERS: &[Named<u64>] = named!(u64: TIOCSPTLCK, TIOCPKT, TIOCSETD, TIOCSTI, TIOCSSOFTCAR, FIONBIO, FIOASYNC, TIOCMBIS,
    TIOCMBIC, TIOCMSET);

/// Requests whose argument is a number.
const CALLS: &[Named<u64>] = named!(u64: TCFLSH, TCXONC, TCSBRK, TCSBRKP, TIOCSIG, TIOCSBRK, TIOCCBRK, TIOCEXCL, TIOCNXCL,
    FIOCLEX, FIONCLEX, TIOCSERGETLSR);

/// See the module.
#[derive(Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Control {
    /// A request that writes an int.
    Get { fd: Fd, request: u8 },
    /// A request that reads an int.
    Set { fd: Fd, request: u8, value: i32 },
    /// A request whose argument is a number.
    Call { fd: Fd, request: u8, value: i32 },
    /// `TIOCPKT`.
    Packet { fd: Fd, on: bool },
    /// `TCFLSH`.
    Flush { fd: Fd, queue: i32 },
    /// `TCXONC`.
    Flow { fd: Fd, action: i32 },
    /// `TIOCSPTLCK`.
    Lock { fd: Fd, on: bool },
    /// `TIOCSIG`.
    Signal { fd: Fd, signal: i32 },
    /// `TIOCSETD`.
    SetDiscipline { fd: Fd, number: i32 },
    /// `TIOCSTI`.
    Insert { fd: Fd, byte: u8 },
    /// `TIOCGWINSZ`.
    GetSize { fd: Fd },
    /// `TIOCSWINSZ`.
    SetSize { fd: Fd, size: [u16; 4] },
    /// `TIOCGDEV`.
    GetDevice { fd: Fd },
    /// Any request with an address that is not mapped.
    BadPointer {
        fd: Fd,
        table: u8,
        request: u8,
        address: u8,
    },
    /// A request that no terminal knows.
    Unknown { fd: Fd, request: u32 },
    /// `TIOCVHANGUP`.
    Hangup { fd: Fd },
}

fn entry(table: &[Named<u64>], n: u8) -> Named<u64> {
    table[usize::from(n) % table.len()]
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get { fd, request } => {
                write!(f, "ioctl {fd:?} {}", entry(GETTERS, *request).name)
            }
            Self::Set { fd, request, value } => {
                write!(f, "ioctl {fd:?} {} &{value}", entry(SETTERS, *request).name)
            }
            Self::Call { fd, request, value } => {
                write!(f, "ioctl {fd:?} {} {value}", entry(CALLS, *request).name)
            }
            Self::Packet { fd, on } => write!(f, "ioctl {fd:?} TIOCPKT &{}", u8::from(*on)),
            Self::Flush { fd, queue } => write!(f, "ioctl {fd:?} TCFLSH {queue}"),
            Self::Flow { fd, action } => write!(f, "ioctl {fd:?} TCXONC {action}"),
            Self::Lock { fd, on } => write!(f, "ioctl {fd:?} TIOCSPTLCK &{}", u8::from(*on)),
            Self::Signal { fd, signal } => write!(f, "ioctl {fd:?} TIOCSIG {signal}"),
            Self::SetDiscipline { fd, number } => write!(f, "ioctl {fd:?} TIOCSETD &{number}"),
            Self::Insert { fd, byte } => write!(f, "ioctl {fd:?} TIOCSTI &{:?}", char::from(*byte)),
            Self::GetSize { fd } => write!(f, "ioctl {fd:?} TIOCGWINSZ"),
            Self::SetSize { fd, size } => write!(f, "ioctl {fd:?} TIOCSWINSZ &{size:?}"),
            Self::GetDevice { fd } => write!(f, "ioctl {fd:?} TIOCGDEV"),
            Self::BadPointer {
                fd,
                table,
                request,
                address,
            } => {
                let (named, address) = bad(*table, *request, *address);
                write!(f, "ioctl {fd:?} {} {address:#x}", named.name)
            }
            Self::Unknown { fd, request } => write!(f, "ioctl {fd:?} {request:#x}"),
            Self::Hangup { fd } => write!(f, "ioctl {fd:?} TIOCVHANGUP"),
        }
    }
}

const SIZES: &[Named<u64>] = named!(u64: TIOCGWINSZ, TIOCSWINSZ, TCGETS, TCSETS, TCGETS2, TCSETSW2, TCGETA, TIOCGDEV, TIOCSPGRP,
    TIOCGLCKTRMIOS, TIOCSLCKTRMIOS);

/// A request with an address that is not mapped.
fn bad(table: u8, request: u8, address: u8) -> (Named<u64>, u64) {
    let table = [GETTERS, SETTERS, SIZES][usize::from(table) % 3];
    (
        entry(table, request),
        [0, 1, 0xffff_8000_0000_0000][usize::from(address) % 3],
    )
}

impl Control {
    /// Asks a master whether it is in packet mode.
    pub fn packet_mode(fd: i32) -> Self {
        let number = GETTERS
            .iter()
            .position(|getter| getter.value == libc::TIOCGPKT);
        Self::Get {
            fd: Fd::Is(fd),
            request: number.map_or(0, |n| n as u8),
        }
    }
}

impl Family for Control {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let tty = || Fd::mostly(Class::Tty);
        let master = || Fd::mostly(Class::Master);
        let side = size_strategy();
        vec![
            (
                6,
                (tty(), any::<u8>())
                    .prop_map(|(fd, request)| Self::Get { fd, request })
                    .boxed(),
            ),
            (
                2,
                (tty(), any::<u8>(), prop_oneof![0..4, Just(-1), Just(27)])
                    .prop_map(|(fd, request, value)| Self::Set { fd, request, value })
                    .boxed(),
            ),
            (
                2,
                (tty(), any::<u8>(), prop_oneof![0..4, Just(-1), Just(99)])
                    .prop_map(|(fd, request, value)| Self::Call { fd, request, value })
                    .boxed(),
            ),
            (
                4,
                (master(), prop::bool::weighted(0.8))
                    .prop_map(|(fd, on)| Self::Packet { fd, on })
                    .boxed(),
            ),
            (
                4,
                (tty(), prop_oneof![8 => 0..3, 1 => 3..5])
                    .prop_map(|(fd, queue)| Self::Flush { fd, queue })
                    .boxed(),
            ),
            (
                4,
                (tty(), prop_oneof![8 => 0..4, 4 => Just(1), 1 => 4..6])
                    .prop_map(|(fd, action)| Self::Flow { fd, action })
                    .boxed(),
            ),
            (
                2,
                (master(), prop::bool::weighted(0.3))
                    .prop_map(|(fd, on)| Self::Lock { fd, on })
                    .boxed(),
            ),
            (
                2,
                (tty(), prop::sample::select(vec![2, 3, 20, 9, 0, -1]))
                    .prop_map(|(fd, signal)| Self::Signal { fd, signal })
                    .boxed(),
            ),
            (
                1,
                (
                    tty(),
                    prop::sample::select(vec![0, 0, 0, 27, 3, 28, 99, -1]),
                )
                    .prop_map(|(fd, number)| Self::SetDiscipline { fd, number })
                    .boxed(),
            ),
            (
                2,
                (
                    tty(),
                    prop::sample::select(b"a\n\x03\x04\x13\x11".as_slice()),
                )
                    .prop_map(|(fd, byte)| Self::Insert { fd, byte })
                    .boxed(),
            ),
            (2, tty().prop_map(|fd| Self::GetSize { fd }).boxed()),
            (
                3,
                (tty(), side)
                    .prop_map(|(fd, size)| Self::SetSize { fd, size })
                    .boxed(),
            ),
            (1, tty().prop_map(|fd| Self::GetDevice { fd }).boxed()),
            (
                1,
                (tty(), any::<u8>(), any::<u8>(), any::<u8>())
                    .prop_map(|(fd, table, request, address)| Self::BadPointer {
                        fd,
                        table,
                        request,
                        address,
                    })
                    .boxed(),
            ),
            (
                1,
                (
                    tty(),
                    prop_oneof![
                        Just(0),
                        Just(0x5499),
                        Just(0x8004_54ff),
                        any::<u16>().prop_map(|n| 0x4000_f000 | u32::from(n))
                    ],
                )
                    .prop_map(|(fd, request)| Self::Unknown { fd, request })
                    .boxed(),
            ),
            (
                1,
                Fd::mostly(Class::Slave)
                    .prop_map(|fd| Self::Hangup { fd })
                    .boxed(),
            ),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Get { fd, .. }
            | Self::Set { fd, .. }
            | Self::Call { fd, .. }
            | Self::Packet { fd, .. }
            | Self::Flush { fd, .. }
            | Self::Flow { fd, .. }
            | Self::Lock { fd, .. }
            | Self::Signal { fd, .. }
            | Self::SetDiscipline { fd, .. }
            | Self::Insert { fd, .. }
            | Self::GetSize { fd }
            | Self::SetSize { fd, .. }
            | Self::GetDevice { fd }
            | Self::BadPointer { fd, .. }
            | Self::Unknown { fd, .. }
            | Self::Hangup { fd } => fd.resolve(model),
        }
    }

    fn learn(&self, outcome: &Outcome, model: &mut Model) {
        match self {
            Self::Hangup { fd } if outcome.ok() => model.hang_up(fd.number()),
            _ => {}
        }
    }

    fn writes(&self) -> bool {
        matches!(self, Self::Flow { .. })
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        match self {
            Self::Get { fd, request } => get(*fd, entry(GETTERS, *request).value),
            Self::Set { fd, request, value } => set(*fd, entry(SETTERS, *request).value, *value),
            Self::Call { fd, request, value } => call(*fd, entry(CALLS, *request).value, *value),
            Self::Packet { fd, on } => set(*fd, libc::TIOCPKT, i32::from(*on)),
            Self::Flush { fd, queue } => call(*fd, libc::TCFLSH, *queue),
            Self::Flow { fd, action } => call(*fd, libc::TCXONC, *action),
            Self::Lock { fd, on } => set(*fd, libc::TIOCSPTLCK, i32::from(*on)),
            Self::Signal { fd, signal } => call(*fd, libc::TIOCSIG, *signal),
            Self::SetDiscipline { fd, number } => set(*fd, libc::TIOCSETD, *number),
            Self::Insert { fd, byte } => set(*fd, libc::TIOCSTI, i32::from(*byte)),
            Self::GetSize { fd } => {
                let mut size = [0_u16; 4];
                // SAFETY: struct winsize is four shorts.
                let ret = unsafe { libc::ioctl(fd.number(), libc::TIOCGWINSZ, &mut size) };
                Outcome::from_ret(ret.into()).with_values(size.map(i64::from))
            }
            Self::SetSize { fd, size } => {
                // SAFETY: struct winsize is four shorts.
                Outcome::from_ret(
                    unsafe { libc::ioctl(fd.number(), libc::TIOCSWINSZ, size) }.into(),
                )
            }
            Self::GetDevice { fd } => {
                let mut device = 0_u32;
                // SAFETY: writes an unsigned int.
                let ret = unsafe { libc::ioctl(fd.number(), libc::TIOCGDEV, &mut device) };
                Outcome::from_ret(ret.into())
                    .with_values([departures::device(cx.target, device.into())])
            }
            Self::BadPointer {
                fd,
                table,
                request,
                address,
            } => {
                let (named, address) = bad(*table, *request, *address);
                // SAFETY: the address is not mapped: the kernel says so.
                Outcome::from_ret(unsafe { libc::ioctl(fd.number(), named.value, address) }.into())
            }
            Self::Unknown { fd, request } => {
                // SAFETY: no terminal knows the request.
                Outcome::from_ret(
                    unsafe { libc::ioctl(fd.number(), u64::from(*request), 0) }.into(),
                )
            }
            Self::Hangup { fd } => call(*fd, libc::TIOCVHANGUP, 0),
        }
    }
}

fn size_strategy() -> impl Strategy<Value = [u16; 4]> {
    let side = prop_oneof![Just(0_u16), Just(24), Just(80), any::<u16>()];
    [side.clone(), side.clone(), side.clone(), side]
}

fn get(fd: Fd, request: u64) -> Outcome {
    let mut value = 0_i32;
    // SAFETY: a request that writes an int, or nothing.
    let ret = unsafe { libc::ioctl(fd.number(), request, &mut value) };
    if request == libc::FIONREAD {
        value = departures::input(value);
    }
    Outcome::from_ret(ret.into()).with_values([value.into()])
}

fn set(fd: Fd, request: u64, value: i32) -> Outcome {
    // SAFETY: a request that reads an int, or less.
    Outcome::from_ret(unsafe { libc::ioctl(fd.number(), request, &value) }.into())
}

fn call(fd: Fd, request: u64, value: i32) -> Outcome {
    // SAFETY: a request whose argument is a number.
    Outcome::from_ret(unsafe { libc::ioctl(fd.number(), request, i64::from(value)) }.into())
}
