// SPDX-License-Identifier: GPL-2.0
//! Input: lines and their editing, and what input flags change.

use std::os::fd::OwnedFd;

use anyhow::Result;
use nix::errno::Errno;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCINQ};
use crate::fixture::term::Termios;
use crate::fixture::wait::until;
use crate::fixture::{io, pair, term, Pty};

cases! { "canonical":
    a_line_a_read => "a read gives one line, though several wait",
    short_reads => "a read shorter than the line leaves the rest",
    end_of_file => "^D ends a read: alone as end of file, after text as the text",
    end_of_file_fits_exactly => "a read as long as the text before ^D does not leave an end of file behind",
    end_of_line_characters => "VEOL and VEOL2 end a line and are read",
    erase => "^? takes back a character, and none beyond the line's beginning",
    erase_utf8 => "with IUTF8 ^? takes back a character of several bytes",
    word_erase => "^W takes back a word and the blanks after it",
    kill => "^U takes back the line",
    literal_next => "^V takes the next character as it is",
    other_edit_characters => "edit characters may be others, or none",
    without_iexten => "without IEXTEN ^W and ^V are data",
    longest_line => "of a line beyond 4095 bytes the rest is dropped, and the newline comes",
    longest_line_then_another => "a line that was cut does not harm the next",
    carriage_return => "ICRNL, INLCR and IGNCR change carriage return and newline",
    istrip_and_iuclc => "ISTRIP clears the eighth bit, IUCLC makes letters small",
    parmrk => "PARMRK doubles the byte 255",
    raw_bytes => "a raw slave reads every byte as it was written",
    to_raw_and_back => "leaving canonical mode makes a part of a line readable, entering it too",
    vmin_and_vtime => "VMIN and VTIME decide when a raw read returns",
}

/// A pty without echo, otherwise changed by `change`.
fn quiet_pair(ctx: &Ctx, change: impl FnOnce(&mut Termios)) -> Result<(Pty, OwnedFd)> {
    let (pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| {
        t.c_lflag &= !libc::ECHO;
        change(t);
    })?;
    Ok((pty, slave))
}

/// What the slave reads, of `typed`.
fn typed(pty: &Pty, slave: &OwnedFd, typed: impl AsRef<[u8]>, read: impl AsRef<[u8]>) -> Outcome {
    io::write_all(&pty.master, typed)?;
    io::expect_read(slave, read)
}

fn a_line_a_read(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    io::write_all(&pty.master, b"one\ntwo\n\nfour\n")?;
    for line in ["one\n", "two\n", "\n", "four\n"] {
        io::expect_read(&slave, line)?;
    }
    Ok(())
}

fn short_reads(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    io::write_all(&pty.master, b"abcdef\ngh\n")?;
    until("both lines", || Ok(ioctl::get(&slave, TIOCINQ)? == 10))?;
    for (size, want) in [(4, "abcd"), (2, "ef"), (100, "\n"), (1, "g"), (2, "h\n")] {
        check_eq!(
            Ok(want.as_bytes().to_vec()),
            io::read_now(&slave, size),
            "read of {size}"
        );
    }
    // Lines much longer than what the kernel copies at once.
    let long: Vec<u8> = (0..999u32)
        .map(|i| b'a' + (i % 26) as u8)
        .chain(*b"\n")
        .collect();
    io::write_all(&pty.master, &long)?;
    until("the line", || Ok(ioctl::get(&slave, TIOCINQ)? == 1000))?;
    check_eq!(
        Ok(long[..300].to_vec()),
        io::read_now(&slave, 300),
        "read of 300"
    );
    check_eq!(
        Ok(long[300..].to_vec()),
        io::read_now(&slave, 3000),
        "read of 3000"
    );
    Ok(())
}

fn end_of_file(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, b"\x04", b"")?;
    typed(&pty, &slave, b"text\x04", b"text")?;
    typed(&pty, &slave, b"more\n\x04", b"more\n")?;
    typed(&pty, &slave, b"", b"")?;
    typed(&pty, &slave, b"go on\n", b"go on\n")?;
    term::modify(&slave, |t| t.c_cc[libc::VEOF] = b'.')?;
    typed(&pty, &slave, b"a\x04b.", b"a\x04b")
}

