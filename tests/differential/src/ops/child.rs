// SPDX-License-Identifier: GPL-2.0
//! Children that an operation makes, and what they say.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU8, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

/// Bytes that a child may say.
const ROOM: usize = 64;

struct Said {
    ret: AtomicI64,
    len: AtomicU32,
    bytes: [AtomicU8; ROOM],
}

/// Memory that a child writes what it has to say to.
pub struct Page(*mut Said);

impl Page {
    /// Maps it; `None` where there is no memory.
    pub fn new() -> Option<Self> {
        // SAFETY: a fresh mapping.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Said>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        (base != libc::MAP_FAILED).then_some(Self(base.cast()))
    }

    fn said(&self) -> &Said {
        // SAFETY: mapped until the drop; zeroes are a valid value, and all fields are atomic.
        unsafe { &*self.0 }
    }

    /// Says it, in the child.
    pub fn put(&self, ret: i64, bytes: &[u8]) {
        let said = self.said();
        for (to, from) in said.bytes.iter().zip(bytes) {
            to.store(*from, Ordering::Relaxed);
        }
        said.ret.store(ret, Ordering::Relaxed);
        let len = u32::try_from(bytes.len().min(ROOM)).unwrap_or(0);
        said.len.store(len, Ordering::Release);
    }

    /// What was said: 0 and nothing where nothing was.
    pub fn get(&self) -> (i64, Vec<u8>) {
        let said = self.said();
        let len = said.len.load(Ordering::Acquire) as usize;
        let bytes = said.bytes[..len].iter();
        (
            said.ret.load(Ordering::Relaxed),
            bytes.map(|byte| byte.load(Ordering::Relaxed)).collect(),
        )
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, with this size; children have mappings of their own.
        unsafe { libc::munmap(self.0.cast(), size_of::<Said>()) };
    }
}

/// Forks a child that shares the table of descriptors, and dies with the caller. `None` where it cannot be had.
pub fn fork(body: impl FnOnce()) -> Option<i32> {
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: no pointers.
    let parent = unsafe { libc::getpid() };
    // SAFETY: without CLONE_VM this is a fork; a process of a world has one thread.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) }).ok()?;
    if pid != 0 {
        return i32::try_from(pid).ok();
    }
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: no pointers.
    if unsafe { libc::getppid() } != parent {
        exit_now(); // The caller was gone before.
    }
    body();
    exit_now();
}

/// Ends the calling child, without the exit handlers of what made it.
pub fn exit_now() -> ! {
    // SAFETY: no pointers.
    unsafe { libc::_exit(0) }
}

/// Waits for a child: 0 and its exit status, 1 and the signal that killed it, 2 and the one that stopped it.
pub fn reap(child: i32, flags: i32) -> Result<(i64, i64), i32> {
    let mut status = 0;
    // SAFETY: writes an int.
    if unsafe { libc::waitpid(child, &mut status, flags) } < 0 {
        return Err(Errno::last_raw());
    }
    Ok(if libc::WIFSTOPPED(status) {
        (2, libc::WSTOPSIG(status).into())
    } else if libc::WIFSIGNALED(status) {
        (1, libc::WTERMSIG(status).into())
    } else {
        (0, libc::WEXITSTATUS(status).into())
    })
}

/// The caller's children: some actors have other actors, for their session.
fn children() -> BTreeSet<i32> {
    let text = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Children from here on, and what they leave behind: none of it outlives the operation.
///
/// Meanwhile SIGIO waits, which comes while the operation lasts in one world, and after it in the other.
pub struct Offspring {
    before: BTreeSet<i32>,
}

impl Offspring {
    /// Makes the caller the parent of what its children leave behind.
    pub fn adopt() -> Self {
        // SAFETY: no pointers.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        let _ = sigio().thread_block();
        Self { before: children() }
    }

    /// Waits for all that are left, which end by themselves.
    pub fn reap(self) {
        while let Some(pid) = children().difference(&self.before).next() {
            while reap(*pid, 0) == Err(libc::EINTR) {}
        }
        let _ = sigio().thread_unblock();
    }
}

fn sigio() -> SigSet {
    SigSet::from(Signal::SIGIO)
}
