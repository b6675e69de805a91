// SPDX-License-Identifier: GPL-2.0

//! Ends the program if a round does not end: a wake-up was lost, or bytes were.
//!
//! That is no judgement on how long anything takes; the limit is thousands of times what a round needs.

use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::alarm;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::time::Duration;

/// What is said at the end; the allocation lives as long as the program.
static LAST_WORDS: AtomicPtr<String> = AtomicPtr::new(std::ptr::null_mut());

/// Watches until dropped.
#[must_use]
pub struct Watchdog(());

/// Gives what follows, until the watchdog is dropped, that much time.
pub fn start(limit: Duration, doing: &str) -> Watchdog {
    let seconds = limit.as_secs().clamp(1, u32::MAX.into());
    let words = format!("rdevpts-bench: stuck for {seconds} s: {doing}\n");
    // Leaked, not freed: a handler may be reading the old one. A few hundred lines in all.
    LAST_WORDS.store(Box::into_raw(Box::new(words)), Relaxed);
    alarm::set(seconds as u32);
    Watchdog(())
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        alarm::cancel();
    }
}

/// Makes SIGALRM ours; without that it ends the program without a word.
pub fn install() -> nix::Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(on_alarm),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: The handler does nothing that is not async-signal-safe.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map(drop)
}

extern "C" fn on_alarm(_: libc::c_int) {
    // SAFETY: Null, or a string that is never changed nor freed.
    if let Some(words) = unsafe { LAST_WORDS.load(Relaxed).as_ref() } {
        // SAFETY: The bytes are those of a live string; write(2) and _exit(2) are async-signal-safe.
        unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
    }
    // SAFETY: As above. Children are killed by their parent's death.
    unsafe { libc::_exit(3) }
}