fn end_of_file_fits_exactly(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    io::write_all(&pty.master, b"abc\x04next\n")?;
    until("both", || Ok(ioctl::get(&slave, TIOCINQ)? == 8))?;
    check_eq!(Ok(b"abc".to_vec()), io::read_now(&slave, 3), "read of 3");
    check_eq!(
        Ok(b"next\n".to_vec()),
        io::read_now(&slave, 100),
        "the next read"
    );
    // Also where the text is as long as what the kernel copies at once.
    let text = [b'x'; 64];
    io::write_all(&pty.master, [&text[..], b"\x04end\n"].concat())?;
    until("both", || Ok(ioctl::get(&slave, TIOCINQ)? == 68))?;
    check_eq!(Ok(text.to_vec()), io::read_now(&slave, 64), "read of 64");
    check_eq!(
        Ok(b"end\n".to_vec()),
        io::read_now(&slave, 100),
        "the next read"
    );
    Ok(())
}

fn end_of_line_characters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |t| {
        t.c_cc[libc::VEOL] = b';';
        t.c_cc[libc::VEOL2] = b'!';
    })?;
    io::write_all(&pty.master, b"a;b!c\n")?;
    for line in ["a;", "b!", "c\n"] {
        io::expect_read(&slave, line)?;
    }
    Ok(())
}

fn erase(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, b"abx\x7fc\n", b"abc\n")?;
    typed(&pty, &slave, b"ab\x7f\x7f\x7f\x7fxyz\n", b"xyz\n")?;
    io::write_all(&pty.master, b"done\n\x7f\x7fnext\n")?;
    io::expect_read(&slave, b"done\n")?;
    io::expect_read(&slave, b"next\n")
}

fn erase_utf8(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, "a\u{20ac}\u{7f}\n", b"a\xe2\x82\n")?;
    term::modify(&slave, |t| t.c_iflag |= libc::IUTF8)?;
    typed(&pty, &slave, "a\u{20ac}\u{7f}b\u{e4}\u{7f}\n", b"ab\n")
}

fn word_erase(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, b"one two  \x17three\n", b"one three\n")?;
    typed(&pty, &slave, b"a_b1\x17\x17x\n", b"x\n")?;
    typed(&pty, &slave, b"path/name\x17x\n", b"path/x\n")
}

fn kill(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, b"forget this\x15keep\n", b"keep\n")
}

fn literal_next(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(
        &pty,
        &slave,
        b"\x16\x03\x16\x7f\x16\x04\x16\x16\x16\x13\n",
        b"\x03\x7f\x04\x16\x13\n",
    )?;
    // A newline taken literally does not end the line.
    typed(&pty, &slave, b"a\x16\nb\n", b"a\nb\n")
}

fn other_edit_characters(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |t| {
        t.c_cc[libc::VERASE] = b'#';
        t.c_cc[libc::VKILL] = b'@';
        t.c_cc[libc::VWERASE] = 0;
    })?;
    typed(
        &pty,
        &slave,
        b"no@abx#c\x7f\x15\x17\n",
        b"abc\x7f\x15\x17\n",
    )
}

fn without_iexten(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |t| t.c_lflag &= !libc::IEXTEN)?;
    typed(&pty, &slave, b"a b\x17\x16c\n", b"a b\x17\x16c\n")
}

fn longest_line(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    for length in [4094, 4095, 4096, 5000, 20_000] {
        io::write_all(&pty.master, [vec![b'a'; length], b"\n".to_vec()].concat())?;
        let mut line = io::read_n(&slave, length.min(4095))?;
        line.extend(io::read_some(&slave, 100)??);
        let want = [vec![b'a'; length.min(4095)], b"\n".to_vec()].concat();
        check!(
            line == want,
            "a line of {length} bytes gave {} bytes",
            line.len()
        );
    }
    Ok(())
}

fn longest_line_then_another(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    io::write_all(
        &pty.master,
        [vec![b'a'; 4200], b"\nshort\n".to_vec()].concat(),
    )?;
    let line = io::read_n(&slave, 4096)?;
    check_eq!(Some(&b'\n'), line.last(), "the last byte of the long line");
    io::expect_read(&slave, b"short\n")
}

