// SPDX-License-Identifier: GPL-2.0

//! What is to be known of a pair from outside: how much has gone through it, what waits in it, and whose it is.
//!
//! All of it is counted where something is locked, or written to, anyway; to look takes those locks, each for a moment, and
//! never waits for who may be held up by user space.

use super::{
    channel::Tally,
    ends::Ends,
    tty_struct::{Flag, Tty},
};
use kernel::sync::{aref::ARef, Arc};

/// What has gone through a pair, modulo 2^64.
pub(crate) struct Counts {
    /// Bytes that the slave has put out, echo included.
    pub(crate) output: u64,
    /// How often a writer of the slave, or its echo, found too little room.
    pub(crate) output_stalls: u64,
    /// Bytes that the master has written.
    pub(crate) input: u64,
}

impl Counts {
    fn of<P>(ends: &Ends<P>, channel: &Tally) -> Self {
        Self {
            output: channel.produced.wrapping_add(ends.output()),
            output_stalls: channel.stalls,
            input: ends.input(),
        }
    }
}

/// What is to be known of a pair. Each is true at some moment of the look; not all at the same.
pub(crate) struct Figures {
    /// Open files of the slave.
    pub(crate) opens: u32,
    /// The slave's foreground process group, in the pid namespace of who looks; 0 for none there.
    pub(crate) pgrp: i32,
    /// The session that the slave controls, likewise.
    pub(crate) session: i32,
    /// What has gone through it.
    pub(crate) counts: Counts,
    /// Bytes of output that the master has not read. Of a master with another line discipline, which gets them otherwise: none.
    pub(crate) output_queued: usize,
    /// Bytes that the master has written and the slave's line discipline has not got; `None` while it gets some.
    pub(crate) input_queued: Option<usize>,
    /// Bytes of memory that output waits in, or is read from.
    pub(crate) ring: usize,
    /// Whether the slave cannot be opened (`TIOCSPTLCK`).
    pub(crate) locked: bool,
    /// Whether the master is in packet mode (`TIOCPKT`).
    pub(crate) packet: bool,
    /// Whether the slave's output is stopped (`TCOOFF`, ^S).
    pub(crate) stopped: bool,
}

impl Figures {
    /// Looks at the pair that `ends` is of, with these terminals.
    pub(super) fn of<P>(ends: &Ends<P>, master: &Tty, slave: &Tty) -> Self {
        let channel = ends.channel().tally();
        let (pgrp, session) = {
            let ctrl = slave.ctrl();
            (ctrl.pgrp_nr(), ctrl.session_nr())
        };
        Self {
            opens: opens(slave),
            pgrp,
            session,
            counts: Counts::of(ends, &channel),
            output_queued: channel.queued,
            input_queued: ends.slave_port().queued(),
            ring: channel.memory,
            locked: master.test(Flag::PtyLock),
            packet: master.packet(),
            stopped: slave.stopped(),
        }
    }
}

/// Open files of `slave`.
pub(super) fn opens(slave: &Tty) -> u32 {
    // The open master is one of them.
    slave.count().saturating_sub(1).max(0) as u32
}

/// Somebody who may look at a pair at any time: it keeps what is looked at, released or not.
pub(crate) struct Observer<P> {
    ends: Arc<Ends<P>>,
    master: ARef<Tty>,
    slave: ARef<Tty>,
}

impl<P> Observer<P> {
    pub(super) fn new(ends: Arc<Ends<P>>, master: ARef<Tty>, slave: ARef<Tty>) -> Self {
        Self {
            ends,
            master,
            slave,
        }
    }

    /// Looks at it.
    pub(crate) fn figures(&self) -> Figures {
        Figures::of(&self.ends, &self.master, &self.slave)
    }

    /// Looks at what has gone through it, which takes one lock.
    pub(crate) fn counts(&self) -> Counts {
        Counts::of(&self.ends, &self.ends.channel().tally())
    }

    /// What the driver keeps for the pair.
    pub(crate) fn pair(&self) -> &P {
        self.ends.pair()
    }
}
