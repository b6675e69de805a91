// SPDX-License-Identifier: GPL-2.0
//! The root, ptmx and slave nodes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{chown, DirEntryExt, FileTypeExt, PermissionsExt};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{fstat, major, minor};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl::{self, TIOCGPTN};
use crate::fixture::process::{become_user, child, Gate};
use crate::fixture::{io, Fs, Pty, SLAVE_MAJOR};

cases! { "nodes":
    root => "the root is inode 1, mode 0755, two links, owned by root",
    ptmx => "ptmx is inode 2, a character device 5:2, one link, owned by who mounted",
    slave => "a slave is inode index + 3, a character device of the slave driver with minor index, one link",
    block_size => "st_blksize is 1024 and st_size 0 for the root and all nodes",
    owner_is_the_opener => "a slave belongs to the opener's file system user and group, and ptmx stays root's",
    umask_means_nothing => "the umask of opener and mounter changes no node's mode",
    chmod_and_chown => "chmod and chown of ptmx and slaves work and stay",
    owner_may_chmod => "a slave's owner may chmod it, others may not",
    chmod_bars_other_users => "a slave's mode decides who may open it",
    chown_of_root_directory => "the root's mode and owner can be changed",
    lowest_free_index => "a new pty takes the lowest free index",
    instances_number_from_zero => "instances number their ptys from 0 each, and do not see each other's",
    same_index_in_two_instances => "ptys of one index in two instances do not mix",
    many => "300 ptys: each has its node, and minor numbers beyond 255 are right",
    opened_at_once => "ptys that processes open at the same time get indices of their own",
    readdir => "readdir gives ., .., ptmx and each slave once, with inode number and type",
    missing_names => "names that are no open index are ENOENT",
    unlinked_while_open => "a slave open while its master closed has no links and a name marked deleted",
    not_a_directory => "a path below ptmx or a slave is ENOTDIR",
    index_free_once_both_closed => "an index is free only once the slave is closed too",
}

fn mode(fs: &Fs, name: &str) -> Result<u32> {
    Ok(fs.stat(name)?.st_mode)
}

fn root(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let s = fs.stat_root().context("stat")?;
    check_eq!(
        (1, libc::S_IFDIR | 0o755, 2, 0, 0),
        (s.st_ino, s.st_mode, s.st_nlink, s.st_uid, s.st_gid),
        "the root"
    );
    let _pty = Pty::locked(&fs)?;
    check_eq!(2, fs.stat_root()?.st_nlink, "links with a pty");
    Ok(())
}

fn ptmx(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=640")?;
    let s = fs.stat("ptmx").context("stat")?;
    check_eq!(
        (2, libc::S_IFCHR | 0o640, 1, 0, 0),
        (s.st_ino, s.st_mode, s.st_nlink, s.st_uid, s.st_gid),
        "ptmx"
    );
    check_eq!(
        (5, 2),
        (major(s.st_rdev), minor(s.st_rdev)),
        "device number"
    );
    Ok(())
}

fn slave(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "mode=620")?;
    for index in 0..3 {
        let pty = Pty::locked(&fs)?;
        check_eq!(index, pty.index, "index");
        std::mem::forget(pty);
        let s = fs.stat(index).context("stat")?;
        check_eq!(
            (u64::from(index) + 3, libc::S_IFCHR | 0o620, 1),
            (s.st_ino, s.st_mode, s.st_nlink),
            "slave {index}"
        );
        check_eq!(
            (SLAVE_MAJOR.into(), u64::from(index)),
            (major(s.st_rdev), minor(s.st_rdev)),
            "device number of slave {index}"
        );
    }
    Ok(())
}

fn block_size(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::locked(&fs)?;
    for s in [fs.stat_root()?, fs.stat("ptmx")?, fs.stat(0)?] {
        check_eq!(
            (1024, 0, 0),
            (s.st_blksize, s.st_size, s.st_blocks),
            "inode {}",
            s.st_ino
        );
    }
    Ok(())
}

