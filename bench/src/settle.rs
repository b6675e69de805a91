// SPDX-License-Identifier: GPL-2.0

//! Waiting until the machine has nothing else to do: a kernel that has just booted still tests its crypto algorithms.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long a look at the CPUs takes.
const LOOK: Duration = Duration::from_millis(200);

/// What share of the CPUs' time may be spent on other things.
const QUIET: f64 = 0.1;

/// Waits until the CPUs are idle, or for as long as `limit`: what then goes on is there to stay. Whether they are.
pub fn wait(limit: Duration) -> Result<bool> {
    let start = Instant::now();
    let mut before = CpuTime::now()?;
    while start.elapsed() < limit {
        std::thread::sleep(LOOK);
        let now = CpuTime::now()?;
        if now.busy_since(&before) <= QUIET {
            return Ok(true);
        }
        before = now;
    }
    Ok(false)
}

/// The time of all CPUs since boot, in ticks.
struct CpuTime {
    total: u64,
    idle: u64,
}

impl CpuTime {
    fn now() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
        Self::parse(&stat).context("/proc/stat is not as it is known")
    }

    /// The first line: `cpu  user nice system idle iowait irq softirq steal guest guest_nice`.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .map(|ticks| ticks.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self {
            // The guests' is part of the user's.
            total: ticks.get(..8)?.iter().sum(),
            idle: ticks[3] + ticks[4],
        })
    }

    /// What share of the time since `before` was spent on anything.
    fn busy_since(&self, before: &Self) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1) as f64;
        let idle = self.idle.saturating_sub(before.idle) as f64;
        1.0 - idle / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(line: &str) -> CpuTime {
        CpuTime::parse(&format!("{line}\ncpu0 1 2 3\n")).unwrap()
    }

    #[test]
    fn share_of_other_things() {
        let before = times("cpu  100 0 200 1000 50 1 2 0 0 0");
        let idle = times("cpu  101 0 201 1070 78 1 2 0 0 0");
        let busy = times("cpu  200 0 300 1000 50 1 2 0 0 0");
        assert!((idle.busy_since(&before) - 0.02).abs() < 1e-9);
        assert_eq!(busy.busy_since(&before), 1.0);
    }

    #[test]
    fn what_is_no_stat_is_refused() {
        for stat in [
            "",
            "cpu0 1 2 3 4 5 6 7 8\n",
            "cpu  1 2 3 4\n",
            "cpu  1 2 3 x 5 6 7 8\n",
        ] {
            assert!(CpuTime::parse(stat).is_none(), "{stat:?}");
        }
    }

    #[test]
    fn the_wait_ends() {
        wait(Duration::from_millis(1)).unwrap();
    }
}
