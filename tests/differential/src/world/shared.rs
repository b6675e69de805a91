// SPDX-License-Identifier: GPL-2.0
//! Memory that the driver shares with the processes of a world: what goes on where no message can tell.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use anyhow::{Context, Result};

use super::ACTORS;

/// Signals are numbered below this.
const SIGNALS: usize = 65;

/// What an actor is at.
#[derive(Default)]
pub struct ActorState {
    /// Its process id in the world; 0 where it has none.
    pub pid: AtomicI32,
    /// Whether it is what it is to be: in its session, with its priority and its user.
    pub ready: AtomicBool,
    /// The number of the last command that it took.
    pub started: AtomicU32,
    /// The number of the last command that it answered.
    pub done: AtomicU32,
    /// The number of the last command that was seen to block: nobody waits for what its actor sees after it.
    pub blocked: AtomicU32,
    /// How often each signal was caught.
    signals: SignalCounts,
}

struct SignalCounts([AtomicU32; SIGNALS]);

impl Default for SignalCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

/// A page of [`ActorState`]s, and its address in this process.
#[derive(Clone, Copy)]
pub struct Shared(*mut [ActorState; ACTORS]);

impl Shared {
    /// Maps zeroed memory that children share.
    pub fn new() -> Result<Self> {
        // SAFETY: a fresh mapping.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<[ActorState; ACTORS]>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error()).context("mmap");
        }
        Ok(Self(base.cast()))
    }

    /// The state of an actor.
    pub fn actor(&self, slot: usize) -> &ActorState {
        // SAFETY: mapped until `unmap`, which consumes the driver's only copy; zeroes are a valid state, and all
        // fields are atomic.
        unsafe { &(&*self.0)[slot] }
    }

    /// How often each signal was caught.
    pub fn signals(&self, slot: usize) -> [u32; SIGNALS] {
        std::array::from_fn(|n| self.actor(slot).signals.0[n].load(Ordering::Acquire))
    }

    /// Gives the memory back.
    pub fn unmap(self) {
        // SAFETY: mapped in `new`, with this size.
        unsafe { libc::munmap(self.0.cast(), size_of::<[ActorState; ACTORS]>()) };
    }
}

static MINE: AtomicPtr<[ActorState; ACTORS]> = AtomicPtr::new(std::ptr::null_mut());
static SLOT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn caught(signal: libc::c_int) {
    let base = MINE.load(Ordering::Relaxed);
    if !base.is_null() {
        let shared = Shared(base);
        let state = shared.actor(SLOT.load(Ordering::Relaxed));
        if let Some(count) = state.signals.0.get(signal as usize) {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Counts every signal that can be caught; calls that one interrupts give `EINTR`.
pub fn count_signals(shared: Shared, slot: usize) {
    MINE.store(shared.0, Ordering::Relaxed);
    SLOT.store(slot, Ordering::Relaxed);
    for signal in 1..SIGNALS as i32 {
        if [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGABRT,
        ]
        .contains(&signal)
        {
            continue;
        }
        catch(signal);
    }
}

/// Counts a signal that can be caught.
pub fn catch(signal: libc::c_int) -> libc::c_int {
    // SAFETY: the handler uses atomics only.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    }
}
