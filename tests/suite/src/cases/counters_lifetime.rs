// SPDX-License-Identifier: GPL-2.0
//! The files in debugfs that have lines of all mounts, while mounts and ptys come and go, and what a reader holds up.

use std::fs;
use std::io::{Read, Seek};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::mount::{umount2, MntFlags};
use nix::sys::signal::Signal::SIGKILL;

use super::counters::{check_totals, counted};
use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::counters::{self, Counters, Debugfs, FILES, NAMES};
use crate::fixture::mount::{bind, open_at};
use crate::fixture::process::child;
use crate::fixture::stalled::Stalled;
use crate::fixture::wait::until;
use crate::fixture::{io, Fs, Pty};

cases! { "counters_lifetime":
    gone_after_umount [alone] => "the lines go with the last that holds the file system, before umount returns",
    open_file_keeps_nothing [alone] => "a file that is open keeps no mount, and has nothing of it when it is read anew",
    mounts_come_and_go [alone] => "each new mount has its line, with nothing of one that had its number",
    read_while_ptys_come_and_go => "every line is whole while others open and close ptys",
    read_while_mounts_come_and_go => "every line is whole while others mount and unmount",
    stalled_reader => "a reader of either file that is stalled holds up neither opens nor closes nor umount of any mount",
}

fn gone_after_umount(ctx: &Ctx) -> Outcome {
    let debugfs = Debugfs::new(ctx)?;
    let fs = Fs::new(ctx)?;
    let counters = debugfs.of(&fs)?;
    let twin = Fs {
        path: ctx.dir("twin")?,
    };
    bind(&fs.path, &twin.path)?;
    fs.umount().context("umount")?;
    check_totals(&counters, [0; 5], "with one mount left")?;
    twin.umount().context("umount of the other")?;
    check!(!counters.any()?, "it is there after umount");

    let fs = Fs::new(ctx)?;
    let counters = debugfs.of(&fs)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    umount2(&fs.path, MntFlags::MNT_DETACH).context("detach")?;
    io::write_all(&slave, b"x")?;
    check_totals(&counters, [1, 1, 1, 1, 0], "of one that is detached")?;
    check_eq!(1, counters.pty(0)?.number("opens")?, "opens");
    drop(pty);
    check_totals(&counters, [0, 1, 1, 1, 0], "with a slave left")?;
    drop(slave);
    until("the lines to go", || Ok(!counters.any()?))
}

fn open_file_keeps_nothing(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let pty = Pty::open(&fs)?;
    let open = |name: &&str| fs::File::open(counters.directory.join(name)).context("open");
    let mut unread = FILES.iter().map(open).collect::<Result<Vec<_>>>()?;
    let mut begun = FILES.iter().map(open).collect::<Result<Vec<_>>>()?;
    let line = format!("\n{} ", counters.mount);
    let has_line = |file: &mut fs::File| -> Result<bool> {
        let mut text = String::new();
        file.read_to_string(&mut text).context("read")?;
        check!(text.starts_with("mount "), "it reads as {text:?}");
        Ok(text.contains(&line))
    };
    for (file, name) in begun.iter_mut().zip(FILES) {
        check!(has_line(file)?, "{name} has no line of it");
    }
    drop(pty);
    fs.umount().context("umount")?;
    for file in &mut begun {
        file.rewind().context("rewind")?;
    }
    for (file, name) in unread
        .iter_mut()
        .chain(&mut begun)
        .zip(FILES.iter().cycle())
    {
        check!(!has_line(file)?, "{name} has a line of it");
    }
    Ok(())
}

fn mounts_come_and_go(ctx: &Ctx) -> Outcome {
    let debugfs = Debugfs::new(ctx)?;
    for _ in 0..20 {
        let fs = Fs::new(ctx)?;
        let counters = debugfs.of(&fs)?;
        check_totals(&counters, [0; 5], "of a new mount")?;
        let pty = Pty::open(&fs)?;
        io::write_all(&pty.slave()?, b"x")?;
        check_totals(&counters, [1, 1, 1, 1, 0], "of one that was used")?;
        drop(pty);
        fs.umount().context("umount")?;
        check!(!counters.any()?, "it is there after umount");
    }
    Ok(())
}

