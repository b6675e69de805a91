// SPDX-License-Identifier: GPL-2.0
//! Changing the options of an instance that is mounted.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::fsctx::FsContext;
use crate::fixture::mount::bind;
use crate::fixture::{Fs, Pty};

cases! { "remount":
    resets_unnamed_options => "a remount resets every option that it does not name to its default",
    sets_named_options => "a remount sets the options that it names",
    through_fspick => "fspick and FSCONFIG_CMD_RECONFIGURE remount too, and reset the rest",
    ptmx_mode_at_once => "a remount changes the mode of ptmx at once, even one that chmod has set",
    existing_slaves_keep_theirs => "a remount changes no slave that exists, only later ones",
    bad_option_changes_nothing => "a remount with a bad option is EINVAL and changes nothing",
    max_below_use => "a max below what is in use keeps the ptys and refuses new ones",
    read_only_and_back => "a remount switches read-only on and off",
    bind_remount_keeps_options => "a remount of a bind mount's flags leaves the options alone",
    other_instance_untouched => "a remount changes one instance only",
}

const SET: &str = "uid=1,gid=2,mode=640,ptmxmode=660,max=5";
const SHOWN: &str = "rw,uid=1,gid=2,mode=640,ptmxmode=660,max=5";
const DEFAULTS: &str = "rw,mode=600,ptmxmode=000";

fn resets_unnamed_options(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, SET)?;
    check_eq!(SHOWN, fs.options()?, "options at first");
    fs.remount("mode=644").context("remount")?;
    check_eq!(
        "rw,mode=644,ptmxmode=000",
        fs.options()?,
        "options after a remount with mode only"
    );
    fs.remount("gid=9").context("remount")?;
    check_eq!(
        "rw,gid=9,mode=600,ptmxmode=000",
        fs.options()?,
        "options after a remount with gid only"
    );
    fs.remount("").context("remount")?;
    check_eq!(DEFAULTS, fs.options()?, "options after an empty remount");
    let pty = Pty::locked(&fs)?;
    let slave = fs.stat(pty.index)?;
    check_eq!(
        (libc::S_IFCHR | 0o600, 0, 0),
        (slave.st_mode, slave.st_uid, slave.st_gid),
        "a slave's mode and owner"
    );
    Ok(())
}

fn sets_named_options(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "")?;
    fs.remount(SET).context("remount")?;
    check_eq!(SHOWN, fs.options()?, "options");
    let pty = Pty::locked(&fs)?;
    let slave = fs.stat(pty.index)?;
    check_eq!(
        (libc::S_IFCHR | 0o640, 1, 2),
        (slave.st_mode, slave.st_uid, slave.st_gid),
        "a slave's mode and owner"
    );
    Ok(())
}

fn through_fspick(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, SET)?;
    let context = FsContext::pick(&fs.path).context("fspick")?;
    context.set("mode", "604").context("mode")?;
    context.reconfigure().context("reconfigure")?;
    check_eq!("rw,mode=604,ptmxmode=000", fs.options()?, "options");
    let context = FsContext::pick(&fs.path).context("fspick")?;
    check_errno(
        context.set("max", "1048577"),
        Errno::EINVAL,
        "max out of range",
    )?;
    check_eq!(vec!["e max out of range".to_owned()], context.log(), "log");
    Ok(())
}

fn ptmx_mode_at_once(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=600")?;
    let mode = || -> anyhow::Result<u32> { Ok(fs.stat("ptmx")?.st_mode & 0o7777) };
    check_eq!(0o600, mode()?, "at first");
    fs.remount("ptmxmode=666").context("remount")?;
    check_eq!(0o666, mode()?, "after a remount");
    fs::set_permissions(fs.join("ptmx"), fs::Permissions::from_mode(0o640)).context("chmod")?;
    check_eq!(0o640, mode()?, "after chmod");
    check_eq!(
        "rw,mode=600,ptmxmode=666",
        fs.options()?,
        "options after chmod"
    );
    fs.remount("ptmxmode=644").context("remount")?;
    check_eq!(0o644, mode()?, "after a remount over chmod");
    fs.remount("").context("remount")?;
    check_eq!(0, mode()?, "after an empty remount");
    Ok(())
}

fn existing_slaves_keep_theirs(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "uid=1,mode=640")?;
    let first = Pty::locked(&fs)?;
    fs.remount("uid=3,mode=604").context("remount")?;
    let second = Pty::locked(&fs)?;
    for (pty, mode, uid) in [(&first, 0o640, 1), (&second, 0o604, 3)] {
        let slave = fs.stat(pty.index)?;
        check_eq!(
            (libc::S_IFCHR | mode, uid),
            (slave.st_mode, slave.st_uid),
            "mode and owner of {}",
            pty.index
        );
    }
    Ok(())
}

fn bad_option_changes_nothing(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, SET)?;
    for options in [
        "mode=644,frob",
        "max=1048577",
        "mode=9",
        "mode=644,uid=-1",
        "newinstance=2",
    ] {
        check_errno(fs.remount(options), Errno::EINVAL, options)?;
        check_eq!(
            SHOWN,
            fs.options()?,
            "options after a refused remount with {options}"
        );
        check_eq!(0o660, fs.stat("ptmx")?.st_mode & 0o7777, "mode of ptmx");
    }
    Ok(())
}

fn max_below_use(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "")?;
    let first = Pty::open(&fs)?;
    let second = Pty::open(&fs)?;
    fs.remount("max=1").context("remount")?;
    check_errno(super::try_ptmx(&fs), Errno::ENOSPC, "a third pty")?;
    first.slave()?;
    second.slave()?;
    drop(second);
    check_errno(super::try_ptmx(&fs), Errno::ENOSPC, "a second pty")?;
    drop(first);
    check_eq!(0, Pty::open(&fs)?.index, "index of the only pty");
    fs.remount("max=3").context("remount")?;
    let all = [Pty::open(&fs)?, Pty::open(&fs)?, Pty::open(&fs)?];
    check_errno(super::try_ptmx(&fs), Errno::ENOSPC, "a fourth pty")?;
    drop(all);
    Ok(())
}

fn read_only_and_back(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "")?;
    let remount = |flags: MsFlags| {
        mount(
            None::<&str>,
            &fs.path,
            None::<&str>,
            MsFlags::MS_REMOUNT | flags,
            Some("mode=620"),
        )
    };
    remount(MsFlags::MS_RDONLY).context("remount read-only")?;
    check_eq!("ro,mode=620,ptmxmode=000", fs.options()?, "options");
    remount(MsFlags::empty()).context("remount read-write")?;
    check_eq!("rw,mode=620,ptmxmode=000", fs.options()?, "options");
    Ok(())
}

fn bind_remount_keeps_options(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, SET)?;
    let copy = ctx.dir("copy")?;
    bind(&fs.path, &copy)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(None::<&str>, &copy, None::<&str>, flags, None::<&str>)
        .context("remount the bind mount")?;
    check_eq!(SHOWN, fs.options()?, "options");
    Ok(())
}

fn other_instance_untouched(ctx: &Ctx) -> Outcome {
    let one = Fs::at(ctx, "one", SET)?;
    let two = Fs::at(ctx, "two", SET)?;
    one.remount("").context("remount")?;
    check_eq!(DEFAULTS, one.options()?, "options of the one");
    check_eq!(SHOWN, two.options()?, "options of the other");
    check_eq!(
        0o660,
        two.stat("ptmx")?.st_mode & 0o7777,
        "mode of the other's ptmx"
    );
    Ok(())
}
