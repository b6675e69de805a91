// SPDX-License-Identifier: GPL-2.0
//! The files in debugfs that have lines of all mounts: see Documentation/inside.rst.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::getpid;

use super::userns::{as_namespace_root, mounted};
use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::counters::{Counters, Debugfs, Row, FILES, NAMES};
use crate::fixture::fdinfo::FdInfo;
use crate::fixture::ioctl::{self, TCXONC, TIOCPKT, TIOCSCTTY, TIOCSPTLCK};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child, session, Gate};
use crate::fixture::wait::until;
use crate::fixture::{io, term, Fs, Pty};

cases! { "counters":
    files => "there are two files, of the superuser alone, with a line of each mount",
    users_cannot_read => "a user cannot look at the files, whatever way it gets to the directory",
    nothing_at_first => "a new mount has counted nothing and has no ptys",
    totals => "what live ptys have counted is in the totals",
    totals_of_gone_ptys => "what ptys that are gone have counted stays in the totals",
    opens_that_fail => "opens that fail are not counted",
    a_line_for_each_pty => "each pty has a line until its master is closed",
    same_as_fdinfo => "a pty's line says what fdinfo of its master says",
    owner_and_mode => "a line has the node's owner and mode as they are now",
    flags => "locked, packet and stopped are told as long as it is so",
    two_mounts => "two mounts have lines of their own, and count apart",
    in_a_user_namespace [alone] => "a mount of a user namespace is there, with owners as they are outside",
    many_ptys => "more ptys than are looked at in one go have a line each, in their order",
}

/// An instance, and what there is of it.
pub(super) fn counted(ctx: &Ctx) -> Result<(Fs, Counters)> {
    let fs = Fs::new(ctx)?;
    let counters = Debugfs::new(ctx)?.of(&fs)?;
    Ok((fs, counters))
}

fn files(ctx: &Ctx) -> Outcome {
    let (_fs, counters) = counted(ctx)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&counters.directory).context("readdir")? {
        let entry = entry?;
        let meta = entry.metadata()?;
        check_eq!(
            (0o400, 0, 0),
            (meta.permissions().mode() & 0o7777, meta.uid(), meta.gid()),
            "mode and owner of {:?}",
            entry.file_name()
        );
        check!(meta.is_file(), "{:?} is no file", entry.file_name());
        names.push(entry.file_name());
    }
    names.sort();
    check_eq!(FILES, &names[..], "names");
    check!(counters.any()?, "no line of {}", counters.mount);
    Ok(())
}

fn users_cannot_read(ctx: &Ctx) -> Outcome {
    let (_fs, counters) = counted(ctx)?;
    let directory = open_at(&counters.directory, OFlag::O_DIRECTORY).context("open as root")?;
    child(|| {
        become_user(1000)?;
        let within = format!("/proc/self/fd/{}", directory.as_raw_fd());
        for place in [&counters.directory, &std::path::PathBuf::from(within)] {
            for file in FILES {
                check_errno(
                    open_at(&place.join(file), OFlag::O_RDONLY),
                    Errno::EACCES,
                    &format!("open of {file} in {}", place.display()),
                )?;
            }
        }
        Ok(())
    })?
    .succeed()
}

fn nothing_at_first(ctx: &Ctx) -> Outcome {
    let (_fs, counters) = counted(ctx)?;
    let totals = counters.totals()?;
    for name in NAMES {
        check_eq!(0, totals.get(name), "{name}");
    }
    check_eq!(0, counters.ptys()?.len(), "ptys");
    Ok(())
}

/// Fails unless the totals are these, in the order of `NAMES` but `output_stalls`.
pub(super) fn check_totals(counters: &Counters, want: [u64; 5], what: &str) -> Outcome {
    let totals = counters.totals()?;
    let names = ["ptys", "opened", "slaves_opened", "output", "input"];
    for (name, want) in names.into_iter().zip(want) {
        check_eq!(want, totals.get(name), "{name} {what}");
    }
    Ok(())
}

fn totals(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let (one, two) = (Pty::open(&fs)?, Pty::open(&fs)?);
    check_totals(&counters, [2, 2, 0, 0, 0], "with two masters")?;
    let slaves = [one.slave()?, one.slave()?, two.slave()?];
    for slave in &slaves {
        term::raw(slave)?;
    }
    check_totals(&counters, [2, 2, 3, 0, 0], "with three slaves")?;
    io::write_all(&slaves[0], [b'o'; 10])?;
    io::write_all(&slaves[2], [b'o'; 100])?;
    io::write_all(&one.master, [b'i'; 1000])?;
    io::write_all(&two.master, [b'i'; 2000])?;
    check_totals(&counters, [2, 2, 3, 110, 3000], "after writes")?;
    check_eq!(0, counters.totals()?.get("output_stalls"), "stalls");
    fill(&slaves[0])?;
    check_eq!(
        1,
        counters.totals()?.get("output_stalls"),
        "stalls when full"
    );
    fill(&slaves[2])?;
    check_eq!(2, counters.totals()?.get("output_stalls"), "when both are");
    Ok(())
}

