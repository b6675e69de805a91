// SPDX-License-Identifier: GPL-2.0

//! What is measured.
//!
//! A [`Workload`] is set up once for each subject, and all subjects stay set up while their rounds take turns. A new one
//! is a line in [`all`] and a [`Run`].

mod bulk;
mod getdents;
mod held;
mod latency;
mod listing;
mod memory;
mod open_close;
mod parallel;
mod round_trip;

use crate::link::Subject;
use anyhow::Result;
use serde::Serialize;
use std::time::Duration;

/// What a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Megabytes a second, of operations that write so many bytes each.
    Throughput {
        /// Bytes of one operation.
        bytes: u64,
    },
    /// Microseconds that one operation takes.
    Time,
    /// What the run counts itself ([`Run::counted`]).
    Counted {
        /// Its unit, in ASCII.
        unit: &'static str,
        /// Which of two is the better one.
        better: Better,
    },
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
}

impl Figure {
    /// The unit, in ASCII.
    pub fn unit(self) -> &'static str {
        match self {
            Figure::Throughput { .. } => "MB/s",
            Figure::Time => "us",
            Figure::Counted { unit, .. } => unit,
        }
    }

    /// Which of two is the better one.
    pub fn better(self) -> Better {
        match self {
            Figure::Throughput { .. } => Better::Higher,
            Figure::Time => Better::Lower,
            Figure::Counted { better, .. } => better,
        }
    }

    /// The figure of `run`, whose last `n` operations took `elapsed` together.
    pub fn of(self, run: &dyn Run, n: u64, elapsed: Duration) -> f64 {
        // A byte in a microsecond is a megabyte in a second.
        let us = elapsed.as_secs_f64() * 1e6;
        match self {
            Figure::Throughput { bytes } => (bytes * n) as f64 / us,
            Figure::Time => us / n as f64,
            Figure::Counted { .. } => run.counted(),
        }
    }
}

/// A workload that is set up for one subject.
pub trait Run {
    /// Does `n` operations, and says how long they took.
    fn run(&mut self, n: u64) -> Result<Duration>;

    /// What the last run counted, where the figure is [`Figure::Counted`].
    fn counted(&self) -> f64 {
        f64::NAN
    }
}

/// Sets a workload up; `None` where it makes no sense for the subject.
type Prepare = Box<dyn Fn(Subject) -> Result<Option<Box<dyn Run>>>>;

/// One line of the table.
pub struct Workload {
    /// Its name, in the results for good: programs look for it there.
    pub name: String,
    /// What is measured of it.
    pub figure: Figure,
    /// Sets it up.
    pub prepare: Prepare,
}

/// Sizes of writes.
const SIZES: [usize; 5] = [64 * 1024, 16 * 1024, 4096, 1024, 80];

/// Numbers of ptys.
const COUNTS: [usize; 4] = [1, 100, 1000, 4000];

/// All of them, in the order of the table.
pub fn all() -> Vec<Workload> {
    let mut all = Vec::new();
    all.extend(SIZES.map(bulk::slave_to_master_raw));
    all.extend(SIZES.map(bulk::slave_to_master_cooked));
    all.extend([
        bulk::listing(),
        bulk::bytes_per_read(),
        bulk::master_to_slave_raw(),
        bulk::master_to_slave_canonical(),
    ]);
    all.extend([1, 2, 4].map(parallel::slave_to_master));
    all.extend([
        round_trip::echo(),
        round_trip::ping_pong(),
        open_close::ptmx(),
        open_close::ptmx_and_slave(),
        open_close::peer(),
        latency::open_close("median", 0.5),
        latency::open_close("99th percentile", 0.99),
    ]);
    all.extend(COUNTS.map(getdents::pass));
    all.extend(COUNTS.map(held::open_close));
    all.extend(COUNTS.map(held::lookup));
    all.extend([memory::idle(), memory::drained()]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Run for Fake {
        fn run(&mut self, _: u64) -> Result<Duration> {
            Ok(Duration::ZERO)
        }

        fn counted(&self) -> f64 {
            7.0
        }
    }

    #[test]
    fn figures() {
        let of = |figure: Figure| figure.of(&Fake, 50, Duration::from_millis(1));
        assert_eq!(of(Figure::Throughput { bytes: 1000 }), 50.0);
        assert_eq!(of(Figure::Time), 20.0);
        let (unit, better) = ("bytes", Better::Higher);
        assert_eq!(of(Figure::Counted { unit, better }), 7.0);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().into_iter().map(|w| w.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
