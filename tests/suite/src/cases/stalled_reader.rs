// SPDX-License-Identifier: GPL-2.0
//! A reader that is stalled in a page fault which user space serves holds nobody up, and loses nothing.

use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::mount::open_at;
use crate::fixture::process::child;
use crate::fixture::stalled::Stalled;
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, term, Fs, Pty};

cases! { "stalled_reader":
    open_goes_on => "ptmx can be opened, and its slave, while a getdents is stalled",
    close_goes_on => "a master can be closed, and its slave is hung up, while a getdents is stalled",
    lookup_goes_on => "names are found and missed while a getdents is stalled",
    getdents_goes_on => "the directory can be listed while a getdents is stalled",
    others_go_on => "nothing on another instance waits for a getdents that is stalled",
    no_longer_than_on_tmpfs => "whoever would not wait for a getdents that is stalled on a tmpfs does not here",
    finishes => "a getdents that was stalled lists what was there throughout",
    output_comes_whole => "what is written while a reader of the master is stalled comes whole",
    input_goes_on => "a master is written to, though an interrupt character waits behind a stalled reader of the slave",
    mapped_signal_goes_on => "a master is written a byte that ISTRIP makes an interrupt character while a reader of the slave is stalled",
}

/// The names in a buffer of `struct linux_dirent64`.
fn names(mut bytes: &[u8]) -> Result<Vec<String>> {
    const NAME: usize = 19;
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_ne_bytes([bytes[16], bytes[17]]));
        let name = bytes[NAME..length]
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        names.push(String::from_utf8(name.to_vec())?);
        bytes = &bytes[length..];
    }
    Ok(names)
}

/// A pty, and a getdents64 of its directory that is stalled.
fn stalled(ctx: &Ctx) -> Result<(Fs, Pty, Stalled)> {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let dir = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let stalled = Stalled::new(dir, libc::SYS_getdents64)?;
    Ok((fs, pty, stalled))
}

fn open_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        let another = Pty::open(&fs)?;
        another.slave().map(drop)
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn close_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, pty, stalled) = stalled(ctx)?;
    let slave = pty.slave()?;
    drop(pty);
    io::wait_for(&slave, PollFlags::POLLHUP).context("the slave to be hung up")?;
    check!(!fs.has(0), "the node is there after its master was closed");
    stalled.finish().map(drop)
}

fn lookup_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        check!(fs.has(0), "0 is missing");
        check!(!fs.has(999), "999 is there");
        // A writer that waited for the lock would have new readers wait, too.
        drop(Pty::open(&fs)?);
        check!(!fs.has(998), "998 is there");
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn getdents_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        drop(Pty::open(&fs)?);
        let mut names = fs.names()?;
        names.sort();
        check_eq!(vec!["0".to_owned(), "ptmx".to_owned()], names, "the names");
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn others_go_on(ctx: &Ctx) -> Outcome {
    let (_fs, _pty, stalled) = stalled(ctx)?;
    let other = Fs::at(ctx, "other", "ptmxmode=666")?;
    child(|| {
        for _ in 0..20 {
            let pty = Pty::open(&other)?;
            drop(pty.slave()?);
            check_eq!(vec!["0", "ptmx"], other.names()?, "the names");
            check!(!other.has(1), "1 is there");
        }
        other.umount().context("umount")
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

/// Whether `act` ends while a getdents64 of the directory is stalled.
fn goes_on(directory: &Path, act: impl FnOnce() -> Outcome) -> Result<bool> {
    let handle = open_at(directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let stalled = Stalled::new(handle, libc::SYS_getdents64)?;
    let worker = child(act)?;
    let mut blocked = 0;
    until("it to end, or to wait", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid))?;
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim().chars().next());
        // A lock of a directory is waited for without signals.
        blocked = if state == Some('D') { blocked + 1 } else { 0 };
        Ok(blocked > 50 || !worker.alive()?)
    })?;
    let ended = !worker.alive()?;
    stalled.finish()?;
    worker.succeed()?;
    Ok(ended)
}

