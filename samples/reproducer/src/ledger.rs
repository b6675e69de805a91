// SPDX-License-Identifier: GPL-2.0

//! What is known about the lifetime of each pty that this program opens.
//!
//! One clock, a counter that every stamp advances, orders all events of all threads. A stamp taken *before* a system call is
//! not later than its effect, one taken *after* it returned is not earlier, so for each pty
//!
//! ```text
//!     before_open    after_open        before_close    after_close
//!         |  maybe       |  certainly there  |  maybe       |
//! ```
//!
//! and nothing is assumed about the two stretches between. Checks compare a pass over the directory, which has a first and a
//! last stamp of its own, with these four.
//!
//! A log belongs to one thread that opens ptys; it is locked by that thread for a moment around each event, and by readers
//! when they judge a pass. An event is always in the log before the system call that it announces is made, so a reader
//! that finds a pty's log without `before_close` knows that nothing it has read so far can have seen the close.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A point in the order of events. Later events have larger stamps.
pub type Stamp = u64;

/// One pty, from its opening to the close of its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The pty's index, which is its name in the directory.
    pub index: u32,
    /// Taken before `ptmx` was opened.
    pub before_open: Stamp,
    /// Taken after the open had returned.
    pub after_open: Stamp,
    /// Taken before the master was closed.
    pub before_close: Option<Stamp>,
    /// Taken after the close had returned.
    pub after_close: Option<Stamp>,
}

impl Life {
    /// Whether the pty was certainly there from before `begin` to after `end`.
    pub fn covers(&self, begin: Stamp, end: Stamp) -> bool {
        self.after_open < begin && self.before_close.is_none_or(|closing| closing > end)
    }

    /// Whether the pty can have been there at any moment between `begin` and `end`.
    pub fn may_overlap(&self, begin: Stamp, end: Stamp) -> bool {
        self.before_open < end && self.after_close.is_none_or(|closed| closed > begin)
    }
}

/// Which pty of a log is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeId(u64);

#[derive(Default)]
struct Log {
    opening: Option<Stamp>,
    next_id: u64,
    lives: Vec<(LifeId, Life)>,
}

/// All logs, the clock, and where each reader's pass began.
pub struct Ledger {
    clock: AtomicU64,
    logs: Box<[Mutex<Log>]>,
    passes: Box<[AtomicU64]>,
    known: Mutex<HashSet<u32>>,
}

/// A reader that is not in a pass.
const IDLE: Stamp = Stamp::MAX;

/// Logs are tidied when they have grown to this many ptys.
const TIDY_AT: usize = 64;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A ledger for that many threads that open ptys and that many that read the directory.
    pub fn new(logs: usize, readers: usize) -> Self {
        Ledger {
            clock: AtomicU64::new(1),
            logs: (0..logs).map(|_| Mutex::default()).collect(),
            passes: (0..readers).map(|_| AtomicU64::new(IDLE)).collect(),
            known: Mutex::default(),
        }
    }

    /// The stamp of an event that happens now.
    pub fn tick(&self) -> Stamp {
        self.clock.fetch_add(1, SeqCst)
    }

    /// Says that `log` is about to open `ptmx`.
    pub fn before_open(&self, log: usize) {
        let mut log = lock(&self.logs[log]);
        log.opening = Some(self.tick());
    }

    /// Says that the open failed, or gave something that has no known index.
    pub fn no_pty(&self, log: usize) {
        lock(&self.logs[log]).opening = None;
    }

    /// Says that the open gave the pty `index`.
    ///
    /// Also returns whether another pty of this program, certainly open at this moment, has the same index.
    pub fn opened(&self, log: usize, index: u32) -> (LifeId, bool) {
        lock(&self.known).insert(index);
        let id = {
            let mut log = lock(&self.logs[log]);
            let after_open = self.tick();
            let id = LifeId(log.next_id);
            log.next_id += 1;
            let before_open = log.opening.take().unwrap_or(after_open);
            let life = Life {
                index,
                before_open,
                after_open,
                before_close: None,
                after_close: None,
            };
            log.lives.push((id, life));
            id
        };
        // Every log that has the index with no close announced is of a pty that is open now, as ours is. Of two that
        // were opened at once, the one that looks last sees the other.
        let taken = self.logs.iter().enumerate().any(|(other, mutex)| {
            lock(mutex).lives.iter().any(|(known, life)| {
                life.index == index && life.before_close.is_none() && (other != log || *known != id)
            })
        });
        (id, taken)
    }

    /// Says that `log` is about to close its pty `id`.
    pub fn before_close(&self, log: usize, id: LifeId) {
        let mut log = lock(&self.logs[log]);
        let stamp = self.tick();
        if let Some(life) = log.find(id) {
            life.before_close = Some(stamp);
        }
    }

    /// Says that the close of `id` has returned.
    pub fn closed(&self, log: usize, id: LifeId) {
        let horizon = self.horizon();
        let mut log = lock(&self.logs[log]);
        let stamp = self.tick();
        if let Some(life) = log.find(id) {
            life.after_close = Some(stamp);
        }
        if log.lives.len() >= TIDY_AT {
            log.lives
                .retain(|(_, life)| life.after_close.is_none_or(|closed| closed >= horizon));
        }
    }

    /// Nothing that ended before this stamp can matter to a pass that is running or will begin.
    ///
    /// The clock is read first: a pass that begins after its reader's mark was found idle gets a later stamp.
    fn horizon(&self) -> Stamp {
        let now = self.clock.load(SeqCst);
        self.passes
            .iter()
            .fold(now, |min, pass| min.min(pass.load(SeqCst)))
    }

    /// Begins a pass of `reader` and returns its first stamp.
    pub fn begin_pass(&self, reader: usize) -> Stamp {
        // The mark comes first, and is no later than the stamp, so that what the pass needs is not tidied away.
        self.passes[reader].store(self.clock.load(SeqCst), SeqCst);
        self.tick()
    }

    /// Ends the pass of `reader`: it asks for no more lives.
    pub fn end_pass(&self, reader: usize) {
        self.passes[reader].store(IDLE, SeqCst);
    }

    /// All ptys known so far that can have been there between `begin` and `end`.
    pub fn lives(&self, begin: Stamp, end: Stamp) -> Vec<Life> {
        let mut lives = Vec::new();
        for log in &self.logs {
            let log = lock(log);
            lives.extend(
                log.lives
                    .iter()
                    .map(|(_, life)| *life)
                    .filter(|life| life.may_overlap(begin, end)),
            );
        }
        lives
    }

    /// Whether every open that began before `end` has been recorded, so that [`Ledger::lives`] knows of them all.
    pub fn is_settled(&self, end: Stamp) -> bool {
        self.logs
            .iter()
            .all(|log| lock(log).opening.is_none_or(|opening| opening > end))
    }

    /// Whether a pty of this program ever had that index.
    pub fn was_ours(&self, index: u32) -> bool {
        lock(&self.known).contains(&index)
    }
}

