// SPDX-License-Identifier: GPL-2.0
//! Mounting: both APIs, and every option.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{mount, MsFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check_eq, check_errno};
use crate::fixture::fsctx::{move_mount, FsContext};
use crate::fixture::mount::{open_at, try_mount};
use crate::fixture::process::{become_user, child};
use crate::fixture::{Fs, Pty};

cases! { "mount_options":
    old_api_defaults => "mount(2) without options: mode=600, ptmxmode=000, nothing else shown",
    new_api => "fsopen, fsconfig, fsmount and move_mount make an instance with the options given",
    new_api_defaults => "an instance from fsopen without options has the defaults",
    proc_mounts_line => "/proc/mounts shows source, type and options",
    uid_and_gid => "uid= and gid= are shown and own new slaves",
    uid_zero_is_shown => "uid=0 and gid=0 count as given",
    uid_out_of_range => "uid= and gid= that are no user or group id are EINVAL with the parser's text",
    mode => "mode= is octal, shown, and the mode of new slaves",
    mode_bits_are_masked => "mode= and ptmxmode= keep the lower 12 bits",
    mode_bad_value => "mode= and ptmxmode= that are not octal are EINVAL with the parser's text",
    ptmxmode => "ptmxmode= is octal, shown, and the mode of ptmx",
    max => "max= is shown, decimal, hexadecimal or octal",
    max_of_the_limit_is_not_shown => "max=1048576 is accepted, and not shown, being the default",
    max_out_of_range => "max= beyond 1048576, or negative, is EINVAL with the text \"max out of range\"",
    max_bad_value => "max= that is no number is EINVAL with the parser's text",
    newinstance => "newinstance is accepted and not shown; with a value it is EINVAL",
    unknown_option => "an unknown option is EINVAL with the parser's text",
    missing_value => "an option that wants a value is EINVAL without one",
    last_value_wins => "of an option given twice the last value counts",
    several_options => "options are shown in the order uid, gid, mode, ptmxmode, max",
    unprivileged_mount => "mounting without CAP_SYS_ADMIN is EPERM",
    read_only_mount => "a read-only mount still gives ptys",
    nodev_mount => "on a nodev mount opening ptmx is EACCES",
}

fn root_mode(stat: &nix::sys::stat::FileStat) -> u32 {
    stat.st_mode & 0o7777
}

/// Options that mount(2) gives an instance.
fn shown(ctx: &Ctx, options: &str) -> Result<String> {
    Fs::with(ctx, options)?.options()
}

/// The errno of an option in the new API, and the log that it leaves; mount(2) must give the same errno.
fn refused(ctx: &Ctx, key: &str, value: Option<&str>) -> Result<(Errno, Vec<String>)> {
    let context = FsContext::open(ctx.target.fstype).context("fsopen")?;
    let result = match value {
        Some(value) => context.set(key, value),
        None => context.flag(key),
    };
    let errno = result
        .err()
        .with_context(|| format!("{key}={value:?} was accepted"))?;
    let old = value.map_or(key.to_owned(), |v| format!("{key}={v}"));
    check_errno(
        try_mount(&ctx.target, &ctx.dir("refused")?, &old),
        errno,
        &format!("mount -o {old}"),
    )?;
    Ok((errno, context.log()))
}

/// The parser's own message, with the file system's name before it, as often as it comes.
fn parser_text(ctx: &Ctx, times: usize, text: &str) -> Vec<String> {
    vec![format!("e {}: {text}", ctx.target.fstype); times]
}

fn old_api_defaults(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "")?;
    check_eq!("rw,mode=600,ptmxmode=000", fs.options()?, "options");
    check_eq!(0, root_mode(&fs.stat("ptmx")?), "mode of ptmx");
    let pty = Pty::locked(&fs)?;
    check_eq!(0o600, root_mode(&fs.stat(pty.index)?), "mode of the slave");
    // A null pointer instead of an empty string.
    let other = ctx.dir("null")?;
    mount(
        None::<&str>,
        &other,
        Some(ctx.target.fstype),
        MsFlags::empty(),
        None::<&str>,
    )
    .context("mount without data")?;
    check_eq!(
        "rw,mode=600,ptmxmode=000",
        Fs { path: other }.options()?,
        "options of the mount without data"
    );
    Ok(())
}