/// Writes until there is no room.
fn fill(end: &OwnedFd) -> Outcome {
    io::set_nonblock(end, true)?;
    check_errno(
        (0..1000).try_for_each(|_| io::write_now(end, [b'f'; 1000]).map(drop)),
        Errno::EAGAIN,
        "writes without end",
    )
}

fn totals_of_gone_ptys(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    for round in 1..4 {
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        term::raw(&slave)?;
        io::write_all(&pty.master, b"abc")?;
        io::write_all(&slave, b"0123456789")?;
        check_totals(
            &counters,
            [1, round, round, 10 * round, 3 * round],
            "while open",
        )?;
        drop(pty);
        check_totals(
            &counters,
            [0, round, round, 10 * round, 3 * round],
            "after the close",
        )?;
    }
    let pty = Pty::open(&fs)?;
    fill(&pty.slave()?)?;
    let before = counters.totals()?;
    check_eq!(1, before.get("output_stalls"), "stalls");
    drop(pty);
    let after = counters.totals()?;
    for name in &NAMES[1..] {
        check_eq!(before.get(name), after.get(name), "{name} after the close");
    }
    Ok(())
}

fn opens_that_fail(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,max=1")?;
    let counters = Debugfs::new(ctx)?.of(&fs)?;
    let pty = Pty::locked(&fs)?;
    check_errno(super::try_ptmx(&fs), Errno::ENOSPC, "one too many")?;
    check_errno(pty.try_slave(OFlag::O_RDWR), Errno::EIO, "a locked slave")?;
    check_totals(&counters, [1, 1, 0, 0, 0], "after opens that failed")
}

fn a_line_for_each_pty(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let mut ptys = (0..5).map(|_| Pty::open(&fs)).collect::<Result<Vec<_>>>()?;
    let indices = || Ok::<Vec<u32>, anyhow::Error>(counters.ptys()?.into_keys().collect());
    check_eq!(vec![0, 1, 2, 3, 4], indices()?, "indices");
    let slave = ptys[2].slave()?;
    drop(ptys.remove(2));
    check_eq!(vec![0, 1, 3, 4], indices()?, "with one closed");
    drop(slave);
    ptys.push(Pty::open(&fs)?);
    check_eq!(vec![0, 1, 2, 3, 4], indices()?, "with one more");
    ptys.clear();
    check_eq!(Vec::<u32>::new(), indices()?, "with all closed");
    Ok(())
}

fn same_as_fdinfo(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let _other = Pty::open(&fs)?;
    let pty = Pty::open(&fs)?;
    let slaves = [pty.slave()?, pty.slave()?];
    term::raw(&slaves[0])?;
    let (ready, go) = (Gate::new()?, Gate::new()?);
    let leader = session(|| {
        ioctl::set(&slaves[0], TIOCSCTTY, 0).context("TIOCSCTTY")?;
        ready.send(getpid().as_raw().into())?;
        go.pass()
    })?;
    let id = u64::try_from(ready.receive()?)?;
    io::write_all(&slaves[0], [b'o'; 70])?;
    io::read_n(&pty.master, 50)?;
    fill(&slaves[0])?;
    fill(&pty.master)?;
    let (row, info) = (counters.pty(1)?, FdInfo::of(&pty.master)?);
    for column in [
        "opens",
        "pgrp",
        "session",
        "output",
        "output_queued",
        "output_stalls",
        "input",
        "input_queued",
        "ring",
    ] {
        let there = info.number(&column.replace('_', "-"))?;
        check_eq!(there, row.number(column)?, "{column}");
        check!(there > 0, "{column} is 0");
    }
    check_eq!(
        (id, id),
        (row.number("pgrp")?, row.number("session")?),
        "owners"
    );
    check_eq!(2, row.number("opens")?, "opens");
    go.open()?;
    leader.succeed()
}

/// The columns on the node.
fn node(row: &Row) -> [&str; 3] {
    ["uid", "gid", "mode"].map(|column| row.text(column))
}

fn owner_and_mode(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,gid=5,mode=620")?;
    let counters = Debugfs::new(ctx)?.of(&fs)?;
    let pty = Pty::open(&fs)?;
    check_eq!(["0", "5", "620"], node(&counters.pty(0)?), "at first");
    chown(&pty.path, Some(1000), Some(1001)).context("chown")?;
    check_eq!(
        ["1000", "1001", "620"],
        node(&counters.pty(0)?),
        "after chown"
    );
    fs::set_permissions(&pty.path, fs::Permissions::from_mode(0o4606)).context("chmod")?;
    check_eq!(
        ["1000", "1001", "4606"],
        node(&counters.pty(0)?),
        "after chmod"
    );
    fs::set_permissions(&pty.path, fs::Permissions::from_mode(0o000)).context("chmod")?;
    check_eq!("0", counters.pty(0)?.text("mode"), "without permissions");
    let (opened, go) = (Gate::new()?, Gate::new()?);
    let user = child(|| {
        become_user(1007)?;
        let _pty = Pty::locked(&fs)?;
        opened.open()?;
        go.pass()
    })?;
    opened.pass()?;
    check_eq!(["1007", "5", "620"], node(&counters.pty(1)?), "a user's");
    go.open()?;
    user.succeed()
}

