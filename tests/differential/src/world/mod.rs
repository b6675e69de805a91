// SPDX-License-Identifier: GPL-2.0
//! A world: processes in namespaces of their own that have one of the two file systems mounted.
//!
//! Paths and process ids are the same in both worlds, so that what calls return can be compared as it is.

mod actor;
mod proto;
mod shared;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::Permissions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::socket::{setsockopt, socketpair, sockopt, AddressFamily, SockFlag, SockType};
use nix::sys::stat::{makedev, mknod, Mode, SFlag};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::ops::Op;
use crate::outcome::Outcome;
use actor::Inside;
use proto::{receive, send, Command, Reply, Request};
pub use proto::{Look, Observation};
pub use shared::{catch, Shared};

/// Actors in a world; the last has no privileges.
pub const ACTORS: usize = 5;
/// Mount points in a world; some have a file system on them from the beginning.
pub const MOUNTS: usize = 3;
/// What is mounted on them at first.
const AT_FIRST: [&str; 2] = ["ptmxmode=0666", "gid=5,mode=620,ptmxmode=666"];
/// The worlds' own sockets are above all descriptors of the cases.
const SOCKETS: RawFd = 900;

/// The controlling terminal's node. Not that in /dev: locks belong to the inode, and both worlds would share it.
pub const DEV_TTY: &str = "/tmp/tty";

/// A mount point.
pub fn mount_point(n: usize) -> String {
    format!("/tmp/m{n}")
}

/// A file system, and what programs would ask the kernel about it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub fstype: String,
    /// The major number of its masters.
    pub master_major: u32,
    /// Its count of ptys.
    pub count: String,
}

impl Target {
    /// Looks the file system up.
    pub fn new(fstype: &str) -> Result<Self> {
        let known = std::fs::read_to_string("/proc/filesystems").context("/proc/filesystems")?;
        if !known
            .lines()
            .any(|line| line.split_whitespace().last() == Some(fstype))
        {
            bail!("this kernel has no file system {fstype}");
        }
        let (master, sysctl) = match fstype {
            "devpts" => ("pty_master", "pty"),
            _ => ("rdevpts_master", "rdevpts"),
        };
        let drivers = std::fs::read_to_string("/proc/tty/drivers").context("/proc/tty/drivers")?;
        let major = |name: &str| {
            let line = drivers
                .lines()
                .find(|line| line.split_whitespace().next() == Some(name));
            line.and_then(|line| line.split_whitespace().nth(2)?.parse().ok())
                .with_context(|| format!("{name} in /proc/tty/drivers"))
        };
        Ok(Self {
            fstype: fstype.to_owned(),
            master_major: major(master)?,
            count: format!("/proc/sys/kernel/{sysctl}/nr"),
        })
    }

    /// How many ptys there are.
    pub fn ptys(&self) -> Result<u32> {
        let text = std::fs::read_to_string(&self.count).with_context(|| self.count.clone())?;
        text.trim().parse().context("not a number")
    }
}

/// The driver's side of a world.
pub struct World {
    /// The file system.
    pub target: Target,
    pid: Pid,
    sockets: Vec<OwnedFd>,
    shared: Shared,
    number: [u32; ACTORS],
    buf: Vec<u8>,
}

/// Sets this process's scheduling policy.
///
/// All is on one processor, and the policies decide what runs. The actors are real-time: each runs until it blocks or is done,
/// so that the order of events does not depend on the speed of the machine. Kernel threads come next ([`Workers`]). The driver
/// and the first processes are idle tasks: they run when all else has nothing left to do, which is when a step is over.
pub fn schedule(policy: libc::c_int) -> Result<()> {
    set_policy(0, policy, 2)
}

/// Gives this process the priority of the [`Workers`], until the next [`schedule`].
pub fn lower() -> Result<()> {
    set_policy(0, libc::SCHED_FIFO, 1)
}

