// SPDX-License-Identifier: GPL-2.0
//! Two worlds, one step at a time: the same operation in both, until both are at rest, and then a comparison.

mod even;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{poll, PollFd, PollFlags};
use serde::{Deserialize, Serialize};

use crate::departures::PIECE;
use crate::model::{Kind, Model};
use crate::ops::files::Files;
use crate::ops::poll::Events;
use crate::ops::Op;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};
use crate::stats::Stats;
use crate::trace::{show, Event};
use crate::under_way::{fit, took};
use crate::world::{Look, Observation, World, ACTORS};

/// An uninterruptible sleep that lasts longer than this is taken for a call that blocks.
const UNINTERRUPTIBLE: Duration = Duration::from_millis(300);

/// Milliseconds after which a call is looked at: it may have blocked.
const A_MOMENT: u8 = 1;

/// One step of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Who does it: modulo the actors that are free.
    pub actor: u16,
    /// What it makes is known by this number.
    pub token: u16,
    /// What.
    pub op: Op,
}

/// A difference between the worlds.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The number of the step at which it was seen.
    pub step: usize,
    /// What it is.
    pub what: String,
    /// All that happened, a line each; the last step is the one.
    pub trace: Vec<String>,
}

/// What the worlds must agree on after a step.
#[derive(Default)]
struct Rest {
    /// Blocked operations that ended.
    ended: BTreeMap<usize, Outcome>,
    /// Signals caught: actor, number. A set, as signals that come twice before they are handled are one.
    signals: BTreeSet<(usize, usize)>,
    /// Processes that ended.
    dead: BTreeSet<(i32, i32)>,
}

/// What an operation gave in each world, and what there was to see after it.
type Both = ([Outcome; 2], [Observation; 2]);

/// A case under way.
pub struct Lockstep<'a> {
    worlds: &'a mut [World; 2],
    model: Model,
    busy: [Option<Op>; ACTORS],
    /// What they read from, if they do; its descriptor may have been closed.
    reading: [Option<Kind>; ACTORS],
    signals: [[[u32; 65]; ACTORS]; 2],
    input: BTreeMap<i32, i32>,
    events: Vec<Event>,
    stats: &'a mut Stats,
    patience: Duration,
}

impl<'a> Lockstep<'a> {
    /// A case in two worlds that are as they were at first.
    pub fn new(worlds: &'a mut [World; 2], stats: &'a mut Stats, patience: Duration) -> Self {
        let signals = [0, 1].map(|n: usize| std::array::from_fn(|slot| worlds[n].signals(slot)));
        Self {
            worlds,
            model: Model::default(),
            busy: Default::default(),
            reading: Default::default(),
            signals,
            input: BTreeMap::new(),
            events: Vec::new(),
            stats,
            patience,
        }
    }

    /// Runs a case, up to the first difference.
    pub fn run(mut self, steps: &[Step]) -> Result<Option<Difference>> {
        self.stats.cases += 1;
        for (number, step) in steps.iter().enumerate() {
            if let Some(what) = self.step(step)? {
                let names = [0, 1].map(|n| self.worlds[n].target.fstype.clone());
                let trace = self
                    .events
                    .iter()
                    .map(|event| show(event, &names))
                    .collect();
                return Ok(Some(Difference {
                    step: number,
                    what,
                    trace,
                }));
            }
        }
        Ok(None)
    }