fn carriage_return(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |_| ())?;
    typed(&pty, &slave, b"icrnl\r", b"icrnl\n")?;
    term::modify(&slave, |t| t.c_iflag &= !libc::ICRNL)?;
    typed(&pty, &slave, b"plain\r\n", b"plain\r\n")?;
    term::modify(&slave, |t| t.c_iflag |= libc::IGNCR)?;
    typed(&pty, &slave, b"ig\rncr\r\n", b"igncr\n")?;
    term::modify(&slave, |t| {
        t.c_iflag = libc::INLCR;
        t.c_cc[libc::VEOL] = b'\r';
    })?;
    typed(&pty, &slave, b"inlcr\n", b"inlcr\r")
}

fn istrip_and_iuclc(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |t| t.c_iflag |= libc::ISTRIP)?;
    typed(&pty, &slave, b"\xe1\xe2c\n", b"abc\n")?;
    term::modify(&slave, |t| {
        t.c_iflag &= !libc::ISTRIP;
        t.c_iflag |= libc::IUCLC;
    })?;
    typed(&pty, &slave, b"ABc1\n", b"abc1\n")
}

fn parmrk(ctx: &Ctx) -> Outcome {
    let (pty, slave) = quiet_pair(ctx, |t| t.c_iflag |= libc::PARMRK)?;
    typed(&pty, &slave, b"a\xffb\n", b"a\xff\xffb\n")
}

fn raw_bytes(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    let all: Vec<u8> = (0..=255).collect();
    io::write_all(&pty.master, &all)?;
    io::expect(&slave, &all)?;
    io::write_all(&slave, &all)?;
    io::expect(&pty.master, &all)
}

fn to_raw_and_back(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&pty.master, b"part")?;
    io::expect(&pty.master, b"part")?;
    term::modify(&slave, |t| t.c_lflag &= !(libc::ICANON | libc::ECHO))?;
    io::expect_read(&slave, b"part")?;
    io::write_all(&pty.master, b"again")?;
    until("the bytes", || Ok(ioctl::get(&slave, TIOCINQ)? == 5))?;
    term::modify(&slave, |t| t.c_lflag |= libc::ICANON)?;
    io::expect_read(&slave, b"again")?;
    typed(&pty, &slave, b"line\n", b"line\n")
}

fn vmin_and_vtime(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let set = |min: u8, time: u8| {
        term::modify(&slave, |t| {
            term::make_raw(t);
            t.c_cc[libc::VMIN] = min;
            t.c_cc[libc::VTIME] = time;
        })
    };
    // No byte, no time: a read never waits.
    set(0, 0)?;
    check_eq!(
        Ok(Vec::new()),
        io::read_now(&slave, 10),
        "VMIN 0 VTIME 0, nothing there"
    );
    io::write_all(&pty.master, b"abc")?;
    until("the bytes", || Ok(ioctl::get(&slave, TIOCINQ)? == 3))?;
    check_eq!(
        Ok(b"abc".to_vec()),
        io::read_now(&slave, 10),
        "VMIN 0 VTIME 0"
    );
    // No byte, some time: a read ends with the time.
    set(0, 1)?;
    check_eq!(
        Ok(Vec::new()),
        io::read_now(&slave, 10),
        "VMIN 0 VTIME 1, nothing there"
    );
    io::set_nonblock(&slave, true)?;
    check_errno(
        io::read_now(&slave, 10),
        Errno::EAGAIN,
        "VMIN 0 VTIME 1, nothing there, O_NONBLOCK",
    )?;
    io::set_nonblock(&slave, false)?;
    // Some bytes: a read waits for that many, or for as many as it asks.
    set(4, 0)?;
    let reader = crate::fixture::process::child(|| {
        check_eq!(Ok(b"1234".to_vec()), io::read_now(&slave, 10), "VMIN 4");
        Ok(())
    })?;
    io::write_all(&pty.master, b"12")?;
    reader.asleep()?;
    io::write_all(&pty.master, b"34")?;
    reader.succeed()?;
    io::write_all(&pty.master, b"56")?;
    check_eq!(
        Ok(b"56".to_vec()),
        io::read_now(&slave, 2),
        "VMIN 4, read of 2"
    );
    // Some bytes, some time: the time ends a read once a byte is there.
    set(4, 1)?;
    io::write_all(&pty.master, b"7")?;
    check_eq!(
        Ok(b"7".to_vec()),
        io::read_now(&slave, 10),
        "VMIN 4 VTIME 1"
    );
    Ok(())
}
