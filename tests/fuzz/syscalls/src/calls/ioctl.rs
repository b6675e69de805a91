// SPDX-License-Identifier: GPL-2.0
//! Every request that a terminal knows, and some that none does.

use super::{sys, Call};
use crate::worker::{What, Worker};

pub const CALLS: &[Call] = &[
    Call::new("ioctl number", 30, |w| {
        let (fd, request) = (w.tty(), w.of(NUMBERS));
        let argument = number(w);
        sys!(SYS_ioctl, fd, request, argument)
    }),
    Call::new("ioctl int", 40, |w| {
        let (fd, request) = (w.tty(), w.of(INTS));
        let value = number(w);
        let at = place(w, &raw const value as usize);
        sys!(SYS_ioctl, fd, request, at)
    }),
    Call::new("TIOCSETD", 5, |w| {
        let (fd, number) = (w.tty(), w.rng.i32(-1..33));
        let ret = sys!(SYS_ioctl, fd, libc::TIOCSETD, &raw const number);
        if ret == 0 && w.percent(60) {
            let usual = 0;
            sys!(SYS_ioctl, fd, libc::TIOCSETD, &raw const usual);
        }
        ret
    }),
    Call::new("TCSETS", 20, settings),
    Call::new("TCSETA", 4, |w| {
        let fd = w.tty();
        let mut termio = [0u8; 18];
        sys!(SYS_ioctl, fd, libc::TCGETA, termio.as_mut_ptr());
        let bit = w.rng.usize(..18 * 8);
        termio[bit / 8] ^= 1 << (bit % 8);
        let request = w.of(&[libc::TCSETA, libc::TCSETAW, libc::TCSETAF]);
        let at = place(w, termio.as_ptr() as usize);
        sys!(SYS_ioctl, fd, request, at)
    }),
    Call::new("ioctl structure", 12, |w| {
        let (fd, request) = (w.tty(), w.of(STRUCTURES));
        let at = w.place(64);
        sys!(SYS_ioctl, fd, request, at)
    }),
    Call::new("TIOCSWINSZ", 6, |w| {
        let fd = w.tty();
        let size = [w.rng.u16(..), w.rng.u16(..100), 0, w.rng.u16(..)];
        let at = place(w, size.as_ptr() as usize);
        sys!(SYS_ioctl, fd, libc::TIOCSWINSZ, at)
    }),
    Call::new("ioctl unknown", 5, |w| {
        let fd = w.tty();
        let request = match w.rng.u8(..4) {
            0 => u64::from(w.rng.u32(..)),
            1 => 0x5400 | u64::from(w.rng.u8(..)),
            2 => u64::from(w.rng.u8(..)) | 0x5400 | (u64::from(w.rng.u16(..)) << 16),
            _ => u64::from(w.rng.u8(..)) | 0x7400 | (u64::from(w.rng.u16(..)) << 16),
        };
        let at = w.place(64);
        sys!(SYS_ioctl, fd, request, at)
    }),
    Call::new("TIOCSCTTY", 5, |w| {
        let fd = w.fd(What::Slave);
        sys!(SYS_ioctl, fd, libc::TIOCSCTTY, w.rng.i32(0..2))
    }),
    Call::new("TIOCNOTTY", 2, |w| {
        let fd = w.tty();
        sys!(SYS_ioctl, fd, libc::TIOCNOTTY, 0)
    }),
    Call::new("TIOCVHANGUP", 2, |w| {
        let fd = w.tty();
        sys!(SYS_ioctl, fd, 0x5437, 0)
    }),
    Call::new("TIOCSPGRP", 4, |w| {
        let fd = w.tty();
        let group = if w.percent(70) {
            sys!(SYS_getpgid, 0) as i32
        } else {
            w.rng.i32(-1..100)
        };
        let at = place(w, &raw const group as usize);
        sys!(SYS_ioctl, fd, libc::TIOCSPGRP, at)
    }),
];

/// Requests whose argument is a number.
const NUMBERS: &[u64] = &[
    libc::TCFLSH,
    libc::TCFLSH,
    libc::TCFLSH,
    libc::TCXONC,
    libc::TCXONC,
    libc::TCSBRK,
    libc::TCSBRKP,
    libc::TIOCSBRK,
    libc::TIOCCBRK,
    libc::TIOCEXCL,
    libc::TIOCNXCL,
    libc::TIOCNXCL,
    libc::TIOCNXCL,
    libc::TIOCMIWAIT,
    libc::TIOCCONS,
    libc::FIOCLEX,
    libc::FIONCLEX,
    // TIOCSIG.
    0x4004_5436,
    0x4004_5436,
];