    /// One step; says what is different, if anything.
    fn step(&mut self, step: &Step) -> Result<Option<String>> {
        let mut op = step.op.clone();
        self.model.token = step.token;
        if op.opens() && self.model.crowded() {
            op = Op::Files(Files::Close {
                fd: Fd::Pick(Class::Any, step.token),
            });
        }
        if op.resolve(&self.model).is_none() {
            op = match op {
                Op::Events(_) if !self.model.watched(0).is_empty() => Op::Events(Events::Epoll),
                _ => Op::Files(self.model.opener(step.token)),
            };
            if op.resolve(&self.model).is_none() {
                self.stats.skipped += 1;
                return Ok(None);
            }
        }
        if let Some((fd, text)) = op.text() {
            if self.model.is_stranded(fd) {
                self.stats.skipped += 1;
                return Ok(None);
            }
            if let Some(first) = fit(&mut self.model, fd, text) {
                op = first;
            }
        }
        self.limit_to_a_piece(&mut op);
        // How what comes in pieces is shared out among several readers is a matter of time. The descriptor by which one waits
        // may be of something else by now.
        let read = op.stream_read().and_then(|(fd, _)| self.model.end(fd));
        let master = read.filter(|end| matches!(end, Kind::Master(..)));
        let waiting = (0..ACTORS).filter(|slot| self.busy[*slot].is_some());
        let mut readers = waiting.filter_map(|slot| self.reading[slot]);
        if master.is_some() && readers.clone().any(|end| Some(end) == master) {
            self.stats.skipped += 1;
            return Ok(None);
        }
        // And so is who comes first, a reader who waits for what comes, or who waits for the event that it makes.
        let there = |fd| self.input.get(&fd).is_some_and(|input| *input > 0);
        let takes = readers.any(|end| matches!(end, Kind::Master(..)));
        let would_take = master.is_some() && op.stream_read().is_some_and(|(fd, _)| !there(fd));
        if (op.waits() && takes) || (would_take && self.busy.iter().flatten().any(Op::waits)) {
            self.stats.skipped += 1;
            return Ok(None);
        }
        // The kernel's set_termios() spins until a blocked writer of the terminal goes away, and so do we, on one processor.
        if op.drains() && self.busy.iter().flatten().any(Op::writes) {
            self.stats.skipped += 1;
            return Ok(None);
        }
        let slot = match self.free(usize::from(step.actor))? {
            Ok(slot) => slot,
            Err(what) => return Ok(Some(what)),
        };
        let look = Look {
            fds: self.model.watched(self.events.len()),
            busy: self.under_way(&Rest::default()),
        };
        for world in self.worlds.iter_mut() {
            world.start(slot, &op, &look)?;
        }
        let mut first = None;
        match self.collect(slot)? {
            Ok(Some((mut outcomes, seen))) => {
                first = (!self.even_out(slot, &op, &mut outcomes)?).then_some(seen);
                let same = outcomes[0] == outcomes[1];
                self.events
                    .push(Event::Did(slot, op.clone(), Some(outcomes.clone())));
                if !same {
                    return Ok(Some("the outcome".to_owned()));
                }
                self.stats.count(&op, &outcomes[0]);
                took(&mut self.model, &op, &outcomes[0]);
                op.learn(&outcomes[0], &mut self.model);
            }
            Ok(None) => {
                self.stats.blocked += 1;
                self.events.push(Event::Did(slot, op.clone(), None));
                self.reading[slot] = op.stream_read().and_then(|(fd, _)| self.model.end(fd));
                self.busy[slot] = Some(op);
                self.worlds.iter_mut().for_each(|world| world.blocks(slot));
            }
            Err(what) => {
                self.events.push(Event::Did(slot, op, None));
                return Ok(Some(what));
            }
        }
        self.settle(look.fds, first)
    }

    /// A write that several readers of the slave wait for is made no longer than a piece: who gets which is a matter of time.
    fn limit_to_a_piece(&self, op: &mut Op) {
        let Some((fd, text)) = op.text() else {
            return;
        };
        let Some(Kind::Master(mount, index)) = self.model.end(fd) else {
            return;
        };
        let slave = Some(Kind::Slave(mount, index));
        let waits = |slot: &usize| self.busy[*slot].is_some() && self.reading[*slot] == slave;
        if (0..ACTORS).filter(waits).count() > 1 {
            text.shorten(PIECE, <[u8]>::len);
        }
    }

    /// An actor that is free. There is always one: if it is the last, another is interrupted first.
    fn free(&mut self, wish: usize) -> Result<Result<usize, String>> {
        let count = |busy: &[Option<Op>; ACTORS]| busy.iter().filter(|op| op.is_none()).count();
        while count(&self.busy) <= 1 {
            let Some(slot) = self.busy.iter().position(Option::is_some) else {
                break;
            };
            let before = count(&self.busy);
            self.events.push(Event::Interrupted(slot));
            for world in self.worlds.iter_mut() {
                world.interrupt(slot)?;
            }
            let end = Instant::now() + self.patience;
            while count(&self.busy) == before {
                if let Some(what) = self.settle(self.model.watched(self.events.len()), None)? {
                    return Ok(Err(what));
                }
                if Instant::now() > end {
                    return Ok(Err(format!("a signal does not interrupt actor {slot}")));
                }
            }
        }
        let free: Vec<usize> = (0..ACTORS)
            .filter(|slot| self.busy[*slot].is_none())
            .collect();
        Ok(Ok(free
            .iter()
            .copied()
            .find(|slot| *slot == wish % ACTORS)
            .unwrap_or(free[wish % free.len()])))
    }

