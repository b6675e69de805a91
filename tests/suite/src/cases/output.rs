// SPDX-License-Identifier: GPL-2.0
//! Output: echo, and what output flags change.

use std::os::fd::OwnedFd;

use anyhow::Result;

use crate::case::{cases, Ctx, Outcome};
use crate::check::check;
use crate::fixture::process::child;
use crate::fixture::term::Termios;
use crate::fixture::{io, pair, term, Pty};

cases! { "output":
    onlcr => "ONLCR makes newline carriage return and newline",
    without_opost => "without OPOST all passes as it is",
    carriage_return => "OCRNL, ONOCR and ONLRET change carriage return",
    olcuc => "OLCUC makes letters large",
    tabs => "XTABS makes tabs blanks, by the column",
    echo => "ECHO echoes, and control characters as ^X with ECHOCTL",
    echo_without_echoctl => "without ECHOCTL control characters are echoed as they are",
    echonl => "ECHONL echoes a newline without ECHO",
    echo_of_erase => "ECHOE echoes an erased character as backspace, blank, backspace",
    echo_of_erase_without_echoe => "without ECHOE the erase character itself is echoed",
    echo_of_kill => "ECHOKE erases the line, without it ECHOK echoes the kill character and a newline",
    echo_of_word_erase => "an erased word is erased from the screen",
    echoprt => "ECHOPRT prints erased characters between backslash and slash",
    echo_of_tab_erase => "an erased tab takes its columns back",
    echo_of_literal_next => "^V is echoed as ^ and backspace",
    reprint => "^R prints the line anew",
    echo_in_raw => "without ICANON each byte is echoed at once",
    echo_order => "echo and output come in the order in which they were made",
    long_echo => "the echo of as many lines as a slave holds comes whole",
    echo_without_reader => "echo does not fill up what it cannot send, nor lose the line",
    large_cooked_output => "a large text with newlines comes out whole, each with its carriage return",
    long_lines => "so do lines of any length, between short ones and by themselves",
}

/// A pty with settings changed by `change`.
fn changed(ctx: &Ctx, change: impl FnOnce(&mut Termios)) -> Result<(Pty, OwnedFd)> {
    let (pty, slave) = pair(ctx)?;
    term::modify(&slave, change)?;
    Ok((pty, slave))
}

/// What the master reads of what the slave writes.
fn written(pty: &Pty, slave: &OwnedFd, text: impl AsRef<[u8]>, read: impl AsRef<[u8]>) -> Outcome {
    io::write_all(slave, text)?;
    io::expect(&pty.master, read)
}

/// What the master reads of what it writes itself; a mark after it shows that this is all.
fn echoed(pty: &Pty, slave: &OwnedFd, text: impl AsRef<[u8]>, read: impl AsRef<[u8]>) -> Outcome {
    io::write_all(&pty.master, text)?;
    io::expect(&pty.master, read)?;
    written(pty, slave, b"|", b"|")
}

fn onlcr(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    written(&pty, &slave, b"a\nb\r\n\n", b"a\r\nb\r\r\n\r\n")?;
    term::modify(&slave, |t| t.c_oflag &= !libc::ONLCR)?;
    written(&pty, &slave, b"a\nb\n", b"a\nb\n")
}

fn without_opost(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_oflag = libc::ONLCR | libc::OLCUC | libc::XTABS)?;
    written(&pty, &slave, b"a\n\tb\r", b"a\n\tb\r")
}

fn carriage_return(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_oflag = libc::OPOST | libc::OCRNL)?;
    written(&pty, &slave, b"a\rb", b"a\nb")?;
    term::modify(&slave, |t| t.c_oflag = libc::OPOST | libc::ONOCR)?;
    written(&pty, &slave, b"\r\r\ra\r\rb", b"\ra\rb")?;
    term::modify(&slave, |t| {
        t.c_oflag = libc::OPOST | libc::ONOCR | libc::ONLRET
    })?;
    written(&pty, &slave, b"a\n\rb", b"a\nb")
}

fn olcuc(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_oflag |= libc::OLCUC)?;
    written(&pty, &slave, b"aBc1\n", b"ABC1\r\n")
}

fn tabs(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_oflag |= libc::XTABS)?;
    written(&pty, &slave, b"a\tb\n\tc", b"a       b\r\n        c")?;
    written(
        &pty,
        &slave,
        b"\r1234567\t8\x08\t9",
        b"\r1234567 8\x08        9",
    )
}

fn echo(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(&pty, &slave, b"ab\x01\x1b\t\xe9\n", b"ab^A^[\t\xe9\r\n")?;
    term::no_echo(&slave)?;
    echoed(&pty, &slave, b"ab\n", b"")
}

fn echo_without_echoctl(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_lflag &= !libc::ECHOCTL)?;
    echoed(&pty, &slave, b"a\x01b\n", b"a\x01b\r\n")
}

fn echonl(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| {
        t.c_lflag &= !libc::ECHO;
        t.c_lflag |= libc::ECHONL;
    })?;
    echoed(&pty, &slave, b"secret\n", b"\r\n")
}

