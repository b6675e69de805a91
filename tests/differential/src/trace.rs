// SPDX-License-Identifier: GPL-2.0
//! The record of a case, for those who read what differed.

use crate::ops::Op;
use crate::outcome::Outcome;

/// Something that happened in a case, for the record.
pub enum Event {
    /// An operation of an actor; without outcomes where it blocked.
    Did(usize, Op, Option<[Outcome; 2]>),
    /// A blocked operation ended.
    Ended(usize, [Outcome; 2]),
    /// An actor was interrupted, since all others are busy too.
    Interrupted(usize),
}

/// One event as a line.
pub fn show(event: &Event, names: &[String; 2]) -> String {
    let both = |outcomes: &[Outcome; 2]| {
        if outcomes[0] == outcomes[1] {
            format!("{:?}", outcomes[0])
        } else {
            format!(
                "DIFFERENT: {} {:?} | {} {:?}",
                names[0], outcomes[0], names[1], outcomes[1]
            )
        }
    };
    match event {
        Event::Did(slot, op, Some(outcomes)) => {
            format!("actor {slot}: {op:?} -> {}", both(outcomes))
        }
        Event::Did(slot, op, None) => format!("actor {slot}: {op:?} -> blocks"),
        Event::Ended(slot, outcomes) => format!("actor {slot}: goes on -> {}", both(outcomes)),
        Event::Interrupted(slot) => format!("actor {slot}: is interrupted by SIGUSR2"),
    }
}
