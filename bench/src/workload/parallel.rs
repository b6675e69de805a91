// SPDX-License-Identifier: GPL-2.0

//! Several terminals busy at the same time.

use super::{bulk, Figure, Run, Workload};
use crate::link::{drain, write_all, Link};
use crate::peer::Peer;
use crate::pty::Discipline;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Raw bulk from slave to master in `pairs` ptys; bytes of all together.
pub fn slave_to_master(pairs: usize) -> Workload {
    let text = bulk::bytes();
    let plural = if pairs == 1 { "" } else { "s" };
    Workload {
        name: format!("slave-to-master raw, {pairs} pair{plural} in parallel"),
        figure: Figure::Throughput {
            bytes: (pairs * text.len()) as u64,
        },
        prepare: Box::new(move |subject| {
            let pairs: Vec<_> = (0..pairs)
                .map(|_| Pair::new(Link::open(subject, Discipline::Raw)?, text.clone()))
                .collect::<Result<_>>()?;
            Ok(Some(Box::new(Parallel { pairs })))
        }),
    }
}

/// A process that writes, and one that reads.
struct Pair {
    writer: Peer,
    reader: Peer,
}

impl Pair {
    fn new(Link { near, far }: Link, text: Vec<u8>) -> Result<Self> {
        let bytes = text.len() as u64;
        let mut buffer = vec![0; text.len()];
        let write = move |n| (0..n).try_for_each(|_| write_all(&far.writer, &text));
        let read = move |n| drain(&near.reader, &mut buffer, n * bytes, None).map(drop);
        Ok(Self {
            writer: Peer::spawn(write)?,
            reader: Peer::spawn(read)?,
        })
    }
}

struct Parallel {
    pairs: Vec<Pair>,
}

impl Run for Parallel {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        for pair in &mut self.pairs {
            pair.reader.start(n)?;
            pair.writer.start(n)?;
        }
        for pair in &mut self.pairs {
            pair.reader.finish()?;
        }
        let elapsed = start.elapsed();
        for pair in &mut self.pairs {
            pair.writer.finish()?;
        }
        Ok(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Subject;

    #[test]
    fn all_pairs_come_to_their_end() {
        let workload = slave_to_master(3);
        let mut run = (workload.prepare)(Subject::Pipe).unwrap().unwrap();
        for n in [1, 20] {
            run.run(n).unwrap();
        }
    }
}