fn no_longer_than_on_tmpfs(ctx: &Ctx) -> Outcome {
    let tmpfs = ctx.dir("plain")?;
    let fs = Fs::new(ctx)?;
    let _held = Pty::open(&fs)?;
    let file = |name: &str| tmpfs.join(name);
    std::fs::write(file("there"), "")?;
    std::fs::write(file("goes"), "")?;
    let goes = Pty::open(&fs)?;
    let there = || {
        goes_on(&tmpfs, || {
            std::fs::write(file("new"), "")?;
            Ok(())
        })
    };
    let here = || goes_on(&fs.path, || Pty::open(&fs).map(drop));
    let there = there()?;
    // Or the reader is not where it should be, and all this shows nothing.
    check!(!there, "making an entry of a tmpfs goes on");
    check!(here()? || !there, "making an entry waits");
    let there = goes_on(&tmpfs, || {
        std::fs::remove_file(file("goes")).context("unlink")
    })?;
    // The child's copy is not the last; its own is.
    let index = goes.index;
    drop(goes);
    let here = goes_on(&fs.path, || {
        let pty = Pty::open(&fs)?;
        check_eq!(index, pty.index, "index");
        drop(pty);
        check!(!fs.has(index), "the node is there");
        Ok(())
    })?;
    check!(here || !there, "removing an entry waits");
    let there = goes_on(&tmpfs, || {
        check!(file("there").exists() && !file("none").exists(), "names");
        Ok(())
    })?;
    let here = goes_on(&fs.path, || {
        check!(fs.has(0) && !fs.has(999), "names");
        Ok(())
    })?;
    check!(here || !there, "looking a name up waits");
    let list = |directory: &Path| {
        goes_on(directory, || {
            check!(std::fs::read_dir(directory)?.count() > 0, "nothing there");
            Ok(())
        })
    };
    check!(list(&fs.path)? || !list(&tmpfs)?, "listing waits");
    Ok(())
}

fn finishes(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    drop(Pty::open(&fs)?);
    let mut names = names(&stalled.finish()?)?;
    names.retain(|name| name != "1");
    names.sort();
    check_eq!(vec![".", "..", "0", "ptmx"], names, "the names");
    Ok(())
}

fn output_comes_whole(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&slave, [b'x'; 100])?;
    let stalled = Stalled::new(pty.master.try_clone()?, libc::SYS_read)?;
    let lines: Vec<u8> = (0..100_000)
        .map(|i| {
            if i % 50 == 49 {
                b'\n'
            } else {
                b'a' + (i % 23) as u8
            }
        })
        .collect();
    let writer = child(|| io::write_all(&slave, &lines))?;
    writer.asleep()?;
    let mut came = stalled.finish()?;
    let want = [
        "x".repeat(100),
        String::from_utf8(lines)?.replace('\n', "\r\n"),
    ]
    .concat();
    came.extend(io::read_n(&pty.master, want.len() - came.len())?);
    check!(
        came == want.as_bytes(),
        "other bytes came than were written"
    );
    writer.succeed()
}

fn input_goes_on(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&pty.master, [b'a'; 4095])?;
    io::write_all(&pty.master, b"\x03\x03\x03\x03")?;
    term::modify(&slave, |t| t.c_lflag |= libc::ISIG)?;
    let stalled = Stalled::new(slave.try_clone()?, libc::SYS_read)?;
    io::set_nonblock(&pty.master, true)?;
    child(|| {
        for _ in 0..3 {
            check_eq!(Ok(1), io::write_now(&pty.master, b"b"), "write");
        }
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn mapped_signal_goes_on(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    io::write_all(&pty.master, [b'a'; 2000])?;
    term::modify(&slave, |t| {
        t.c_lflag |= libc::ISIG;
        t.c_iflag |= libc::ISTRIP;
    })?;
    let stalled = Stalled::new(slave.try_clone()?, libc::SYS_read)?;
    io::set_nonblock(&pty.master, true)?;
    child(|| {
        check_eq!(Ok(1), io::write_now(&pty.master, b"\x83"), "write");
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}
