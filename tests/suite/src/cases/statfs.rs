// SPDX-License-Identifier: GPL-2.0
//! statfs(2).

use anyhow::{Context, Result};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::mount::open_at;
use crate::fixture::{Fs, Pty};

cases! { "statfs":
    of_the_mount_point => "statfs says type 0x1cd1, the page size as block size, names of up to 255 bytes, no blocks",
    of_open_files => "fstatfs on ptmx (opened O_PATH), a master and a slave says the same",
    identity_of_instances => "instances have device numbers and f_fsid of their own",
}

/// fstatfs(2) as the kernel's struct has it.
fn fstatfs(fd: &impl AsFd) -> Result<libc::statfs> {
    // SAFETY: the struct is plain data that the call fills.
    unsafe {
        let mut buf = std::mem::zeroed();
        Errno::result(libc::fstatfs(fd.as_fd().as_raw_fd(), &mut buf)).context("fstatfs")?;
        Ok(buf)
    }
}

fn verify(name: &str, s: &libc::statfs) -> Outcome {
    check_eq!(0x1cd1, s.f_type, "{name}: f_type");
    // SAFETY: no pointers.
    check_eq!(
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) },
        s.f_bsize,
        "{name}: f_bsize"
    );
    check_eq!(255, s.f_namelen, "{name}: f_namelen");
    check_eq!(
        (0, 0, 0, 0, 0),
        (s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree),
        "{name}: counts"
    );
    Ok(())
}

fn of_the_mount_point(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let root = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY).context("open the root")?;
    verify("root", &fstatfs(&root)?)
}

fn of_open_files(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    verify(
        "ptmx",
        &fstatfs(&open_at(&fs.join("ptmx"), OFlag::O_PATH)?)?,
    )?;
    verify("master", &fstatfs(&pty.master)?)?;
    let slave = pty.slave()?;
    verify("slave", &fstatfs(&slave)?)?;
    drop(pty);
    verify("slave without master", &fstatfs(&slave)?)
}

fn identity_of_instances(ctx: &Ctx) -> Outcome {
    let (one, two) = (Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?);
    check!(
        one.stat_root()?.st_dev != two.stat_root()?.st_dev,
        "both have one st_dev"
    );
    let id = |fs: &Fs| -> Result<[u8; 8]> {
        let s = fstatfs(&open_at(&fs.path, OFlag::O_RDONLY)?)?;
        // SAFETY: fsid_t is two ints without padding.
        Ok(unsafe { std::mem::transmute::<libc::fsid_t, [u8; 8]>(s.f_fsid) })
    };
    check!(id(&one)? != id(&two)?, "both have one f_fsid");
    check_eq!(
        one.stat_root()?.st_dev,
        one.stat("ptmx")?.st_dev,
        "st_dev of ptmx"
    );
    Ok(())
}
