// SPDX-License-Identifier: GPL-2.0
//! One process that makes random calls, and what it chooses from.

use std::ffi::CString;
use std::sync::atomic::Ordering::Relaxed;

use nix::errno::Errno;

use crate::calls;
use crate::crew::Plan;
use crate::memory::{Memory, RESERVED_FD};
use crate::shared::Shared;

/// What a descriptor is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The master of a pty.
    Master,
    /// The slave of a pty.
    Slave,
    /// A directory.
    Directory,
    /// An end of a pipe.
    Pipe,
    /// epoll, inotify, fanotify: what descriptors or paths are put into.
    Watch,
    /// Anything else.
    Other,
}

/// Who a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user without privileges.
    User(u32),
    /// The same, as the root of a user namespace, with mounts of its own.
    Namespaced(u32),
    /// The superuser.
    Root,
}

impl Role {
    /// That of worker `id`.
    pub fn of(id: usize) -> Self {
        match id % 8 {
            3 => Self::Root,
            1 => Self::Namespaced(1001),
            5 => Self::Namespaced(1002),
            id => Self::User(1001 + id as u32 / 2 % 2),
        }
    }
}

/// Descriptors that a worker keeps at most.
const DESCRIPTORS: usize = 40;

/// A process that makes random calls.
pub struct Worker {
    pub rng: fastrand::Rng,
    pub memory: Memory,
    pub plan: &'static Plan,
    pub shared: &'static Shared,
    pub role: Role,
    /// A datagram socket that all workers have.
    pub socket: i32,
    pub ring: Option<io_uring::IoUring>,
    pub id: usize,
    fds: Vec<(i32, What)>,
    /// Memory that was taken to bring others into trouble.
    pub hoard: Option<(usize, usize)>,
}

