// SPDX-License-Identifier: GPL-2.0
//! Instances: they come, change and go.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::Master;
use crate::world::World;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("mount", plain),
    Operation::new("mount with options", with_options),
    Operation::new("remount", remount),
    Operation::new("remount with a pty open", remount_in_use),
    Operation::new("fsopen", fsopen),
    Operation::new("fsconfig of an option", fsconfig_option),
    Operation::new("fsconfig that creates", fsconfig_create),
    Operation::new("fsmount", fsmount),
    Operation::new("fspick", fspick),
    Operation::new("read of mountinfo", mountinfo),
    Operation::new("statfs", statfs),
    Operation::new("umount", umount),
];

const OPTIONS: &str = "uid=1,gid=5,mode=620,ptmxmode=666,max=100,newinstance";

fn plain(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    attempt.call(|| world.try_mount(""))?;
    world.mounted().umount()
}

fn with_options(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    attempt.call(|| world.try_mount(OPTIONS))?;
    let mounted = world.mounted();
    drop(Master::open(world)?);
    mounted.umount()
}

/// What mount(8) shows of the instance.
fn options(world: &World) -> Result<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let point = world.point.to_string_lossy();
    mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some(&*point))
        .map(str::to_owned)
        .context("not mounted")
}

fn reconfigure(world: &World, options: &str) -> nix::Result<()> {
    mount(
        None::<&str>,
        &world.point,
        None::<&str>,
        MsFlags::MS_REMOUNT,
        Some(options),
    )
}

fn remount(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let before = options(world)?;
    if attempt
        .once(|| reconfigure(world, "mode=600,max=7"))?
        .is_err()
    {
        let after = options(world)?;
        if after != before {
            bail!("the options were {before}, and are {after}");
        }
        reconfigure(world, "mode=600,max=7").context("the same again")?;
    }
    if !options(world)?.contains("mode=600,ptmxmode=000,max=7") {
        bail!("the options are {}", options(world)?);
    }
    mounted.umount()
}

fn remount_in_use(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    let slave = master.open_slave()?;
    attempt.call(|| reconfigure(world, OPTIONS))?;
    drop((master, slave));
    mounted.umount()
}

/// The descriptor that a system call returned.
fn owned(ret: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = RawFd::try_from(Errno::result(ret)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn context(world: &World) -> nix::Result<OwnedFd> {
    let name = if world.ours { c"rdevpts" } else { c"devpts" };
    // SAFETY: the string is NUL terminated and outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), libc::FSOPEN_CLOEXEC) })
}

fn config(
    context: &OwnedFd,
    command: libc::c_uint,
    key: Option<&CStr>,
    value: Option<&CStr>,
) -> nix::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the strings are NUL terminated or absent, and outlive the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(key),
            pointer(value),
            0,
        )
    };
    Errno::result(ret).map(drop)
}

const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

fn fsopen(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    attempt.call(|| context(world)).map(drop)
}

fn fsconfig_option(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let context = context(world)?;
    attempt.call(|| config(&context, FSCONFIG_SET_STRING, Some(c"mode"), Some(c"600")))
}

/// A context whose making failed is of no more use: the next try is with another.
fn fsconfig_create(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let make = |context: &OwnedFd| config(context, FSCONFIG_CMD_CREATE, None, None);
    let first = context(world)?;
    if attempt.once(|| make(&first))?.is_err() {
        make(&context(world)?).context("the same again")?;
    }
    Ok(())
}

/// As above.
fn fsmount(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let created = || -> Result<OwnedFd> {
        let context = context(world)?;
        config(&context, FSCONFIG_CMD_CREATE, None, None)?;
        Ok(context)
    };
    let mount = |context: &OwnedFd| {
        // SAFETY: no pointers.
        owned(unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                context.as_raw_fd(),
                libc::FSMOUNT_CLOEXEC,
                0,
            )
        })
    };
    let first = created()?;
    if attempt.once(|| mount(&first))?.is_err() {
        mount(&created()?).context("the same again")?;
    }
    Ok(())
}

fn fspick(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let path = std::ffi::CString::new(world.point.to_string_lossy().as_bytes())?;
    let context = attempt.call(|| {
        // SAFETY: the string is NUL terminated and outlives the call.
        owned(unsafe {
            libc::syscall(
                libc::SYS_fspick,
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::FSPICK_CLOEXEC,
            )
        })
    })?;
    drop(context);
    mounted.umount()
}

fn mountinfo(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let file = std::fs::File::open("/proc/self/mountinfo")?;
    let mut text = vec![0; 16384];
    attempt.call(|| nix::unistd::read(&file, &mut text))?;
    drop(file);
    mounted.umount()
}

fn statfs(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    attempt.call(|| nix::sys::statfs::statfs(&world.point))?;
    mounted.umount()
}

fn umount(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    world.try_mount("ptmxmode=666")?;
    drop(Master::open(world)?);
    attempt.call(|| world.try_umount())
}