fn new_api(ctx: &Ctx) -> Outcome {
    let path = ctx.dir("pts")?;
    let context = FsContext::open(ctx.target.fstype).context("fsopen")?;
    for (key, value) in [
        ("uid", "7"),
        ("gid", "5"),
        ("mode", "620"),
        ("ptmxmode", "666"),
        ("max", "9"),
    ] {
        context.set(key, value).with_context(|| key.to_owned())?;
    }
    context.flag("newinstance").context("newinstance")?;
    context.create().context("create")?;
    let detached = context.mount().context("fsmount")?;
    move_mount(&detached, &path).context("move_mount")?;
    let fs = Fs { path };
    check_eq!(
        "rw,uid=7,gid=5,mode=620,ptmxmode=666,max=9",
        fs.options()?,
        "options"
    );
    check_eq!(Vec::<String>::new(), context.log(), "log");
    Pty::locked(&fs)?;
    Ok(())
}

fn new_api_defaults(ctx: &Ctx) -> Outcome {
    let path = ctx.dir("pts")?;
    let context = FsContext::open(ctx.target.fstype).context("fsopen")?;
    context.create().context("create")?;
    move_mount(&context.mount().context("fsmount")?, &path).context("move_mount")?;
    check_eq!(
        "rw,mode=600,ptmxmode=000",
        Fs { path }.options()?,
        "options"
    );
    Ok(())
}

fn proc_mounts_line(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "gid=5,mode=620,ptmxmode=666")?;
    let want = format!(
        "none {} {} rw,relatime,gid=5,mode=620,ptmxmode=666 0 0",
        fs.path.display(),
        ctx.target.fstype
    );
    check_eq!(want, fs.mounts_line()?, "/proc/self/mounts");
    Ok(())
}

fn uid_and_gid(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "uid=1234,gid=4321")?;
    check_eq!(
        "rw,uid=1234,gid=4321,mode=600,ptmxmode=000",
        fs.options()?,
        "options"
    );
    let pty = Pty::locked(&fs)?;
    let slave = fs.stat(pty.index)?;
    check_eq!(
        (1234, 4321),
        (slave.st_uid, slave.st_gid),
        "owner of the slave"
    );
    let ptmx = fs.stat("ptmx")?;
    check_eq!((0, 0), (ptmx.st_uid, ptmx.st_gid), "owner of ptmx");
    Ok(())
}

fn uid_zero_is_shown(ctx: &Ctx) -> Outcome {
    check_eq!(
        "rw,uid=0,gid=0,mode=600,ptmxmode=000",
        shown(ctx, "uid=0,gid=0")?,
        "options"
    );
    check_eq!(
        "rw,gid=0,mode=600,ptmxmode=000",
        shown(ctx, "gid=0")?,
        "options"
    );
    Ok(())
}

fn uid_out_of_range(ctx: &Ctx) -> Outcome {
    for key in ["uid", "gid"] {
        for value in ["-1", "4294967296", "root", ""] {
            let (errno, log) = refused(ctx, key, Some(value))?;
            check_eq!(Errno::EINVAL, errno, "{key}={value}");
            // Once from the number's parser, and once from the user id's.
            check_eq!(
                parser_text(ctx, 2, &format!("Bad value for '{key}'")),
                log,
                "log of {key}={value}"
            );
        }
        let (errno, log) = refused(ctx, key, Some("4294967295"))?;
        check_eq!(Errno::EINVAL, errno, "{key}=4294967295");
        check_eq!(
            parser_text(ctx, 1, &format!("Invalid {key} '4294967295'")),
            log,
            "log of {key}=4294967295"
        );
    }
    Ok(())
}