    /// Waits for an operation to end in both worlds, or to block in both.
    fn collect(&mut self, slot: usize) -> Result<Result<Option<Both>, String>> {
        let mut got: [Option<(Outcome, Observation)>; 2] = [None, None];
        let begin = Instant::now();
        let mut asleep: Option<Instant> = None;
        loop {
            for (world, got) in self.worlds.iter_mut().zip(&mut got) {
                if got.is_none() {
                    *got = world.outcome(slot)?;
                }
            }
            if let [Some((left, left_seen)), Some((right, right_seen))] = got {
                return Ok(Ok(Some(([left, right], [left_seen, right_seen]))));
            }
            if self.ready(slot, &got)? {
                continue;
            }
            let mut states = ['-'; 2];
            for (n, world) in self.worlds.iter_mut().enumerate() {
                if got[n].is_none() && world.under_way(slot) {
                    let look = Look {
                        fds: Vec::new(),
                        busy: vec![u8::try_from(slot)?],
                    };
                    let seen = world.observe(&look)?;
                    states[n] = seen.states.first().map_or('X', |(_, state)| *state);
                }
            }
            let sleeping = got.iter().all(Option::is_none)
                && states.iter().all(|s| matches!(s, 'S' | 'T' | 'D'));
            asleep = if sleeping {
                asleep.or_else(|| Some(Instant::now()))
            } else {
                None
            };
            let long = asleep.is_some_and(|since| since.elapsed() > UNINTERRUPTIBLE);
            if sleeping && (long || !states.contains(&'D')) {
                return Ok(Ok(None));
            }
            if begin.elapsed() > self.patience {
                let name = |n: usize| match &got[n] {
                    Some((outcome, _)) => format!("{}: {outcome:?}", self.worlds[n].target.fstype),
                    None => format!(
                        "{}: not back, state {}",
                        self.worlds[n].target.fstype, states[n]
                    ),
                };
                return Ok(Err(format!(
                    "one world's call does not come back: {}; {}",
                    name(0),
                    name(1)
                )));
            }
        }
    }

    /// Waits a moment for an outcome that is not there yet; says whether one came.
    fn ready(&self, slot: usize, got: &[Option<(Outcome, Observation)>; 2]) -> Result<bool> {
        let missing = self.worlds.iter().zip(got).filter(|(_, got)| got.is_none());
        let mut polls: Vec<PollFd<'_>> = missing
            .map(|(world, _)| PollFd::new(world.socket(slot), PollFlags::POLLIN))
            .collect();
        Ok(poll(&mut polls, A_MOMENT).context("poll")? > 0)
    }

