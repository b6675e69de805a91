// SPDX-License-Identifier: GPL-2.0
//! How many ptys there may be: of an instance, and in all.
//!
//! The cases on the limits in all run alone. Where something else on the machine opens or closes a pty meanwhile (of
//! devpts, on a machine in use), they start over.

use std::os::fd::OwnedFd;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;

use super::try_ptmx;
use crate::case::{cases, Ctx, Outcome, Skip};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::pass::{receive_fd, send_fd, sockets};
use crate::fixture::process::{become_user, child, session};
use crate::fixture::wait::until;
use crate::fixture::{Fs, Pty};

cases! { "limits":
    max_option => "with max=2 a third pty is ENOSPC, and closing one makes room",
    max_option_zero => "max=0 means no limit",
    max_option_counts_open_slaves => "a pty whose slave is still open counts against max",
    refused_open_leaves_nothing => "an open refused by max leaves no node and takes no index",
    nr_counts_ptys [alone] => "nr counts the ptys of all instances, and returns to what it was",
    nr_after_refusal [alone] => "an open refused by max or by the global limit does not change nr",
    nr_until_slave_is_closed [alone] => "nr counts a pty until its last slave file is closed",
    global_max [alone] => "the sysctl max, less the reserve, bounds the ptys of instances mounted elsewhere",
    global_max_is_shared [alone] => "all instances share the sysctl max",
    global_max_zero [alone] => "with the sysctl max at 0 every open is ENOSPC, and open ptys go on",
    reserve_bars_other_namespaces [alone] => "a reserve as large as max leaves nothing to instances mounted elsewhere",
    reserve_is_for_initial_namespace [in_caller_ns] => "an instance mounted in the initial mount namespace may use the reserve",
    remount_does_not_grant_reserve [in_caller_ns] => "a remount from the initial mount namespace does not grant the reserve",
    exhaustion_as_user [alone] => "the limits hold for root and others alike",
    nr_after_killed_owner [alone] => "nr returns when the processes that held the ptys are killed",
}

/// Opens ptys until one is refused.
fn open_until_refused(fs: &Fs) -> Result<(Vec<OwnedFd>, Errno)> {
    let mut ptys = Vec::new();
    while ptys.len() < 10_000 {
        match try_ptmx(fs) {
            Ok(fd) => ptys.push(fd),
            Err(e) => return Ok((ptys, e)),
        }
    }
    bail!("10000 ptys, and no end")
}

/// Restores the limits at the end of a case.
struct Saved<'a>(&'a Ctx, i64, i64);

impl<'a> Saved<'a> {
    fn new(ctx: &'a Ctx) -> Result<Self> {
        Ok(Self(ctx, ctx.sysctl("max")?, ctx.sysctl("reserve")?))
    }
}

impl Drop for Saved<'_> {
    fn drop(&mut self) {
        let _ = self.0.set_sysctl("max", self.1);
        let _ = self.0.set_sysctl("reserve", self.2);
    }
}

/// Runs `body` with the number of ptys that there are; again, if others changed it meanwhile.
pub(super) fn undisturbed(ctx: &Ctx, body: impl Fn(i64) -> Outcome) -> Outcome {
    let _saved = Saved::new(ctx)?;
    for _ in 0..5 {
        let before = ctx.sysctl("nr")?;
        let outcome = body(before);
        if outcome.is_ok() {
            return outcome;
        }
        let restored = until("nr to return", || Ok(ctx.sysctl("nr")? == before));
        if restored.is_ok() {
            return outcome;
        }
    }
    bail!("the number of ptys keeps changing")
}

fn max_option(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,max=2")?;
    let (first, _second) = (Pty::locked(&fs)?, Pty::locked(&fs)?);
    check_errno(try_ptmx(&fs), Errno::ENOSPC, "the third")?;
    check_errno(try_ptmx(&fs), Errno::ENOSPC, "the third, again")?;
    drop(first);
    let again = Pty::locked(&fs)?;
    check_eq!(0, again.index, "index of the one that took its place");
    check_errno(try_ptmx(&fs), Errno::ENOSPC, "one more")
}