/// Requests with the address of an int, to read it or to write it.
const INTS: &[u64] = &[
    libc::FIONREAD,
    libc::FIONREAD,
    libc::TIOCOUTQ,
    libc::TIOCPKT,
    libc::TIOCPKT,
    libc::TIOCPKT,
    libc::TIOCGPTN,
    libc::FIONBIO,
    libc::FIOASYNC,
    libc::TIOCSTI,
    libc::TIOCSTI,
    libc::TIOCGETD,
    libc::TIOCGPGRP,
    libc::TIOCGSID,
    libc::TIOCMGET,
    libc::TIOCMBIS,
    libc::TIOCMBIC,
    libc::TIOCMSET,
    libc::TIOCGSOFTCAR,
    libc::TIOCSSOFTCAR,
    // TIOCGPKT, TIOCGPTLCK, TIOCGEXCL, TIOCGDEV, FIOQSIZE.
    0x8004_5438,
    0x8004_5439,
    0x8004_5440,
    0x8004_5432,
    0x5460,
];

/// Requests with the address of a structure.
const STRUCTURES: &[u64] = &[
    libc::TCGETS,
    libc::TCGETA,
    // TCGETS2, TCGETX, TCSETX, TIOCGWINSZ, TIOCGLCKTRMIOS, TIOCSLCKTRMIOS, TIOCGSERIAL, TIOCSSERIAL, TIOCGICOUNT, TIOCGRS485,
    // TIOCSRS485, TIOCLINUX, TCSETS, TCSETSF.
    0x802c_542a,
    0x5432,
    0x5433,
    0x5413,
    0x5456,
    0x5457,
    0x541e,
    0x541f,
    0x545d,
    0x542e,
    0x542f,
    0x541c,
    0x5402,
    0x5404,
];

fn number(w: &mut Worker) -> i32 {
    match w.rng.u8(..8) {
        0..=5 => w.rng.i32(0..4),
        6 => w.rng.i32(-2..40),
        _ => w.rng.i32(..),
    }
}

/// Mostly the address of this, else of anything.
fn place(w: &mut Worker, at: usize) -> usize {
    if w.percent(93) {
        at
    } else {
        w.place(64)
    }
}

/// The settings, with something changed: a bit, a mode, a character.
fn settings(w: &mut Worker) -> i64 {
    let fd = w.tty();
    // SAFETY: zeroes are valid settings.
    let mut termios: libc::termios2 = unsafe { std::mem::zeroed() };
    sys!(SYS_ioctl, fd, libc::TCGETS2, &raw mut termios);
    match w.rng.u8(..8) {
        0 => termios.c_lflag ^= libc::ICANON,
        1 => {
            termios.c_lflag ^= w.of(&[
                libc::ECHO,
                libc::ISIG,
                libc::EXTPROC,
                libc::TOSTOP,
                libc::IEXTEN,
            ])
        }
        2 => {
            termios.c_iflag ^= w.of(&[
                libc::IXON,
                libc::IXOFF,
                libc::IXANY,
                libc::PARMRK,
                libc::ICRNL,
            ])
        }
        3 => {
            termios.c_oflag ^= w.of(&[
                libc::OPOST,
                libc::ONLCR,
                libc::OCRNL,
                libc::OLCUC,
                libc::XTABS,
            ])
        }
        4 => {
            termios.c_cflag ^= w.of(&[
                libc::CSIZE,
                libc::CREAD,
                libc::PARENB,
                libc::CBAUD,
                libc::HUPCL,
            ])
        }
        5 => {
            let n = w.rng.usize(..19);
            termios.c_cc[n] = w.rng.u8(..);
        }
        6 => {
            termios.c_iflag ^= 1 << w.rng.u8(..16);
            termios.c_lflag ^= 1 << w.rng.u8(..18);
        }
        _ => {
            // As `stty raw` and `stty sane`, by turns.
            let raw = w.percent(50);
            termios.c_lflag = if raw { 0 } else { 0o105073 };
            termios.c_iflag = if raw { 0 } else { 0o2400 };
            termios.c_oflag = if raw { 0 } else { 0o5 };
        }
    }
    // TCSETS2, TCSETSW2, TCSETSF2.
    let request = w.of(&[0x402c_542b, 0x402c_542b, 0x402c_542c, 0x402c_542d]);
    let at = place(w, &raw const termios as usize);
    sys!(SYS_ioctl, fd, request, at)
}