fn set_policy(pid: libc::pid_t, policy: libc::c_int, real_time: libc::c_int) -> Result<()> {
    let param = libc::sched_param {
        sched_priority: if policy == libc::SCHED_FIFO {
            real_time
        } else {
            0
        },
    };
    // SAFETY: a plain value.
    Errno::result(unsafe { libc::sched_setscheduler(pid, policy, &param) })
        .context("sched_setscheduler")?;
    Ok(())
}

/// The kernel threads that carry data from one end to the other.
///
/// Made real-time, below the actors, they do not preempt each other: what one drops (the echo of an interrupt character drops
/// output) then does not depend on how far another had come, that is on a tick of the clock.
#[derive(Default)]
pub struct Workers(BTreeSet<libc::pid_t>);

impl Workers {
    /// Makes those real-time that have come up since the last call.
    pub fn raise(&mut self) -> Result<()> {
        // Of this time alone: the number of a process that has gone is given to another one day.
        let seen = std::mem::take(&mut self.0);
        for entry in std::fs::read_dir("/proc").context("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            self.0.insert(pid);
            if seen.contains(&pid) {
                continue;
            }
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.starts_with("kworker/u") {
                // It may be gone by now.
                let _ = set_policy(pid, libc::SCHED_FIFO, 1);
            }
        }
        Ok(())
    }
}

impl World {
    /// Makes a world with all its actors.
    pub fn new(target: &Target) -> Result<Self> {
        let shared = Shared::new()?;
        let (mut sockets, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..=ACTORS {
            let (a, b) = socketpair(
                AddressFamily::Unix,
                SockType::SeqPacket,
                None,
                SockFlag::SOCK_CLOEXEC,
            )
            .context("socketpair")?;
            for socket in [&a, &b] {
                setsockopt(socket, sockopt::SndBufForce, &(4 * proto::LONGEST))
                    .context("SO_SNDBUFFORCE")?;
            }
            sockets.push(a);
            theirs.push(b);
        }
        let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::SIGCHLD;
        // SAFETY: without CLONE_VM this is a fork; the driver has one thread.
        let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
            .context("clone")?;
        if pid == 0 {
            if let Err(e) = inside(target, shared, theirs) {
                eprintln!("first process of {}: {e:#}", target.fstype);
            }
            // SAFETY: ends this process, without the parent's exit handlers.
            unsafe { libc::_exit(1) }
        }
        let mut world = Self {
            target: target.clone(),
            pid: Pid::from_raw(i32::try_from(pid)?),
            sockets,
            shared,
            number: [0; ACTORS],
            buf: vec![0; proto::LONGEST],
        };
        drop(theirs);
        world.answer()?;
        Ok(world)
    }

    fn ask(&mut self, request: &Request) -> Result<Observation> {
        send(self.sockets[ACTORS].as_raw_fd(), request)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Observation> {
        receive(self.sockets[ACTORS].as_raw_fd(), &mut self.buf, true)
            .with_context(|| format!("first process of {}", self.target.fstype))?
            .context("no answer")
    }

    /// Makes the world as it was at first.
    pub fn reset(&mut self) -> Result<()> {
        self.ask(&Request::Reset)?;
        for slot in 0..ACTORS {
            // What an actor said and nobody heard.
            let socket = self.sockets[slot].as_raw_fd();
            while receive::<Reply>(socket, &mut self.buf, false)?.is_some() {}
        }
        Ok(())
    }

    /// Sends an operation to an actor.
    pub fn start(&mut self, slot: usize, op: &Op, look: &Look) -> Result<()> {
        self.number[slot] += 1;
        let command = Command {
            number: self.number[slot],
            op: op.clone(),
            look: look.clone(),
        };
        send(self.sockets[slot].as_raw_fd(), &command)
    }

    /// The outcome of an actor's operation, if it is there, and what the actor saw after it.
    pub fn outcome(&mut self, slot: usize) -> Result<Option<(Outcome, Observation)>> {
        let reply: Option<Reply> = receive(self.sockets[slot].as_raw_fd(), &mut self.buf, false)?;
        Ok(reply.map(|reply| (reply.outcome, reply.seen)))
    }

    /// Notes that an actor's operation blocks.
    pub fn blocks(&mut self, slot: usize) {
        self.shared
            .actor(slot)
            .blocked
            .store(self.number[slot], Ordering::Release);
    }

    /// The actor's socket, which is ready when there is an outcome.
    pub fn socket(&self, slot: usize) -> BorrowedFd<'_> {
        self.sockets[slot].as_fd()
    }

    /// Whether an actor has taken its operation and not finished.
    pub fn under_way(&self, slot: usize) -> bool {
        let state = self.shared.actor(slot);
        let number = self.number[slot];
        state.started.load(Ordering::Acquire) == number
            && state.done.load(Ordering::Acquire) != number
    }

    /// Looks at descriptors and busy actors.
    pub fn observe(&mut self, look: &Look) -> Result<Observation> {
        self.ask(&Request::Observe(look.clone()))
    }

    /// Interrupts an actor with a signal.
    pub fn interrupt(&mut self, slot: usize) -> Result<()> {
        self.ask(&Request::Interrupt(u8::try_from(slot)?)).map(drop)
    }

    /// How often an actor caught each signal, from the beginning.
    pub fn signals(&self, slot: usize) -> [u32; 65] {
        self.shared.signals(slot)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
        self.shared.unmap();
    }
}

/// Gives the world a /tmp of its own, or a new one, with the mount points in it and what is mounted there at first.
fn mount_all(target: &Target, again: bool) -> Result<()> {
    std::env::set_current_dir("/").context("/")?;
    if again {
        umount2("/tmp", MntFlags::MNT_DETACH).context("umount /tmp")?;
    }
    let empty = MsFlags::empty();
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), empty, None::<&str>).context("mount /tmp")?;
    mknod(DEV_TTY, SFlag::S_IFCHR, Mode::empty(), makedev(5, 0)).context("mknod")?;
    std::fs::set_permissions(DEV_TTY, Permissions::from_mode(0o666)).context("chmod")?;
    for n in 0..MOUNTS {
        let point = mount_point(n);
        std::fs::create_dir(&point).with_context(|| point.clone())?;
        if let Some(options) = AT_FIRST.get(n) {
            let fstype = target.fstype.as_str();
            mount(
                Some("none"),
                point.as_str(),
                Some(fstype),
                empty,
                Some(*options),
            )
            .with_context(|| format!("mount -t {fstype} -o {options}"))?;
        }
    }
    std::env::set_current_dir("/tmp").context("/tmp")
}