fn mode(ctx: &Ctx) -> Outcome {
    for (given, shown, bits) in [
        ("620", "620", 0o620),
        ("0644", "644", 0o644),
        ("0", "000", 0),
        ("7", "007", 0o007),
    ] {
        let fs = Fs::with(ctx, &format!("mode={given}"))?;
        check_eq!(
            format!("rw,mode={shown},ptmxmode=000"),
            fs.options()?,
            "options with mode={given}"
        );
        let pty = Pty::locked(&fs)?;
        check_eq!(
            bits,
            root_mode(&fs.stat(pty.index)?),
            "mode of the slave with mode={given}"
        );
    }
    Ok(())
}

fn mode_bits_are_masked(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "mode=37777777777,ptmxmode=0170777")?;
    check_eq!("rw,mode=7777,ptmxmode=777", fs.options()?, "options");
    let pty = Pty::locked(&fs)?;
    check_eq!(
        libc::S_IFCHR | 0o7777,
        fs.stat(pty.index)?.st_mode,
        "mode of the slave"
    );
    check_eq!(
        libc::S_IFCHR | 0o777,
        fs.stat("ptmx")?.st_mode,
        "mode of ptmx"
    );
    Ok(())
}

fn mode_bad_value(ctx: &Ctx) -> Outcome {
    for key in ["mode", "ptmxmode"] {
        for value in ["8", "rw", "-1", "0x1ff", "", "777777777777"] {
            let (errno, log) = refused(ctx, key, Some(value))?;
            check_eq!(Errno::EINVAL, errno, "{key}={value}");
            check_eq!(
                parser_text(ctx, 1, &format!("Bad value for '{key}'")),
                log,
                "log of {key}={value}"
            );
        }
    }
    Ok(())
}

fn ptmxmode(ctx: &Ctx) -> Outcome {
    for (given, shown, bits) in [
        ("666", "666", 0o666),
        ("0600", "600", 0o600),
        ("1", "001", 1),
    ] {
        let fs = Fs::with(ctx, &format!("ptmxmode={given}"))?;
        check_eq!(
            format!("rw,mode=600,ptmxmode={shown}"),
            fs.options()?,
            "options with ptmxmode={given}"
        );
        check_eq!(
            libc::S_IFCHR | bits,
            fs.stat("ptmx")?.st_mode,
            "mode of ptmx with ptmxmode={given}"
        );
    }
    Ok(())
}

fn max(ctx: &Ctx) -> Outcome {
    for (given, want) in [
        ("3", "3"),
        ("0x10", "16"),
        ("010", "8"),
        ("0", "0"),
        ("1048575", "1048575"),
    ] {
        check_eq!(
            format!("rw,mode=600,ptmxmode=000,max={want}"),
            shown(ctx, &format!("max={given}"))?,
            "options with max={given}"
        );
    }
    Ok(())
}

fn max_of_the_limit_is_not_shown(ctx: &Ctx) -> Outcome {
    check_eq!(
        "rw,mode=600,ptmxmode=000",
        shown(ctx, "max=1048576")?,
        "options"
    );
    Ok(())
}

fn max_out_of_range(ctx: &Ctx) -> Outcome {
    for value in ["1048577", "2147483647", "-1", "-2147483648"] {
        let (errno, log) = refused(ctx, "max", Some(value))?;
        check_eq!(Errno::EINVAL, errno, "max={value}");
        check_eq!(
            vec!["e max out of range".to_owned()],
            log,
            "log of max={value}"
        );
    }
    Ok(())
}

fn max_bad_value(ctx: &Ctx) -> Outcome {
    for value in ["many", "", "2147483648", "-2147483649", "1.5", "4 "] {
        let (errno, log) = refused(ctx, "max", Some(value))?;
        check_eq!(Errno::EINVAL, errno, "max={value:?}");
        check_eq!(
            parser_text(ctx, 1, "Bad value for 'max'"),
            log,
            "log of max={value:?}"
        );
    }
    Ok(())
}

