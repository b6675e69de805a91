// SPDX-License-Identifier: GPL-2.0
//! What all processes of the fuzzer see: which calls were made, and how they ended.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

use anyhow::{ensure, Result};
use nix::errno::Errno;

use crate::calls;

/// Kinds of calls there may be.
pub const KINDS: usize = 128;
/// Workers there may be.
pub const WORKERS: usize = 64;
/// `MAX_ERRNO` is more, but user space sees none above this.
const ERRNOS: usize = 134;

/// One for all processes; zeroes at first.
pub struct Shared {
    counts: [[AtomicU64; ERRNOS]; KINDS],
    /// The process of each worker, as the workers see it.
    pub pids: [AtomicI32; WORKERS],
    /// What each worker is doing, or did last: a kind, plus 1.
    pub doing: [AtomicU32; WORKERS],
    /// How many processes were made in place of workers that were killed or gave up.
    pub replaced: AtomicU64,
    /// How many faults were stalled.
    pub stalls: AtomicU64,
}

impl Shared {
    /// In memory that processes forked later share.
    pub fn new() -> Result<&'static Self> {
        // SAFETY: a new mapping, which is never unmapped, and zeroes are a valid value of every field.
        unsafe {
            let memory = libc::mmap(
                std::ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            ensure!(memory != libc::MAP_FAILED, "mmap: {}", Errno::last());
            Ok(&*memory.cast())
        }
    }

    /// A call of this kind ended with this, 0 where it succeeded.
    pub fn count(&self, kind: usize, errno: i32) {
        let errno = usize::try_from(errno).unwrap_or(0).min(ERRNOS - 1);
        self.counts[kind][errno].fetch_add(1, Relaxed);
    }

    /// How many calls of this kind there were, if none succeeded.
    pub fn in_vain(&self, kind: usize) -> u64 {
        match self.counts[kind][0].load(Relaxed) {
            0 => self.counts[kind].iter().map(|n| n.load(Relaxed)).sum(),
            _ => 0,
        }
    }

    /// All calls, and those of them that succeeded.
    pub fn totals(&self) -> (u64, u64) {
        let all = self.counts.iter().flatten().map(|n| n.load(Relaxed)).sum();
        let good = self.counts.iter().map(|kind| kind[0].load(Relaxed)).sum();
        (all, good)
    }

    /// A line for each kind: how many, and how they ended, the most frequent first.
    pub fn table(&self) -> Vec<String> {
        let line = |(kind, name): (usize, &str)| {
            let counts = &self.counts[kind];
            let mut ends: Vec<(u64, usize)> = counts
                .iter()
                .enumerate()
                .map(|(errno, n)| (n.load(Relaxed), errno))
                .filter(|(n, _)| *n > 0)
                .collect();
            ends.sort_unstable_by(|a, b| b.cmp(a));
            let all: u64 = ends.iter().map(|(n, _)| n).sum();
            let shown: Vec<String> = ends
                .iter()
                .map(|&(n, errno)| match errno {
                    0 => format!("{n} ok"),
                    errno => format!("{n} {:?}", Errno::from_raw(errno as i32)),
                })
                .collect();
            format!("{name:<22} {all:>9}: {}", shown.join(", "))
        };
        calls::names().enumerate().map(line).collect()
    }

    /// What worker `id` is doing, or did last.
    pub fn doing(&self, id: usize) -> &'static str {
        let kind = self.doing[id].load(Relaxed) as usize;
        kind.checked_sub(1)
            .and_then(|kind| calls::names().nth(kind))
            .unwrap_or("nothing")
    }
}