impl Log {
    fn find(&mut self, id: LifeId) -> Option<&mut Life> {
        self.lives
            .iter_mut()
            .rev()
            .find_map(|(known, life)| (*known == id).then_some(life))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_between_open_and_close_is_covered() {
        let ledger = Ledger::new(1, 1);
        ledger.before_open(0);
        let (id, taken) = ledger.opened(0, 7);
        assert!(!taken);
        let begin = ledger.begin_pass(0);
        let end = ledger.tick();
        assert!(ledger.lives(begin, end)[0].covers(begin, end));
        ledger.before_close(0, id);
        ledger.closed(0, id);
        assert!(ledger.lives(begin, end)[0].covers(begin, end));
    }

    #[test]
    fn a_close_that_began_within_the_pass_uncovers_it() {
        let ledger = Ledger::new(1, 1);
        ledger.before_open(0);
        let (id, _) = ledger.opened(0, 7);
        let begin = ledger.begin_pass(0);
        ledger.before_close(0, id);
        let end = ledger.tick();
        let life = ledger.lives(begin, end)[0];
        assert!(!life.covers(begin, end));
        assert!(life.may_overlap(begin, end));
    }

    #[test]
    fn an_open_that_returned_within_the_pass_may_overlap_but_does_not_cover() {
        let ledger = Ledger::new(1, 1);
        ledger.before_open(0);
        let begin = ledger.begin_pass(0);
        ledger.opened(0, 7);
        let end = ledger.tick();
        let life = ledger.lives(begin, end)[0];
        assert!(!life.covers(begin, end));
        assert!(life.may_overlap(begin, end));
    }

    #[test]
    fn a_pty_closed_before_the_pass_does_not_explain_its_name() {
        let ledger = Ledger::new(1, 1);
        ledger.before_open(0);
        let (id, _) = ledger.opened(0, 7);
        ledger.before_close(0, id);
        ledger.closed(0, id);
        let begin = ledger.begin_pass(0);
        let end = ledger.tick();
        assert!(ledger.lives(begin, end).is_empty());
        assert!(ledger.was_ours(7));
        assert!(!ledger.was_ours(8));
    }

    #[test]
    fn an_open_in_flight_keeps_a_pass_from_being_settled() {
        let ledger = Ledger::new(2, 1);
        ledger.before_open(1);
        let begin = ledger.begin_pass(0);
        let end = ledger.tick();
        assert!(!ledger.is_settled(end));
        ledger.opened(1, 3);
        assert!(ledger.is_settled(end));
        assert!(ledger.lives(begin, end)[0].may_overlap(begin, end));
        ledger.before_open(1);
        assert!(
            ledger.is_settled(end),
            "an open after the pass is none of its business"
        );
    }

    #[test]
    fn one_index_for_two_open_ptys_is_noticed() {
        let ledger = Ledger::new(2, 0);
        ledger.before_open(0);
        let (first, taken) = ledger.opened(0, 5);
        assert!(!taken);
        ledger.before_open(1);
        assert!(ledger.opened(1, 5).1);
        ledger.before_close(0, first);
        let ledger = Ledger::new(2, 0);
        ledger.before_open(0);
        let (first, _) = ledger.opened(0, 5);
        ledger.before_close(0, first);
        ledger.before_open(1);
        assert!(!ledger.opened(1, 5).1, "the first may be closed by now");
    }

    #[test]
    fn tidying_keeps_what_a_running_pass_needs() {
        let ledger = Ledger::new(1, 2);
        let turn = |index| {
            ledger.before_open(0);
            let (id, _) = ledger.opened(0, index);
            ledger.before_close(0, id);
            ledger.closed(0, id);
        };
        for index in 0..1000 {
            turn(index);
        }
        assert!(lock(&ledger.logs[0]).lives.len() <= TIDY_AT);
        let begin = ledger.begin_pass(1);
        for index in 0..1000 {
            turn(index);
        }
        let end = ledger.tick();
        assert_eq!(ledger.lives(begin, end).len(), 1000);
        ledger.end_pass(1);
        turn(0);
        assert_eq!(
            lock(&ledger.logs[0]).lives.len(),
            1,
            "the last close is too young to go"
        );
    }
}