fn read_while_ptys_come_and_go(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    // Those that stay have a line every time.
    let stay = (0..3).map(|_| Pty::open(&fs)).collect::<Result<Vec<_>>>()?;
    let others = (0..3)
        .map(|_| {
            child(|| loop {
                let ptys = (0..4).map(|_| Pty::open(&fs)).collect::<Result<Vec<_>>>()?;
                for pty in &ptys {
                    let slave = pty.slave()?;
                    io::write_all(&slave, b"out\n")?;
                    io::write_all(&pty.master, b"in\n")?;
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let (mut looks, mut last, mut most) = (0, counters.totals()?, 0);
    while start.elapsed() < Duration::from_secs(1) || (looks < 20 || most <= 3) {
        check!(
            start.elapsed() < Duration::from_secs(30),
            "{looks} looks, {most} ptys"
        );
        let rows = counters.ptys()?;
        for pty in &stay {
            check!(rows.contains_key(&pty.index), "no line of {}", pty.index);
        }
        most = most.max(rows.len());
        let now = counters.totals()?;
        check!((3..=15).contains(&now.get("ptys")), "{now:?}");
        for name in &NAMES[1..] {
            check!(
                now.get(name) >= last.get(name),
                "{name} went from {last:?} to {now:?}"
            );
        }
        last = now;
        looks += 1;
    }
    for other in &others {
        other.signal(SIGKILL)?;
        other.killed_by(SIGKILL)?;
    }
    until("the others' ptys to go", || {
        Ok(counters.totals()?.get("ptys") == 3)
    })?;
    check_eq!(3, counters.ptys()?.len(), "lines");
    Ok(())
}

fn read_while_mounts_come_and_go(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    let _pty = Pty::open(&fs)?;
    let others = ["one", "two", "three"]
        .map(|name| {
            child(|| loop {
                let fs = Fs::at(ctx, name, "")?;
                let ptys = (0..3).map(|_| Pty::open(&fs)).collect::<Result<Vec<_>>>()?;
                drop(ptys);
                fs.umount().context("umount")?;
            })
        })
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let mut looks = 0;
    while start.elapsed() < Duration::from_secs(1) || looks < 20 {
        check!(start.elapsed() < Duration::from_secs(30), "{looks} looks");
        check_totals(&counters, [1, 1, 0, 0, 0], "of the one that stays")?;
        check_eq!(1, counters.ptys()?.len(), "its ptys");
        looks += 1;
    }
    for other in &others {
        check!(other.alive()?, "one that mounts has ended");
        other.signal(SIGKILL)?;
        other.killed_by(SIGKILL)?;
    }
    Ok(())
}

fn stalled_reader(ctx: &Ctx) -> Outcome {
    let (fs, counters) = counted(ctx)?;
    // More lines than there is room for: the reader stalls with some to come.
    let ptys = (0..100)
        .map(|_| Pty::open(&fs))
        .collect::<Result<Vec<_>>>()?;
    let other = Fs::at(ctx, "other", "ptmxmode=666")?;
    for file in FILES {
        let place = counters.directory.join(file);
        let reader = open_at(&place, OFlag::O_RDONLY).context("open")?;
        let gone = Fs::at(ctx, "gone", "ptmxmode=666")?;
        let stalled = Stalled::new(reader, libc::SYS_read)?;
        child(|| {
            for fs in [&fs, &other, &gone] {
                let pty = Pty::open(fs)?;
                let slave = pty.slave()?;
                io::write_all(&slave, b"x\n")?;
                let of_it = Counters {
                    directory: counters.directory.clone(),
                    mount: counters::device_name(fs.stat_root()?.st_dev),
                };
                check_eq!(1, of_it.pty(pty.index)?.number("opens")?, "opens");
                drop((pty, slave));
                drop(Pty::open(fs)?);
            }
            gone.umount().context("umount")?;
            Fs::at(ctx, "new", "")?
                .umount()
                .context("umount of a new one")
        })?
        .succeed()
        .with_context(|| format!("while a reader of {file} is stalled"))?;
        let text = String::from_utf8(stalled.finish()?)?;
        check!(text.starts_with("mount "), "{file} reads as {text:?}");
    }
    drop(ptys);
    fs.umount().context("umount in the end")
}
