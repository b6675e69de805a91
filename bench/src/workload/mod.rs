// SPDX-License-Identifier: GPL-2.0

//! What is measured.
//!
//! A [`Workload`] is set up once for each subject, and all subjects stay set up while their rounds take turns. A new one
//! is a line in [`all`] and a [`Run`].

mod bulk;
mod getdents;
mod open_close;
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
        }
    }

    /// Which of two is the better one.
    pub fn better(self) -> Better {
        match self {
            Figure::Throughput { .. } => Better::Higher,
            Figure::Time => Better::Lower,
        }
    }

    /// The figure of `n` operations that took `elapsed` together.
    pub fn of(self, n: u64, elapsed: Duration) -> f64 {
        // A byte in a microsecond is a megabyte in a second.
        let us = elapsed.as_secs_f64() * 1e6;
        match self {
            Figure::Throughput { bytes } => (bytes * n) as f64 / us,
            Figure::Time => us / n as f64,
        }
    }
}

/// A workload that is set up for one subject.
pub trait Run {
    /// Does `n` operations, and says how long they took.
    fn run(&mut self, n: u64) -> Result<Duration>;
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

/// All of them, in the order of the table.
pub fn all() -> Vec<Workload> {
    let mut all = vec![
        bulk::slave_to_master_raw(),
        bulk::slave_to_master_cooked(),
        bulk::master_to_slave_raw(),
        round_trip::echo(),
        round_trip::ping_pong(),
        open_close::ptmx(),
        open_close::ptmx_and_slave(),
    ];
    all.extend([1, 100, 900].map(getdents::pass));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let throughput = Figure::Throughput { bytes: 1000 };
        assert_eq!(throughput.of(50, Duration::from_millis(1)), 50.0);
        assert_eq!(Figure::Time.of(50, Duration::from_millis(1)), 20.0);
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