impl Worker {
    /// Begins; `socket` is a pair that all workers share. Needs all privileges.
    pub fn new(plan: &'static Plan, shared: &'static Shared, id: usize, seed: u64) -> Self {
        let reserve = |fd: i32| {
            // SAFETY: a descriptor gets another number.
            unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, RESERVED_FD) }
        };
        let memory = Memory::new();
        Self {
            rng: fastrand::Rng::with_seed(seed),
            memory,
            plan,
            shared,
            role: Role::of(id),
            socket: reserve(plan.sockets[id % 2]),
            ring: None,
            id,
            fds: Vec::new(),
            hoard: None,
        }
    }

    /// Some of everything, so that calls have something to work on.
    pub fn begin(&mut self) {
        for name in [
            "open ptmx",
            "TIOCGPTPEER",
            "pipe",
            "opendir",
            "epoll_create",
            "open ptmx",
            "open slave",
            "io_uring_setup",
        ] {
            if let Some(kind) = calls::names().position(|call| call == name) {
                self.make(kind);
            }
        }
    }

    /// One call, of any kind.
    pub fn step(&mut self) {
        let kind = calls::choose(&mut self.rng);
        self.make(kind);
    }

    fn make(&mut self, kind: usize) {
        self.shared.doing[self.id].store(kind as u32 + 1, Relaxed);
        Errno::clear();
        let ret = calls::run(kind, self);
        let errno = if ret < 0 { Errno::last_raw() } else { 0 };
        self.shared.count(kind, errno);
        if self.rng.u8(..16) == 0 {
            self.memory.refill(&mut self.rng);
        }
    }

    /// Whether `n` times in 100.
    pub fn percent(&mut self, n: u8) -> bool {
        self.rng.u8(..100) < n
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.rng.usize(..list.len())]
    }

    /// Any of these flags together.
    pub fn flags(&mut self, list: &[i32]) -> i32 {
        let n = self.rng.usize(..4);
        (0..n).fold(0, |flags, _| flags | self.of(list))
    }

    /// A length: small, about a page, about what a line discipline holds, more than anything holds, or nonsense.
    pub fn len(&mut self) -> usize {
        match self.rng.u8(..20) {
            0..=9 => self.rng.usize(..80),
            10..=13 => self.rng.usize(..5000),
            14..=17 => self.of(&[
                0, 1, 63, 64, 255, 4095, 4096, 4097, 8192, 65535, 65536, 65537,
            ]),
            18 => self.rng.usize(..128 * 1024),
            _ => self.of(&[usize::MAX, 1 << 31, isize::MAX as usize, (1 << 31) - 4096]),
        }
    }

    /// A place for `len` bytes, or a bad one.
    pub fn place(&mut self, len: usize) -> usize {
        self.memory.any(&mut self.rng, len)
    }

    /// A good place.
    pub fn good(&mut self) -> usize {
        self.memory.good(&mut self.rng)
    }

    /// Takes a new descriptor, if `fd` is one, and returns it.
    pub fn keep(&mut self, fd: i64, what: What) -> i64 {
        if fd >= 0 {
            self.fds.push((fd as i32, what));
            if self.fds.len() > DESCRIPTORS {
                self.close();
            }
        }
        fd
    }

    /// The same, where what it is must be found out.
    pub fn keep_any(&mut self, fd: i64) -> i64 {
        let what = classify(fd as i32);
        self.keep(fd, what)
    }

    /// A descriptor: mostly one of this kind.
    pub fn fd(&mut self, what: What) -> i32 {
        if self.percent(90) {
            let count = self.fds.iter().filter(|fd| fd.1 == what).count();
            if count > 0 {
                let n = self.rng.usize(..count);
                if let Some(fd) = self.fds.iter().filter(|fd| fd.1 == what).nth(n) {
                    return fd.0;
                }
            }
        }
        self.any_fd()
    }

    /// A master or a slave, mostly.
    pub fn tty(&mut self) -> i32 {
        let what = self.of(&[What::Master, What::Slave]);
        self.fd(what)
    }

    /// Any descriptor, or a number that is none.
    pub fn any_fd(&mut self) -> i32 {
        if self.fds.is_empty() || self.percent(2) {
            return self.of(&[-1, libc::AT_FDCWD, 0, 400, i32::MAX]);
        }
        let n = self.rng.usize(..self.fds.len());
        self.fds[n].0
    }

    /// Closes one of the descriptors.
    pub fn close(&mut self) -> i64 {
        let fd = if self.fds.is_empty() {
            -1
        } else {
            let n = self.rng.usize(..self.fds.len());
            self.fds.swap_remove(n).0
        };
        // SAFETY: no object has it but this list.
        unsafe { libc::close(fd).into() }
    }

    /// Forgets what is no longer open in a range of numbers.
    pub fn forget(&mut self, first: i32, last: i32) {
        self.fds.retain(|fd| fd.0 < first || fd.0 > last);
    }

    /// Where a file system of the tested kind is, or may be.
    pub fn mount_point(&mut self) -> String {
        let name = self.of(&["a", "a", "b", "b", "c"]);
        format!("{}/{name}", self.plan.base)
    }

    /// A file in debugfs with lines of all mounts of the tested kind, for who may look there.
    pub fn counters(&mut self) -> CString {
        let path = format!(
            "{}/debug/{}/{}",
            self.plan.base,
            self.plan.fstype.to_string_lossy(),
            self.of(&["mounts", "ptys", "ptys"])
        );
        CString::new(path).unwrap_or_default()
    }

    /// A path in one: the directory, ptmx, a slave, something that is not there.
    pub fn path(&mut self) -> CString {
        let at = self.mount_point();
        let path = match self.rng.u8(..16) {
            0..=1 => at,
            2..=4 => format!("{at}/ptmx"),
            5..=12 => format!("{at}/{}", self.rng.u8(..12)),
            13 => format!("/proc/self/fd/{}", self.any_fd()),
            14 => format!(
                "{at}/{}",
                self.of(&["x", "00", "1048576", "4294967296", "-1", ".", ".."])
            ),
            _ => format!("{}/file", self.plan.base),
        };
        CString::new(path).unwrap_or_default()
    }
}

fn classify(fd: i32) -> What {
    let mut number = 0u32;
    // SAFETY: the structures are what the requests write.
    unsafe {
        let mut termios: libc::termios2 = std::mem::zeroed();
        let mut stat: libc::stat = std::mem::zeroed();
        if libc::ioctl(fd, libc::TIOCGPTN, &mut number) == 0 {
            What::Master
        } else if libc::ioctl(fd, libc::TCGETS2, &mut termios) == 0 {
            What::Slave
        } else if libc::fstat(fd, &mut stat) == 0 {
            match stat.st_mode & libc::S_IFMT {
                libc::S_IFDIR => What::Directory,
                libc::S_IFIFO => What::Pipe,
                libc::S_IFCHR => What::Slave,
                _ => What::Other,
            }
        } else {
            What::Other
        }
    }
}