fn owner_is_the_opener(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    child(|| {
        // SAFETY: no pointers.
        unsafe {
            libc::setfsgid(2001);
            libc::setfsuid(2000);
        }
        let pty = Pty::open(&fs)?;
        let s = fs.stat(pty.index)?;
        check_eq!(
            (2000, 2001),
            (s.st_uid, s.st_gid),
            "owner by file system ids"
        );
        Ok(())
    })?
    .succeed()?;
    child(|| {
        become_user(1000)?;
        let pty = Pty::open(&fs)?;
        let s = fs.stat(pty.index)?;
        check_eq!(
            (1000, 1000, libc::S_IFCHR | 0o600),
            (s.st_uid, s.st_gid, s.st_mode),
            "owner and mode"
        );
        pty.slave()?;
        check_eq!(0, fs.stat("ptmx")?.st_uid, "owner of ptmx");
        Ok(())
    })?
    .succeed()
}

fn umask_means_nothing(ctx: &Ctx) -> Outcome {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o777));
    let fs = Fs {
        path: {
            let p = ctx.dir("pts")?;
            fs::set_permissions(&p, fs::Permissions::from_mode(0o755))?;
            p
        },
    };
    crate::fixture::mount::try_mount(&ctx.target, &fs.path, "mode=666,ptmxmode=666")
        .context("mount")?;
    let _pty = Pty::locked(&fs)?;
    check_eq!(
        libc::S_IFDIR | 0o755,
        fs.stat_root()?.st_mode,
        "mode of the root"
    );
    check_eq!(libc::S_IFCHR | 0o666, mode(&fs, "ptmx")?, "mode of ptmx");
    check_eq!(libc::S_IFCHR | 0o666, mode(&fs, "0")?, "mode of the slave");
    Ok(())
}

fn chmod_and_chown(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    for name in ["ptmx", "0"] {
        fs::set_permissions(fs.join(name), fs::Permissions::from_mode(0o612)).context("chmod")?;
        chown(fs.join(name), Some(11), Some(12)).context("chown")?;
    }
    let slave = pty.slave()?;
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")?;
    drop(slave);
    let _other = Pty::open(&fs)?;
    for name in ["ptmx", "0"] {
        let s = fs.stat(name)?;
        check_eq!(
            (libc::S_IFCHR | 0o612, 11, 12),
            (s.st_mode, s.st_uid, s.st_gid),
            "{name}"
        );
    }
    drop(pty);
    let pty = Pty::open(&fs)?;
    let s = fs.stat(pty.index)?;
    check_eq!(
        (0, libc::S_IFCHR | 0o600, 0),
        (pty.index, s.st_mode, s.st_uid),
        "a new pty of the same index"
    );
    Ok(())
}

fn owner_may_chmod(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,uid=1000")?;
    let _pty = Pty::open(&fs)?;
    let chmod = |name: &str| fs::set_permissions(fs.join(name), fs::Permissions::from_mode(0o622));
    child(|| {
        become_user(1000)?;
        chmod("0").context("chmod by the owner")?;
        check_errno(
            chown(fs.join(0), Some(1001), None),
            Errno::EPERM,
            "chown by the owner",
        )?;
        check_errno(chmod("ptmx"), Errno::EPERM, "chmod of ptmx")
    })?
    .succeed()?;
    check_eq!(libc::S_IFCHR | 0o622, mode(&fs, "0")?, "mode");
    child(|| {
        become_user(1001)?;
        check_errno(chmod("0"), Errno::EPERM, "chmod by another")
    })?
    .succeed()
}

fn chmod_bars_other_users(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "mode=620,gid=77")?;
    let pty = Pty::open(&fs)?;
    child(|| {
        nix::unistd::setgroups(&[77.into()]).context("setgroups")?;
        nix::unistd::setresgid(1000.into(), 1000.into(), 1000.into()).context("setresgid")?;
        nix::unistd::setresuid(1000.into(), 1000.into(), 1000.into()).context("setresuid")?;
        check_errno(
            pty.try_slave(OFlag::O_RDONLY | OFlag::O_NOCTTY),
            Errno::EACCES,
            "read as a member of the group",
        )?;
        pty.try_slave(OFlag::O_WRONLY | OFlag::O_NOCTTY)
            .map(drop)
            .context("write as a member of the group")
    })?
    .succeed()?;
    child(|| {
        become_user(1000)?;
        check_errno(
            pty.try_slave(OFlag::O_WRONLY | OFlag::O_NOCTTY),
            Errno::EACCES,
            "write as another user",
        )
    })?
    .succeed()
}

