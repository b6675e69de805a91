// SPDX-License-Identifier: GPL-2.0

//! How much memory the kernel uses for itself.

use anyhow::{Context, Result};
use std::time::Duration;

/// What `/proc/meminfo` counts of it: slabs, large `kmalloc()` and `kvmalloc()` areas, per-CPU areas.
const FIELDS: [&str; 3] = ["Slab", "VmallocUsed", "Percpu"];

/// How long to wait between two looks, and for how many looks at most.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 100;

/// What the rest of the system may change between two looks (KiB); a thousandth of what is measured.
const NOISE: u64 = 32;

/// The sum in KiB, when it hardly changes any more: what was closed is freed a while later, by work queues and RCU.
pub fn settled() -> Result<f64> {
    let mut last = now()?;
    for _ in 0..LOOKS {
        std::thread::sleep(LOOK);
        let sum = now()?;
        let change = sum.abs_diff(last);
        last = sum;
        if change <= NOISE {
            break;
        }
    }
    Ok(last as f64)
}

fn now() -> Result<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    sum(&meminfo).context("/proc/meminfo is not as it is known")
}

/// Lines are `Name:   123 kB`.
fn sum(meminfo: &str) -> Option<u64> {
    let value = |name| {
        let mut lines = meminfo.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    FIELDS.into_iter().map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_summed() {
        let text =
            "Slab:   100 kB\nSlabX: 9 kB\nVmallocTotal: 7 kB\nVmallocUsed:  20 kB\nPercpu: 3 kB\n";
        assert_eq!(sum(text), Some(123));
        assert_eq!(sum("Slab:   100 kB\nVmallocUsed:  20 kB\n"), None);
        assert_eq!(sum("Slab: 1\nVmallocUsed: 20 kB\nPercpu: 3 kB\n"), None);
    }

    #[test]
    fn this_kernel_tells() {
        assert!(settled().unwrap() > 1000.0);
    }
}