fn echo_of_erase(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(
        &pty,
        &slave,
        b"ab\x7f\x7f\x7fc\n",
        b"ab\x08 \x08\x08 \x08c\r\n",
    )?;
    // A control character took two columns.
    echoed(&pty, &slave, b"\x01\x7f\n", b"^A\x08 \x08\x08 \x08\r\n")
}

fn echo_of_erase_without_echoe(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_lflag &= !libc::ECHOE)?;
    echoed(&pty, &slave, b"ab\x7f\n", b"ab^?\r\n")
}

fn echo_of_kill(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(&pty, &slave, b"ab\x15c\n", b"ab\x08 \x08\x08 \x08c\r\n")?;
    term::modify(&slave, |t| t.c_lflag &= !libc::ECHOKE)?;
    echoed(&pty, &slave, b"ab\x15c\n", b"ab^U\r\nc\r\n")?;
    term::modify(&slave, |t| t.c_lflag &= !libc::ECHOK)?;
    echoed(&pty, &slave, b"ab\x15c\n", b"ab^Uc\r\n")
}

fn echo_of_word_erase(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(
        &pty,
        &slave,
        b"a bc \x17d\n",
        b"a bc \x08 \x08\x08 \x08\x08 \x08d\r\n",
    )
}

fn echoprt(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_lflag |= libc::ECHOPRT)?;
    echoed(&pty, &slave, b"abc\x7f\x7fd\n", b"abc\\cb/d\r\n")
}

fn echo_of_tab_erase(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(
        &pty,
        &slave,
        b"a\t\x7fb\n",
        b"a\t\x08\x08\x08\x08\x08\x08\x08b\r\n",
    )
}

fn echo_of_literal_next(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(&pty, &slave, b"\x16\x03x\n", b"^\x08^Cx\r\n")
}

fn reprint(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    echoed(&pty, &slave, b"abc\x12d\n", b"abc^R\r\nabcd\r\n")
}

fn echo_in_raw(ctx: &Ctx) -> Outcome {
    let (pty, slave) = changed(ctx, |t| t.c_lflag &= !libc::ICANON)?;
    echoed(&pty, &slave, b"a\x7f\x15", b"a^?^U")?;
    io::expect_read(&slave, b"a\x7f\x15")
}

fn echo_order(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for i in 0..50 {
        let (typed, printed) = (format!("in{i}\n"), format!("out{i}\n"));
        io::write_all(&pty.master, &typed)?;
        io::expect_read(&slave, &typed)?;
        io::write_all(&slave, &printed)?;
        io::expect(&pty.master, format!("in{i}\r\nout{i}\r\n"))?;
    }
    Ok(())
}

fn long_echo(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    // Bytes that take two places where the line discipline keeps its echo.
    for (typed, echoed) in [
        (&b"\x11 \xff"[..], &b" \xff"[..]),
        (b"\r\xd6\x08Y\tac\n\x80Zb", b"\r\n\xd6^HY\tac\r\n\x80Zb"),
    ] {
        io::write_all(&pty.master, typed)?;
        io::expect(&pty.master, echoed)?;
    }
    let lines: Vec<u8> = (0..4082)
        .map(|i| {
            if i % 62 == 61 {
                b'\n'
            } else {
                b'a' + (i % 26) as u8
            }
        })
        .collect();
    let echo = String::from_utf8_lossy(&lines).replace('\n', "\r\n");
    io::write_all(&pty.master, &lines)?;
    io::expect(&pty.master, echo)
}

fn echo_without_reader(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    // Nobody reads the echo, which soon has no room; the lines must come through all the same.
    for _ in 0..40 {
        io::write_all(&pty.master, [vec![b'e'; 999], b"\n".to_vec()].concat())?;
        let line = io::read_n(&slave, 1000)?;
        check!(
            line[..999].iter().all(|b| *b == b'e') && line[999] == b'\n',
            "a line came damaged"
        );
    }
    Ok(())
}

/// Fails unless `text`, written in one go, comes out as a terminal has it.
fn comes_out(ctx: &Ctx, text: &str) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let writer = child(|| io::write_all(&slave, text))?;
    io::expect(&pty.master, text.replace('\n', "\r\n"))?;
    writer.succeed()
}

fn large_cooked_output(ctx: &Ctx) -> Outcome {
    let text = (0..3000).fold(String::new(), |mut text, i| {
        text += &format!("line {i} {}\n", "x".repeat(i % 70));
        text
    });
    comes_out(ctx, &text)
}

fn long_lines(ctx: &Ctx) -> Outcome {
    for len in [
        255, 256, 4095, 8190, 8191, 8192, 8193, 20_000, 65_535, 65_536, 200_000,
    ] {
        let line: String = ('a'..='y').cycle().take(len).collect();
        comes_out(ctx, &format!("{line}\n"))?;
        comes_out(ctx, &format!("before\n{line}\nafter\n{line}\n\nend\n"))?;
    }
    Ok(())
}
