// SPDX-License-Identifier: GPL-2.0

//! What all processes have done together, in a page that they share.

use anyhow::{bail, Result};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The numbers. All are of the whole run.
#[repr(C)]
#[derive(Default)]
pub struct Counters {
    /// Told to the processes of a round when they are to end.
    pub stop: AtomicU64,
    /// Ptys made.
    pub ptys: AtomicU64,
    /// Opens that were refused for lack of memory, or by a limit.
    pub refused: AtomicU64,
    /// Hangups: by closing the master, by `TIOCVHANGUP`, by the end of a session.
    pub hangups: AtomicU64,
    /// Bytes that came as they were sent.
    pub bytes: AtomicU64,
    /// Passes over a directory.
    pub passes: AtomicU64,
    /// Processes that the kernel killed for memory.
    pub oom_kills: AtomicU64,
    /// Times that memory was nearly used up.
    pub hogs: AtomicU64,
    /// Times that a processor was taken away and given back.
    pub hotplugs: AtomicU64,
    /// Times that the module was refused to be unloaded, since it was in use.
    pub unloads_refused: AtomicU64,
    /// Times that the module was unloaded and loaded.
    pub reloads: AtomicU64,
    /// The most ptys that there were at once.
    pub peak: AtomicU64,
}

impl Counters {
    /// A page of zeroes that forked processes share.
    pub fn shared() -> Result<&'static Self> {
        // SAFETY: A new anonymous mapping, which stays.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            bail!("mmap: {}", nix::errno::Errno::last());
        }
        // SAFETY: Aligned to a page, large enough, zeroed, and atomics all through.
        Ok(unsafe { &*page.cast() })
    }

    /// Whether the processes of the round are to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Relaxed) != 0
    }

    /// What is told of a run, or of one under way.
    pub fn line(&self) -> String {
        let get = |number: &AtomicU64| number.load(Relaxed);
        format!(
            "{} ptys made, {} refused, {} hangups, {} MB carried, {} passes, {} OOM kills, {} times short of memory, \
             {} hotplugs, {} unloads refused, {} reloads, peak {}",
            get(&self.ptys),
            get(&self.refused),
            get(&self.hangups),
            get(&self.bytes) / 1_000_000,
            get(&self.passes),
            get(&self.oom_kills),
            get(&self.hogs),
            get(&self.hotplugs),
            get(&self.unloads_refused),
            get(&self.reloads),
            get(&self.peak),
        )
    }

    /// What cannot stand still as long as anything works.
    pub fn progress(&self) -> u64 {
        self.ptys.load(Relaxed) + self.passes.load(Relaxed)
    }
}

/// One more.
pub fn count(number: &AtomicU64) {
    number.fetch_add(1, Relaxed);
}