fn max_option_zero(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "max=0")?;
    let ptys = (0..40)
        .map(|_| Pty::locked(&fs))
        .collect::<Result<Vec<_>>>()?;
    check_eq!(39, ptys[39].index, "index of the last");
    Ok(())
}

fn max_option_counts_open_slaves(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "max=1")?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    drop(pty);
    check_errno(try_ptmx(&fs), Errno::ENOSPC, "while the slave is open")?;
    drop(slave);
    check_eq!(
        0,
        Pty::locked(&fs)?.index,
        "index after the slave was closed"
    );
    Ok(())
}

fn refused_open_leaves_nothing(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "max=1")?;
    let pty = Pty::locked(&fs)?;
    for _ in 0..5 {
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "the second")?;
    }
    check_eq!(
        vec!["0".to_owned(), "ptmx".to_owned()],
        fs.names()?,
        "names"
    );
    drop(pty);
    check_eq!(0, Pty::locked(&fs)?.index, "index");
    fs.umount().context("umount")
}

fn nr_counts_ptys(ctx: &Ctx) -> Outcome {
    undisturbed(ctx, |before| {
        let (one, two) = (Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?);
        let ptys = [Pty::locked(&one)?, Pty::locked(&two)?, Pty::locked(&two)?];
        check_eq!(before + 3, ctx.sysctl("nr")?, "nr with three ptys");
        drop(ptys);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}

fn nr_after_refusal(ctx: &Ctx) -> Outcome {
    undisturbed(ctx, |before| {
        let fs = Fs::with(ctx, "max=1")?;
        let pty = Pty::locked(&fs)?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "by max=")?;
        ctx.set_sysctl("max", 0).context("max")?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "by the sysctl")?;
        check_eq!(before + 1, ctx.sysctl("nr")?, "nr");
        drop(pty);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}

fn nr_until_slave_is_closed(ctx: &Ctx) -> Outcome {
    undisturbed(ctx, |before| {
        let pty = Pty::open(&Fs::new(ctx)?)?;
        let slave = pty.slave()?;
        drop(pty);
        check_eq!(before + 1, ctx.sysctl("nr")?, "nr while the slave is open");
        drop(slave);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}

fn global_max(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    undisturbed(ctx, |before| {
        ctx.set_sysctl("reserve", 7).context("reserve")?;
        ctx.set_sysctl("max", before + 7 + 4).context("max")?;
        let (ptys, errno) = open_until_refused(&fs)?;
        // The count with the new pty must stay below the limit, so that one less than the difference fits.
        check_eq!(
            (3, Errno::ENOSPC),
            (ptys.len(), errno),
            "ptys, and the error"
        );
        check_eq!(before + 3, ctx.sysctl("nr")?, "nr");
        ctx.set_sysctl("max", before + 7 + 5).context("max")?;
        try_ptmx(&fs).context("after max was raised")?;
        drop(ptys);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}

fn global_max_is_shared(ctx: &Ctx) -> Outcome {
    let (one, two) = (Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?);
    undisturbed(ctx, |before| {
        ctx.set_sysctl("reserve", 0).context("reserve")?;
        ctx.set_sysctl("max", before + 3).context("max")?;
        let pty = Pty::locked(&one)?;
        let other = Pty::locked(&two)?;
        check_errno(try_ptmx(&one), Errno::ENOSPC, "a third in the one")?;
        check_errno(try_ptmx(&two), Errno::ENOSPC, "a third in the other")?;
        drop(pty);
        until("room", || Ok(try_ptmx(&two).is_ok()))?;
        drop(other);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}

fn global_max_zero(ctx: &Ctx) -> Outcome {
    let _saved = Saved::new(ctx)?;
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    ctx.set_sysctl("max", 0).context("max")?;
    check_errno(try_ptmx(&fs), Errno::ENOSPC, "open")?;
    let slave = pty.slave()?;
    crate::fixture::io::write_all(&slave, b"x")?;
    crate::fixture::io::expect(&pty.master, b"x")
}

fn reserve_bars_other_namespaces(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    undisturbed(ctx, |before| {
        ctx.set_sysctl("max", before + 100).context("max")?;
        ctx.set_sysctl("reserve", before + 100).context("reserve")?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "reserve = max")?;
        ctx.set_sysctl("reserve", before + 200).context("reserve")?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "reserve > max")?;
        ctx.set_sysctl("reserve", 0).context("reserve")?;
        try_ptmx(&fs).map(drop).context("reserve = 0")
    })
}

/// The inode number of the mount namespace that the system booted with.
const MNT_NS_INIT_INO: &str = "mnt:[4026531832]";

/// Skips a case that needs the mount namespace that the system booted with.
fn need_initial_namespace() -> Outcome {
    if std::fs::read_link("/proc/self/ns/mnt")
        .context("ns/mnt")?
        .as_os_str()
        != MNT_NS_INIT_INO
    {
        bail!(Skip("not started in the initial mount namespace".into()));
    }
    Ok(())
}

fn reserve_is_for_initial_namespace(ctx: &Ctx) -> Outcome {
    need_initial_namespace()?;
    let fs = Fs::new(ctx)?;
    let outcome = undisturbed(ctx, |before| {
        ctx.set_sysctl("reserve", 1000).context("reserve")?;
        ctx.set_sysctl("max", before + 3).context("max")?;
        let (ptys, errno) = open_until_refused(&fs)?;
        check_eq!(
            (2, Errno::ENOSPC),
            (ptys.len(), errno),
            "ptys, and the error"
        );
        drop(ptys);
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    });
    fs.umount().context("umount")?;
    outcome
}

fn remount_does_not_grant_reserve(ctx: &Ctx) -> Outcome {
    need_initial_namespace()?;
    // Mounted in another mount namespace, then remounted from this one through a descriptor of its root.
    let (there, here) = sockets()?;
    let mounter = child(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).context("unshare")?;
        let none = None::<&str>;
        let flags = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
        nix::mount::mount(none, "/", none, flags, none).context("make / private")?;
        let fs = Fs::new(ctx)?;
        let root = crate::fixture::mount::open_at(&fs.path, nix::fcntl::OFlag::O_RDONLY)
            .context("open the root")?;
        send_fd(&there, &root)
    })?;
    let root = receive_fd(&here)?;
    mounter.succeed()?;
    let fs = Fs {
        path: format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&root)).into(),
    };
    let context = crate::fixture::fsctx::FsContext::pick(&fs.path).context("fspick")?;
    context.set("ptmxmode", "666").context("ptmxmode")?;
    context.reconfigure().context("reconfigure")?;
    undisturbed(ctx, |before| {
        ctx.set_sysctl("max", before + 100).context("max")?;
        ctx.set_sysctl("reserve", 1000).context("reserve")?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "open")
    })
}

fn exhaustion_as_user(ctx: &Ctx) -> Outcome {
    let _saved = Saved::new(ctx)?;
    let fs = Fs::with(ctx, "ptmxmode=666")?;
    ctx.set_sysctl("max", 0).context("max")?;
    child(|| {
        become_user(1000)?;
        check_errno(try_ptmx(&fs), Errno::ENOSPC, "open as a user")
    })?
    .succeed()
}

fn nr_after_killed_owner(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    undisturbed(ctx, |before| {
        let ready = crate::fixture::process::Gate::new()?;
        let owner = session(|| {
            let ptys = (0..10)
                .map(|_| Pty::open(&fs))
                .collect::<Result<Vec<_>>>()?;
            let _slaves = ptys
                .iter()
                .map(|p| p.try_slave(nix::fcntl::OFlag::O_RDWR))
                .collect::<Result<Vec<_>, _>>()?;
            ready.open()?;
            loop {
                nix::unistd::pause();
            }
        })?;
        ready.pass()?;
        check_eq!(before + 10, ctx.sysctl("nr")?, "nr");
        owner.signal(nix::sys::signal::Signal::SIGKILL)?;
        owner.killed_by(nix::sys::signal::Signal::SIGKILL)?;
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))?;
        check!(fs.names()? == ["ptmx"], "names: {:?}", fs.names()?);
        Ok(())
    })
}