fn flags(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let pty = Pty::locked(&fs)?;
    let flags = |want: &str| -> Outcome {
        check_eq!(want, counters.pty(0)?.text("flags"), "flags");
        Ok(())
    };
    flags("locked")?;
    pty.unlock()?;
    flags("-")?;
    ioctl::set(&pty.master, TIOCPKT, 1).context("TIOCPKT")?;
    flags("packet")?;
    let slave = pty.slave()?;
    let tcflow =
        |action: i32| ioctl::call(&slave, TCXONC, action as libc::c_ulong).context("TCXONC");
    tcflow(libc::TCOOFF)?;
    flags("packet,stopped")?;
    ioctl::set(&pty.master, TIOCSPTLCK, 1).context("TIOCSPTLCK")?;
    flags("locked,packet,stopped")?;
    ioctl::set(&pty.master, TIOCPKT, 0).context("TIOCPKT")?;
    flags("locked,stopped")?;
    tcflow(libc::TCOON)?;
    pty.unlock()?;
    flags("-")?;
    // The same by characters.
    io::write_all(&pty.master, b"\x13")?;
    until("^S to stop the output", || {
        Ok(counters.pty(0)?.text("flags") == "stopped")
    })?;
    io::write_all(&pty.master, b"\x11")?;
    until("^Q to start it", || {
        Ok(counters.pty(0)?.text("flags") == "-")
    })
}

fn two_mounts(ctx: &Ctx) -> Outcome {
    let debugfs = Debugfs::new(ctx)?;
    let places = [Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?];
    let [one, two] = [debugfs.of(&places[0])?, debugfs.of(&places[1])?];
    check!(one.mount != two.mount, "both are {}", one.mount);
    let pty = Pty::open(&places[0])?;
    let slave = pty.slave()?;
    io::write_all(&slave, b"x")?;
    check_totals(&one, [1, 1, 1, 1, 0], "of the first")?;
    check_totals(&two, [0; 5], "of the second")?;
    check_eq!(0, two.ptys()?.len(), "ptys of the second");
    let other = Pty::open(&places[1])?;
    check_totals(&two, [1, 1, 0, 0, 0], "of the second")?;
    drop(other);
    places[1].umount().context("umount")?;
    check_totals(&one, [1, 1, 1, 1, 0], "of the first in the end")
}

fn in_a_user_namespace(ctx: &Ctx) -> Outcome {
    let debugfs = Debugfs::new(ctx)?;
    let (made, looked) = (Gate::new()?, Gate::new()?);
    let outside = child(|| {
        let counters = debugfs.of_device(u64::try_from(made.receive()?)?);
        check_totals(&counters, [1, 1, 1, 3, 0], "seen from outside")?;
        check_eq!(["200007", "200005", "620"], node(&counters.pty(0)?), "node");
        looked.open()?;
        let _ = made.receive()?;
        check!(!counters.any()?, "it is there after umount");
        looked.open()
    })?;
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "uid=7,gid=5,mode=620")?;
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        io::write_all(&slave, b"x\n")?;
        made.send(i64::try_from(fs.stat_root()?.st_dev)?)?;
        looked.pass()?;
        drop((pty, slave));
        fs.umount().context("umount")?;
        made.send(0)?;
        looked.pass()
    })?;
    outside.succeed()
}

fn many_ptys(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let mut ptys = Vec::new();
    // Around one and two goes, of 16 each.
    for count in [15, 16, 17, 31, 32, 33, 50] {
        while ptys.len() < count {
            ptys.push(Pty::open(&fs)?);
        }
        let indices: Vec<_> = counters.ptys()?.into_keys().collect();
        let want: Vec<_> = (0..u32::try_from(count)?).collect();
        check_eq!(want, indices, "indices");
    }
    // With gaps of more than one go.
    let mut index = 0;
    ptys.retain(|_| {
        index += 1;
        [1, 2, 20, 41, 50].contains(&index)
    });
    let text = fs::read_to_string(counters.directory.join("ptys")).context("ptys")?;
    let own = format!("{} ", counters.mount);
    let indices: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&own)?.split(' ').next())
        .collect();
    check_eq!(["0", "1", "19", "40", "49"], &indices[..], "indices");
    Ok(())
}
