// SPDX-License-Identifier: GPL-2.0
//! Which privileges ioctls ask for: those that the kernel asks for on any terminal.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal::SIGHUP;

use super::userns::{as_namespace_root, mounted};
use crate::case::{cases, Ctx, Outcome, Skip};
use crate::check::check_errno;
use crate::fixture::ioctl::{self, TIOCCONS, TIOCEXCL, TIOCSCTTY, TIOCSETD, TIOCSTI, TIOCVHANGUP};
use crate::fixture::process::{become_user, child, session, Gate};
use crate::fixture::{ctty, io, pair, signals, Pty};

cases! { "privileges":
    tiocsti_sysctl [alone] => "TIOCSTI obeys dev.tty.legacy_tiocsti and CAP_SYS_ADMIN",
    ldisc_autoload_sysctl [alone] => "TIOCSETD obeys dev.tty.ldisc_autoload and CAP_SYS_MODULE",
    namespace_root_is_no_admin => "root of a user namespace has no more rights to ioctls than a user",
}

const RW: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY);

/// Sets a switch in /proc/sys until dropped.
struct Switch(PathBuf, String);

impl Switch {
    fn new(name: &str) -> Result<Self> {
        let path = Path::new("/proc/sys/dev/tty").join(name);
        match fs::read_to_string(&path) {
            Ok(value) => Ok(Self(path, value)),
            Err(_) => Err(Skip(format!("this kernel has no {}", path.display())).into()),
        }
    }

    fn set(&self, value: &str) -> Outcome {
        fs::write(&self.0, value).with_context(|| self.0.display().to_string())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = fs::write(&self.0, &self.1);
    }
}

fn sti(fd: &OwnedFd, byte: u8) -> nix::Result<()> {
    ioctl::set(fd, TIOCSTI, byte.into())
}

fn tiocsti_sysctl(ctx: &Ctx) -> Outcome {
    let switch = Switch::new("legacy_tiocsti")?;
    let pty = ctty::open(ctx)?;
    let slave = pty.slave()?;
    for (value, own, others) in [
        ("0", Some(Errno::EIO), Errno::EIO),
        ("1", None, Errno::EPERM),
    ] {
        switch.set(value)?;
        sti(&slave, b'r').context("root, on any terminal")?;
        session(|| {
            signals::ignore(SIGHUP)?;
            become_user(1000)?;
            check_errno(sti(&slave, b'o'), others, "a user, on another's terminal")?;
            let mine = pty.try_slave(OFlag::O_RDWR).context("open")?;
            match own {
                None => sti(&mine, b'u').context("a user, on the controlling terminal"),
                Some(errno) => check_errno(sti(&mine, b'u'), errno, "a user, on its terminal"),
            }?;
            check_errno(
                sti(&pty.master, b'm'),
                own.unwrap_or(Errno::EPERM),
                "a user, on the master",
            )
        })?
        .succeed()?;
    }
    sti(&slave, b'\n').context("root")?;
    io::expect(&slave, b"rru\n")
}

/// A line discipline that nobody has.
const N_MASC: libc::c_int = 8;
const N_NULL: libc::c_int = 27;

fn ldisc_autoload_sysctl(ctx: &Ctx) -> Outcome {
    let switch = Switch::new("ldisc_autoload")?;
    let (pty, slave) = pair(ctx)?;
    for (value, user) in [("0", Errno::EPERM), ("1", Errno::EINVAL)] {
        switch.set(value)?;
        for (name, end) in pty.ends(&slave) {
            let what = format!("on the {name}, ldisc_autoload={value}");
            check_errno(
                ioctl::set(end, TIOCSETD, N_MASC),
                Errno::EINVAL,
                &format!("root {what}"),
            )?;
            child(|| {
                become_user(1000)?;
                check_errno(
                    ioctl::set(end, TIOCSETD, N_MASC),
                    user,
                    &format!("a user {what}"),
                )?;
                // One that is there needs no right.
                ioctl::set(end, TIOCSETD, N_NULL).context("N_NULL")?;
                ioctl::set(end, TIOCSETD, 0).context("N_TTY")
            })?
            .succeed()?;
        }
    }
    Ok(())
}

const TIOCSLCKTRMIOS: ioctl::Request = 0x5457;

fn namespace_root_is_no_admin(ctx: &Ctx) -> Outcome {
    let legacy = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    let tiocsti = if legacy.is_ok_and(|value| value.trim() == "1") {
        Errno::EPERM
    } else {
        Errno::EIO
    };
    as_namespace_root(ctx, |place| {
        let fs = mounted(ctx, place, "ptmxmode=666,mode=666")?;
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        for (name, end) in pty.ends(&slave) {
            check_errno(sti(end, b'x'), tiocsti, &format!("TIOCSTI on the {name}"))?;
            for (what, request) in [
                ("TIOCVHANGUP", TIOCVHANGUP),
                ("TIOCSLCKTRMIOS", TIOCSLCKTRMIOS),
            ] {
                check_errno(
                    ioctl::set(end, request, 0),
                    Errno::EPERM,
                    &format!("{what} on the {name}"),
                )?;
            }
        }
        check_errno(ioctl::call(&slave, TIOCCONS, 0), Errno::EPERM, "TIOCCONS")?;
        let go = Gate::new()?;
        let holder = ctty::holder(&pty, &go)?;
        session(|| {
            let slave = pty.slave()?;
            check_errno(
                ioctl::call(&slave, TIOCSCTTY, 1),
                Errno::EPERM,
                "TIOCSCTTY with 1",
            )
        })?
        .succeed()?;
        ioctl::call(&slave, TIOCEXCL, 0).context("TIOCEXCL")?;
        check_errno(pty.try_slave(RW), Errno::EBUSY, "open after TIOCEXCL")?;
        go.open()?;
        holder.succeed()
    })
}
