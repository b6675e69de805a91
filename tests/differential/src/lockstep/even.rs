// SPDX-License-Identifier: GPL-2.0
//! What a read got less than in the other world, or the events of a wait, as a matter of time, is read on before the outcomes
//! are compared.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Lockstep, Rest};
use crate::model::Kind;
use crate::ops::control::Control;
use crate::ops::data::Data;
use crate::ops::poll::Events;
use crate::ops::Op;
use crate::outcome::Outcome;
use crate::select::Fd;
use crate::world::{Look, World};

/// Has an actor that is free do something that ends at once.
fn now(world: &mut World, slot: usize, op: &Op) -> Result<Outcome> {
    world.start(slot, op, &Look::default())?;
    loop {
        if let Some((outcome, _)) = world.outcome(slot)? {
            return Ok(outcome);
        }
        sleep(Duration::from_micros(100));
    }
}

impl Lockstep<'_> {
    /// A read that finds more than was there before it began takes as much of that as came in meanwhile: a matter of time.
    /// Lets the world that got less read the rest; says whether there was a need.
    pub(super) fn even_out(
        &mut self,
        slot: usize,
        op: &Op,
        outcomes: &mut [Outcome; 2],
    ) -> Result<bool> {
        let Some((fd, len)) = op.stream_read() else {
            return Ok(false);
        };
        let lens = [outcomes[0].bytes.len(), outcomes[1].bytes.len()];
        let there = usize::try_from(self.input.get(&fd).copied().unwrap_or(0))
            .unwrap_or(0)
            .min(len);
        if lens[0] == lens[1] || lens.iter().any(|n| *n < there.max(1)) {
            return Ok(false);
        }
        let less = usize::from(lens[1] < lens[0]);
        self.read_on(slot, fd, less, outcomes)?;
        Ok(true)
    }

    /// Lets the world that got `less` from a read of `fd` read until it has as much as the other, as long as there is input.
    fn read_on(
        &mut self,
        slot: usize,
        fd: i32,
        less: usize,
        outcomes: &mut [Outcome; 2],
    ) -> Result<()> {
        let look = Look {
            fds: vec![fd],
            busy: Vec::new(),
        };
        // In packet mode each read would begin with a status, or be one.
        let ask = Op::Control(Control::packet_mode(fd));
        let mode = now(&mut self.worlds[less], slot, &ask)?;
        let packet = mode.ok() && mode.values.first().is_some_and(|on| *on != 0);
        if packet {
            self.set_packet_mode(slot, fd, false)?;
        }
        let begin = Instant::now();
        while outcomes[less].bytes.len() < outcomes[1 - less].bytes.len()
            && begin.elapsed() < self.patience
        {
            let world = &mut self.worlds[less];
            let seen = world.observe(&look)?;
            if seen.fds.first().is_none_or(|(_, _, input)| *input <= 0) {
                sleep(Duration::from_millis(1));
                continue;
            }
            let missing = outcomes[1 - less].bytes.len() - outcomes[less].bytes.len();
            let len = u32::try_from(missing)?;
            let fd = Fd::Is(fd);
            let more = now(world, slot, &Op::Data(Data::Read { fd, len }))?;
            if !more.ok() {
                break;
            }
            outcomes[less].ret += more.bytes.len() as i64;
            outcomes[less].bytes.extend(more.bytes);
            self.stats.evened += 1;
        }
        if packet {
            self.set_packet_mode(slot, fd, true)?;
        }
        Ok(())
    }

    /// Sets or resets a master's packet mode, in both worlds.
    fn set_packet_mode(&mut self, slot: usize, fd: i32, on: bool) -> Result<()> {
        let fd = Fd::Is(fd);
        for world in self.worlds.iter_mut() {
            now(world, slot, &Op::Control(Control::Packet { fd, on }))?;
        }
        Ok(())
    }

    /// The same for reads of a master that had blocked: an echo may come in pieces, and such a read ends with the first. True
    /// if something was read.
    pub(super) fn even_out_ended(&mut self, rest: &mut [Rest; 2]) -> Result<bool> {
        let mut evened = false;
        let [left, right] = rest;
        for (slot, left) in &mut left.ended {
            let Some(right) = right.ended.get_mut(slot) else {
                continue;
            };
            let (Some(op), Some(end @ Kind::Master(..))) = (&self.busy[*slot], self.reading[*slot])
            else {
                continue;
            };
            // It may have been closed meanwhile, and be of something else.
            let own = op.stream_read().map(|(fd, _)| fd);
            let own = own.filter(|fd| self.model.end(*fd) == Some(end));
            let lens = [left.bytes.len(), right.bytes.len()];
            if lens[0] == lens[1] || lens.contains(&0) {
                continue;
            }
            let Some(fd) = own.or_else(|| self.model.descriptor_of(end)) else {
                // Nobody can read the rest: what both have got is compared.
                let both = lens[0].min(lens[1]);
                for outcome in [left, right] {
                    outcome.bytes.truncate(both);
                    outcome.ret = both as i64;
                }
                evened = true;
                continue;
            };
            let mut outcomes = [std::mem::take(left), std::mem::take(right)];
            self.read_on(*slot, fd, usize::from(lens[1] < lens[0]), &mut outcomes)?;
            [*left, *right] = outcomes;
            evened |= lens != [left.bytes.len(), right.bytes.len()];
        }
        Ok(evened)
    }

    /// Adds to the events for which somebody had waited what happened since: what comes in pieces, as an echo does, and room for
    /// more, may be one edge or several, and there may be no room before the write has ended that an echo is of.
    pub(super) fn even_out_edges(&mut self, rest: &mut [Rest; 2]) -> Result<()> {
        for (world, rest) in self.worlds.iter_mut().zip(rest) {
            for (slot, outcome) in &mut rest.ended {
                let wait = false;
                let again = match self.busy[*slot] {
                    Some(Op::Events(Events::Wait { epoll, .. })) => Events::Wait { epoll, wait },
                    Some(Op::Events(Events::Poll { fd, events, .. })) => {
                        Events::Poll { fd, events, wait }
                    }
                    _ => continue,
                };
                let later = now(world, *slot, &Op::Events(again.clone()))?;
                match (&again, &mut outcome.values[..], &later.values[..]) {
                    _ if !outcome.ret.is_positive() || !later.ok() => {}
                    (Events::Poll { .. }, [events], [more]) => *events |= more,
                    _ => Events::merge(outcome, &later),
                }
            }
        }
        Ok(())
    }
}