    /// Waits until both worlds are at rest and look the same; says what stays different. `first` is what the actors saw after
    /// the operation, if it has ended.
    fn settle(
        &mut self,
        fds: Vec<i32>,
        mut first: Option<[Observation; 2]>,
    ) -> Result<Option<String>> {
        let mut rest: [Rest; 2] = Default::default();
        let begin = Instant::now();
        let mut pause = Duration::from_micros(50);
        let mut rounds = 0;
        loop {
            let looked = first.take();
            let again = looked.is_none();
            let mut seen = looked.unwrap_or_default();
            let mut moving = false;
            for n in [0, 1] {
                if again {
                    let look = Look {
                        fds: fds.clone(),
                        busy: self.under_way(&rest[n]),
                    };
                    seen[n] = self.worlds[n].observe(&look)?;
                }
                self.gather(n, &mut rest[n])?;
                let restless = |state: char| match state {
                    'S' | 'T' => false,
                    _ => begin.elapsed() < UNINTERRUPTIBLE,
                };
                moving |= seen[n].states.iter().any(|(slot, state)| {
                    !rest[n].ended.contains_key(&usize::from(*slot)) && restless(*state)
                });
                rest[n].dead.extend(seen[n].ended.drain(..));
                seen[n].states.clear();
            }
            let [left, right] = &rest;
            let same = seen[0] == seen[1]
                && left.signals == right.signals
                && left.dead == right.dead
                && left.ended.keys().eq(right.ended.keys());
            // Whether or not what is left to read is looked at this time.
            if !moving && self.even_out_ended(&mut rest)? {
                continue;
            }
            if same && !moving {
                self.stats.retries += u64::from(rounds > 0);
                let [seen, _] = seen;
                self.even_out_edges(&mut rest)?;
                return Ok(self.accept(&seen, rest));
            }
            if begin.elapsed() > self.patience {
                return Ok(Some(self.tell(&seen, &rest)));
            }
            rounds += 1;
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    /// The busy actors that have not ended.
    fn under_way(&self, rest: &Rest) -> Vec<u8> {
        (0..ACTORS)
            .filter(|slot| self.busy[*slot].is_some() && !rest.ended.contains_key(slot))
            .filter_map(|slot| u8::try_from(slot).ok())
            .collect()
    }

    /// Takes what has happened in a world since it was last looked at.
    fn gather(&mut self, n: usize, rest: &mut Rest) -> Result<()> {
        let world = &mut self.worlds[n];
        for slot in 0..ACTORS {
            if self.busy[slot].is_some()
                && !rest.ended.contains_key(&slot)
                && !world.under_way(slot)
            {
                if let Some((outcome, _)) = world.outcome(slot)? {
                    rest.ended.insert(slot, outcome);
                }
            }
            let now = world.signals(slot);
            let before = std::mem::replace(&mut self.signals[n][slot], now);
            for (number, (now, before)) in now.iter().zip(before).enumerate() {
                if *now != before {
                    rest.signals.insert((slot, number));
                }
            }
        }
        Ok(())
    }

    /// Takes over what both worlds agree on; says where outcomes of blocked operations differ.
    fn accept(&mut self, seen: &Observation, [left, right]: [Rest; 2]) -> Option<String> {
        self.stats.signals += left.signals.len() as u64;
        for (fd, events, input) in &seen.fds {
            self.input.insert(*fd, *input);
            self.model.saw(*fd, *events, *input);
        }
        let mut what = None;
        for ((slot, left), right) in left.ended.into_iter().zip(right.ended.into_values()) {
            let Some(op) = self.busy[slot].take() else {
                continue;
            };
            if left != right {
                what = Some("the outcome of a call that had blocked".to_owned());
            } else {
                self.stats.count(&op, &left);
                took(&mut self.model, &op, &left);
                op.learn(&left, &mut self.model);
            }
            self.events.push(Event::Ended(slot, [left, right]));
        }
        what
    }

    /// What is different between two worlds that do not come to the same rest.
    fn tell(&self, seen: &[Observation; 2], rest: &[Rest; 2]) -> String {
        let mut said = Vec::new();
        for (left, right) in seen[0].fds.iter().zip(&seen[1].fds) {
            if left != right {
                let fd = left.0;
                let one = |(_, events, input): &(i32, i16, i32)| {
                    format!("events {events:#x}, {input} to read")
                };
                said.push(format!(
                    "descriptor {fd} ({}): {} | {}",
                    self.model.describe(fd),
                    one(left),
                    one(right)
                ));
            }
        }
        let ended = |rest: &Rest| {
            rest.ended
                .iter()
                .map(|(slot, outcome)| format!("{slot}: {outcome:?}"))
                .collect::<Vec<_>>()
        };
        if rest[0].ended != rest[1].ended {
            said.push(format!(
                "blocked calls that ended: {:?} | {:?}",
                ended(&rest[0]),
                ended(&rest[1])
            ));
        }
        if rest[0].signals != rest[1].signals {
            said.push(format!(
                "signals (actor, number): {:?} | {:?}",
                rest[0].signals, rest[1].signals
            ));
        }
        if rest[0].dead != rest[1].dead {
            said.push(format!(
                "ended processes (pid, status): {:?} | {:?}",
                rest[0].dead, rest[1].dead
            ));
        }
        if said.is_empty() {
            said.push("an actor does not come to rest".to_owned());
        }
        said.join("; ")
    }
}