fn chown_of_root_directory(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    fs::set_permissions(&fs.path, fs::Permissions::from_mode(0o711)).context("chmod")?;
    chown(&fs.path, Some(5), Some(6)).context("chown")?;
    let s = fs.stat_root()?;
    check_eq!(
        (libc::S_IFDIR | 0o711, 5, 6),
        (s.st_mode, s.st_uid, s.st_gid),
        "the root"
    );
    Ok(())
}

fn lowest_free_index(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let mut ptys = BTreeMap::new();
    for index in 0..5 {
        let pty = Pty::locked(&fs)?;
        check_eq!(index, pty.index, "index");
        ptys.insert(index, pty);
    }
    for free in [&[3, 1][..], &[0], &[4, 2, 0]] {
        for index in free {
            ptys.remove(index);
        }
        let mut sorted = free.to_vec();
        sorted.sort_unstable();
        for want in sorted {
            let pty = Pty::locked(&fs)?;
            check_eq!(want, pty.index, "index after closing {free:?}");
            ptys.insert(want, pty);
        }
    }
    Ok(())
}

fn instances_number_from_zero(ctx: &Ctx) -> Outcome {
    let (one, two) = (Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?);
    let first = (Pty::locked(&one)?, Pty::locked(&one)?);
    check_eq!(
        vec!["ptmx".to_owned()],
        two.names()?,
        "names in the other instance"
    );
    let second = Pty::locked(&two)?;
    check_eq!(
        (0, 1, 0),
        (first.0.index, first.1.index, second.index),
        "indices"
    );
    drop(first);
    check_eq!(
        vec!["0".to_owned(), "ptmx".to_owned()],
        two.names()?,
        "names in the other instance"
    );
    Ok(())
}

fn same_index_in_two_instances(ctx: &Ctx) -> Outcome {
    let (one, two) = (
        Pty::open(&Fs::at(ctx, "one", "")?)?,
        Pty::open(&Fs::at(ctx, "two", "")?)?,
    );
    let (slave_one, slave_two) = (one.slave()?, two.slave()?);
    io::write_all(&slave_one, b"first\n")?;
    io::write_all(&slave_two, b"other\n")?;
    io::expect(&one.master, b"first\r\n")?;
    io::expect(&two.master, b"other\r\n")?;
    drop(one);
    io::write_all(&slave_two, b"alive\n")?;
    io::expect(&two.master, b"alive\r\n")
}

fn many(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let ptys = (0..300)
        .map(|_| Pty::locked(&fs))
        .collect::<Result<Vec<_>>>()?;
    for (want, pty) in ptys.iter().enumerate() {
        check_eq!(want, pty.index as usize, "index");
        let s = fs.stat(pty.index)?;
        check_eq!(
            (want as u64 + 3, want as u64),
            (s.st_ino, minor(s.st_rdev)),
            "inode and minor of {want}"
        );
        check_eq!(want as i32, ioctl::get(&pty.master, TIOCGPTN)?, "TIOCGPTN");
    }
    check_eq!(301, fs.names()?.len(), "names");
    ptys[299].unlock()?;
    let slave = ptys[299].slave()?;
    io::write_all(&slave, b"x")?;
    io::expect(&ptys[299].master, b"x")?;
    drop((ptys, slave));
    check_eq!(vec!["ptmx".to_owned()], fs.names()?, "names at the end");
    Ok(())
}

