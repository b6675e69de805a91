// SPDX-License-Identifier: GPL-2.0
//! The kernel module: it stays while it is used.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{umount2, MntFlags};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::counters::{Debugfs, FILES};
use crate::fixture::wait::until;
use crate::fixture::{Fs, Pty};

cases! { "module":
    stays_while_mounted [alone] => "the module cannot be unloaded while an instance is mounted",
    stays_while_used [alone] => "the module cannot be unloaded while a pty of a detached instance is open",
    open_counters_keep_it [alone] => "a file of the counters that is open keeps the module, with and without a mount",
    count_returns [alone] => "the module's use count returns to what it was, also after a hangup",
}

/// delete_module(2), which must not succeed here.
fn unload(ctx: &Ctx) -> nix::Result<()> {
    let name = std::ffi::CString::new(ctx.target.fstype).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the string is NUL terminated and outlives the call.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK)
    })
    .map(drop)
}

fn uses(ctx: &Ctx) -> Result<i64> {
    let path = format!("/sys/module/{}/refcnt", ctx.target.fstype);
    std::fs::read_to_string(&path)
        .with_context(|| path.clone())?
        .trim()
        .parse()
        .context(path)
}

fn stays_while_mounted(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    check_errno(unload(ctx), Errno::EAGAIN, "unload while mounted")?;
    let pty = Pty::open(&fs)?;
    check_errno(unload(ctx), Errno::EAGAIN, "unload while a pty is open")?;
    pty.slave().map(drop)
}

fn stays_while_used(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    umount2(&fs.path, MntFlags::MNT_DETACH).context("detach")?;
    check_errno(unload(ctx), Errno::EAGAIN, "unload with both ends open")?;
    drop(pty);
    check_errno(unload(ctx), Errno::EAGAIN, "unload with a slave open")?;
    check!(uses(ctx)? > 0, "no use is counted");
    check_eq!(
        Ok(Vec::new()),
        crate::fixture::io::read_now(&slave, 1),
        "the slave's read"
    );
    Ok(())
}

fn open_counters_keep_it(ctx: &Ctx) -> Outcome {
    let debugfs = Debugfs::new(ctx)?;
    let before = uses(ctx)?;
    for name in FILES {
        let fs = Fs::new(ctx)?;
        let open = || std::fs::File::open(debugfs.path().join(name)).context("open");
        let mounted = uses(ctx)?;
        let file = open()?;
        check_eq!(mounted + 1, uses(ctx)?, "uses with {name} and a mount");
        let another = open()?;
        check_eq!(mounted + 2, uses(ctx)?, "uses with {name} twice");
        drop(another);
        fs.umount().context("umount")?;
        // To try and unload it would be the end of the kernel where this fails.
        check!(uses(ctx)? > before, "{name}: not counted after umount");
        check_errno(unload(ctx), Errno::EAGAIN, "unload")?;
        check!(
            std::io::read_to_string(&file)?.starts_with("mount "),
            "{name} has no columns"
        );
        drop(file);
        until("the use count to return", || Ok(uses(ctx)? == before))?;
    }
    Ok(())
}

fn count_returns(ctx: &Ctx) -> Outcome {
    let before = uses(ctx)?;
    for round in 0..5 {
        let fs = Fs::new(ctx)?;
        check!(uses(ctx)? > before, "a mount is not counted");
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        if round % 2 == 0 {
            crate::fixture::ioctl::call(&slave, crate::fixture::ioctl::TIOCVHANGUP, 0)
                .context("TIOCVHANGUP")?;
            pty.slave().map(drop)?;
        }
        drop((pty, slave));
        fs.umount().context("umount")?;
        until("the use count to return", || Ok(uses(ctx)? == before))
            .with_context(|| format!("round {round}"))?;
    }
    Ok(())
}