/// Sets the first process up and runs it.
fn inside(target: &Target, shared: Shared, sockets: Vec<OwnedFd>) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let mut high = [0; ACTORS + 1];
    for (n, socket) in sockets.into_iter().enumerate() {
        high[n] = SOCKETS + RawFd::try_from(n)?;
        // SAFETY: nothing has these numbers open.
        Errno::result(unsafe { libc::dup3(socket.into_raw_fd(), high[n], libc::O_CLOEXEC) })
            .context("dup3")?;
    }
    // SAFETY: what is closed belongs to the driver's copy of this process; standard error stays.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        libc::dup2(null, 0);
        libc::dup2(null, 1);
        libc::close_range(3, SOCKETS as u32 - 1, 0);
        libc::close_range(SOCKETS as u32 + high.len() as u32, !0, 0);
        libc::umask(0o022);
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("make / private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("mount /proc")?;
    mount_all(target, false)?;
    // SAFETY: a plain value.
    unsafe { libc::prctl(libc::PR_SET_NAME, CString::from(c"first").as_ptr()) };
    Inside {
        target,
        shared,
        sockets: high,
    }
    .first()
}

/// Keeps this process and its children on one processor, so that their priorities decide what runs.
pub fn settle_on_one_cpu() -> Result<()> {
    let me = Pid::from_raw(0);
    let may = nix::sched::sched_getaffinity(me).context("sched_getaffinity")?;
    let mut one = nix::sched::CpuSet::new();
    let first = (0..nix::sched::CpuSet::count()).find(|cpu| may.is_set(*cpu).unwrap_or(false));
    one.set(first.context("no processor")?).context("CpuSet")?;
    nix::sched::sched_setaffinity(me, &one).context("sched_setaffinity")
}