fn readdir(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _ptys = (0..5)
        .map(|_| Pty::locked(&fs))
        .collect::<Result<Vec<_>>>()?;
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(&fs.path).context("readdir")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        check!(
            entry.file_type()?.is_char_device(),
            "{name} is no character device"
        );
        check!(
            seen.insert(name.clone(), entry.ino()).is_none(),
            "{name} came twice"
        );
    }
    let want = [
        ("ptmx", 2),
        ("0", 3),
        ("1", 4),
        ("2", 5),
        ("3", 6),
        ("4", 7),
    ];
    check_eq!(
        want.map(|(n, i)| (n.to_owned(), i))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        seen,
        "names and inodes"
    );

    // The standard library leaves out the two dots, so they are read by the C library.
    let mut dir = nix::dir::Dir::open(&fs.path, OFlag::O_RDONLY, nix::sys::stat::Mode::empty())
        .context("opendir")?;
    let dots = dir
        .iter()
        .filter_map(|e| e.ok())
        .filter(|e| e.file_name().to_bytes().starts_with(b"."));
    let dots: Vec<_> = dots
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.file_type()))
        .collect();
    let directory = Some(nix::dir::Type::Directory);
    check_eq!(
        vec![(".".to_owned(), directory), ("..".to_owned(), directory)],
        dots,
        "dots"
    );
    Ok(())
}

fn missing_names(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::locked(&fs)?;
    for name in ["1", "00", "+0", "-1", "0x0", "4294967296", "ptm", "ptmx0"] {
        check_errno(fs.stat(name), Errno::ENOENT, name)?;
    }
    check_errno(
        fs.stat("n".repeat(256)),
        Errno::ENAMETOOLONG,
        "a name of 256 bytes",
    )
}

fn unlinked_while_open(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    check_eq!(1, fstat(&slave)?.st_nlink, "links");
    drop(pty);
    let s = fstat(&slave).context("fstat")?;
    check_eq!(
        (3, 0, libc::S_IFCHR | 0o600),
        (s.st_ino, s.st_nlink, s.st_mode),
        "inode, links, mode"
    );
    check_eq!(
        format!("{}/0 (deleted)", fs.path.display()),
        io::fd_link(&slave)?,
        "name"
    );
    Ok(())
}

fn not_a_directory(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _pty = Pty::locked(&fs)?;
    check_errno(fs.stat("ptmx/x"), Errno::ENOTDIR, "below ptmx")?;
    check_errno(fs.stat("0/x"), Errno::ENOTDIR, "below a slave")
}

fn index_free_once_both_closed(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    drop(pty);
    check!(!fs.has(0), "the node outlived the master");
    check_eq!(
        1,
        Pty::open(&fs)?.index,
        "index while the old slave is open"
    );
    drop(slave);
    check_eq!(
        0,
        Pty::open(&fs)?.index,
        "index after the old slave was closed"
    );
    Ok(())
}

fn opened_at_once(ctx: &Ctx) -> Outcome {
    const EACH: usize = 40;
    let fs = Fs::new(ctx)?;
    let (start, report, go) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let openers = (0..4)
        .map(|_| {
            child(|| {
                start.pass()?;
                for _ in 0..100 {
                    drop(Pty::locked(&fs)?);
                }
                let ptys = (0..EACH)
                    .map(|_| Pty::locked(&fs))
                    .collect::<Result<Vec<_>>>()?;
                ptys.iter()
                    .try_for_each(|pty| report.send(pty.index.into()))?;
                go.pass()
            })
        })
        .collect::<Result<Vec<_>>>()?;
    openers.iter().try_for_each(|_| start.open())?;
    let mut indices = (0..openers.len() * EACH)
        .map(|_| report.receive())
        .collect::<Result<Vec<_>>>()?;
    indices.sort_unstable();
    let duplicate = indices.windows(2).find(|w| w[0] == w[1]);
    check!(duplicate.is_none(), "two ptys have the index {duplicate:?}");
    check_eq!(indices.len() + 1, fs.names()?.len(), "names");
    openers.iter().try_for_each(|_| go.open())?;
    openers.iter().try_for_each(|o| o.succeed())?;
    check_eq!(vec!["ptmx".to_owned()], fs.names()?, "names at the end");
    Ok(())
}
