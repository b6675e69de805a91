// SPDX-License-Identifier: GPL-2.0
//! The limits in /proc/sys, which are put back at once: they are the whole machine's.

use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::outcome::Outcome;
use crate::world::Target;

/// The limits' directory.
fn directory(target: &Target) -> &Path {
    Path::new(&target.count).parent().unwrap_or(Path::new("/"))
}

fn write_limit(target: &Target, name: &str, value: impl ToString) -> i64 {
    match std::fs::write(directory(target).join(name), value.to_string()) {
        Ok(()) => 0,
        Err(e) => -i64::from(e.raw_os_error().unwrap_or(0)),
    }
}

fn read_limit(target: &Target, name: &str) -> i64 {
    let text = std::fs::read_to_string(directory(target).join(name)).unwrap_or_default();
    text.trim().parse().unwrap_or(-1)
}

/// Opens masters with little room left.
pub fn fill(target: &Target, at: &str, room: i64, reserve: i64) -> Outcome {
    let before = ["max", "reserve"].map(|name| read_limit(target, name));
    let now = read_limit(target, "nr");
    let mut values = vec![
        write_limit(target, "reserve", reserve),
        write_limit(target, "max", now + reserve.max(0) + room),
    ];
    let path = format!("{at}/ptmx");
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let opened: Vec<_> = (0..4)
        .map(|_| nix::fcntl::open(path.as_str(), flags, Mode::empty()))
        .collect();
    for (name, value) in ["max", "reserve"].iter().zip(before) {
        write_limit(target, name, value);
    }
    for result in &opened {
        values.push(result.as_ref().map_or_else(|e| -(*e as i64), |_| 0));
    }
    let made = read_limit(target, "nr") - now;
    drop(opened);
    values.extend([made, read_limit(target, "nr") - now]);
    Outcome::default().with_values(values)
}

/// Writes odd values to a limit, and puts it back.
pub fn write(target: &Target, name: u8, value: u8) -> Outcome {
    let name = ["max", "reserve", "nr"][usize::from(name) % 3];
    let values = [
        "0",
        "1",
        "-1",
        "1048576",
        "1048577",
        "2147483647",
        "4294967296",
        "x",
        "",
        "5 6",
    ];
    let value = values[usize::from(value) % values.len()];
    let before = read_limit(target, name);
    let wrote = write_limit(target, name, value);
    let after = if name == "nr" {
        0
    } else {
        read_limit(target, name)
    };
    let back = write_limit(target, name, before);
    Outcome {
        ret: 0,
        values: vec![wrote, after, back],
        text: vec![format!("{name}={value}")],
        ..Outcome::default()
    }
}