fn newinstance(ctx: &Ctx) -> Outcome {
    check_eq!(
        "rw,mode=600,ptmxmode=000",
        shown(ctx, "newinstance")?,
        "options"
    );
    check_eq!(
        "rw,mode=600,ptmxmode=000,max=4",
        shown(ctx, "newinstance,max=4,newinstance")?,
        "options"
    );
    let (errno, log) = refused(ctx, "newinstance", Some("1"))?;
    check_eq!(Errno::EINVAL, errno, "newinstance=1");
    check_eq!(
        parser_text(ctx, 1, "Unexpected value for 'newinstance'"),
        log,
        "log"
    );
    Ok(())
}

fn unknown_option(ctx: &Ctx) -> Outcome {
    for (key, value) in [
        ("frob", None),
        ("frob", Some("1")),
        ("nonewinstance", None),
        ("MODE", Some("600")),
    ] {
        let (errno, log) = refused(ctx, key, value)?;
        check_eq!(Errno::EINVAL, errno, "{key}");
        check_eq!(
            vec![format!(
                "e {}: Unknown parameter '{key}'",
                ctx.target.fstype
            )],
            log,
            "log"
        );
    }
    Ok(())
}

fn missing_value(ctx: &Ctx) -> Outcome {
    for key in ["uid", "gid", "mode", "ptmxmode", "max"] {
        let (errno, log) = refused(ctx, key, None)?;
        check_eq!(Errno::EINVAL, errno, "{key}");
        let times = if matches!(key, "uid" | "gid") { 2 } else { 1 };
        check_eq!(
            parser_text(ctx, times, &format!("Bad value for '{key}'")),
            log,
            "log of {key}"
        );
    }
    Ok(())
}

fn last_value_wins(ctx: &Ctx) -> Outcome {
    check_eq!(
        "rw,uid=2,mode=640,ptmxmode=444,max=9",
        shown(
            ctx,
            "uid=1,mode=600,max=5,uid=2,ptmxmode=444,mode=640,max=9"
        )?,
        "options"
    );
    Ok(())
}

fn several_options(ctx: &Ctx) -> Outcome {
    let options = shown(ctx, "max=7,ptmxmode=611,mode=622,gid=3,uid=4")?;
    check_eq!(
        "rw,uid=4,gid=3,mode=622,ptmxmode=611,max=7",
        options,
        "options"
    );
    Ok(())
}

fn unprivileged_mount(ctx: &Ctx) -> Outcome {
    let path = ctx.dir("pts")?;
    child(|| {
        become_user(1000)?;
        check_errno(try_mount(&ctx.target, &path, ""), Errno::EPERM, "mount(2)")?;
        check_errno(FsContext::open(ctx.target.fstype), Errno::EPERM, "fsopen")
    })?
    .succeed()
}

fn read_only_mount(ctx: &Ctx) -> Outcome {
    let path = ctx.dir("pts")?;
    mount(
        Some("none"),
        &path,
        Some(ctx.target.fstype),
        MsFlags::MS_RDONLY,
        Some("mode=620"),
    )
    .context("mount")?;
    let fs = Fs { path };
    check_eq!("ro,mode=620,ptmxmode=000", fs.options()?, "options");
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    crate::fixture::io::write_all(&slave, b"x")?;
    crate::fixture::io::expect(&pty.master, b"x")?;
    check_errno(
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &pty.path,
            nix::sys::stat::Mode::S_IRUSR,
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        ),
        Errno::EROFS,
        "chmod",
    )
}

fn nodev_mount(ctx: &Ctx) -> Outcome {
    let path = ctx.dir("pts")?;
    mount(
        Some("none"),
        &path,
        Some(ctx.target.fstype),
        MsFlags::MS_NODEV,
        Some("ptmxmode=666"),
    )
    .context("mount")?;
    check_errno(
        open_at(&path.join("ptmx"), OFlag::O_RDWR),
        Errno::EACCES,
        "open ptmx",
    )
}
