// SPDX-License-Identifier: GPL-2.0

//! Throughput: one process writes as fast as it can, the other reads as fast as it can.

use super::{listing, Better, Figure, Run, Workload};
use crate::link::{drain, write_all, End, Link, Subject};
use crate::peer::Peer;
use crate::pty::Discipline;
use anyhow::{ensure, Result};
use std::time::{Duration, Instant};

/// Of one operation, and of the readers' buffers.
const SIZE: usize = 64 * 1024;

/// Columns of a line, with its newline.
const LINE: usize = 80;

/// What the first run moves, to check what comes out: more than any buffer on the way holds.
const CHECKED: u64 = 4;

/// How a program writes what it has to say.
#[derive(Clone, Copy)]
enum Pieces {
    /// So many bytes at a time.
    Of(usize),
    /// Each line when it is complete, as the C library does on a terminal.
    Lines,
}

/// Program output with nothing done to it, `size` bytes at a time.
pub fn slave_to_master_raw(size: usize) -> Workload {
    let name = format!("slave-to-master raw, {} writes", size_name(size));
    up(name, Discipline::Raw, bytes, Pieces::Of(size), 1)
}

/// Text, with its newlines made CR NL. Bytes are counted as they are written.
pub fn slave_to_master_cooked(size: usize) -> Workload {
    let name = format!("slave-to-master cooked, {} writes", size_name(size));
    up(name, Discipline::CookedOutput, lines, Pieces::Of(size), 1)
}

/// What people look at: a program that lists directories, a line at a time, 20 MB of it.
pub fn listing() -> Workload {
    let name = "20 MB of ls -lR, a write per line".into();
    let times = 20_000_000_u64.div_ceil(listing::text().len() as u64);
    let discipline = Discipline::CookedOutput;
    up(name, discipline, listing::text, Pieces::Lines, times)
}

/// A paste, into a program that takes it raw.
pub fn master_to_slave_raw() -> Workload {
    let name = "master-to-slave raw, 64 KiB writes";
    down(name, Discipline::Raw, bytes, |_| SIZE)
}

/// A paste, into a program that takes it line by line: each read gives one.
pub fn master_to_slave_canonical() -> Workload {
    // A pipe knows no lines: so much work for its reader, about.
    let buffer = |subject: Subject| match subject {
        Subject::Pty(_) => SIZE,
        Subject::Pipe => LINE,
    };
    let name = "master-to-slave canonical, 64 KiB writes";
    down(name, Discipline::CanonicalInput, lines, buffer)
}

/// How much each of the master's reads gives of raw output.
pub fn bytes_per_read() -> Workload {
    let raw = slave_to_master_raw(SIZE);
    Workload {
        name: "bytes per master read, 64 KiB buffer".into(),
        figure: Figure::Counted {
            unit: "bytes",
            better: Better::Higher,
        },
        ..raw
    }
}

/// One operation writes the text that many `times`.
fn up(
    name: String,
    discipline: Discipline,
    text: fn() -> Vec<u8>,
    pieces: Pieces,
    times: u64,
) -> Workload {
    let bytes = times * text().len() as u64;
    Workload {
        name,
        figure: Figure::Throughput { bytes },
        prepare: Box::new(move |subject| {
            let Link { near, far } = Link::open(subject, discipline)?;
            let text = text();
            let is_cooked =
                discipline == Discipline::CookedOutput && matches!(subject, Subject::Pty(_));
            let output = if is_cooked {
                cooked(&text)
            } else {
                text.clone()
            };
            let peer = Peer::spawn(move |n| {
                let mut write = |piece: &[u8]| write_all(&far.writer, piece);
                (0..n).try_for_each(|_| match pieces {
                    Pieces::Of(size) => text.chunks(size).try_for_each(&mut write),
                    Pieces::Lines => text
                        .split_inclusive(|&byte| byte == b'\n')
                        .try_for_each(&mut write),
                })
            })?;
            let mut up = Up {
                near,
                peer,
                buffer: vec![0; SIZE],
                output,
                times,
                is_checked: false,
                per_read: 0.0,
            };
            up.pass(CHECKED.div_ceil(times))?;
            Ok(Some(Box::new(up)))
        }),
    }
}

fn down(
    name: &str,
    discipline: Discipline,
    text: fn() -> Vec<u8>,
    buffer: fn(Subject) -> usize,
) -> Workload {
    Workload {
        name: name.into(),
        figure: Figure::Throughput {
            bytes: text().len() as u64,
        },
        prepare: Box::new(move |subject| {
            let Link { near, far } = Link::open(subject, discipline)?;
            let pattern = text();
            let mut buffer = vec![0; buffer(subject)];
            let has_lines =
                discipline == Discipline::CanonicalInput && matches!(subject, Subject::Pty(_));
            let mut unchecked = true;
            let peer = Peer::spawn(move |n| {
                let check = std::mem::take(&mut unchecked).then_some(&pattern[..]);
                let total = n * pattern.len() as u64;
                let reads = drain(&far.reader, &mut buffer, total, check)?;
                ensure!(
                    !has_lines || reads == total / LINE as u64,
                    "{reads} reads for {total} bytes of lines"
                );
                Ok(())
            })?;
            let text = text();
            let mut down = Down { text, near, peer };
            down.run(CHECKED)?;
            Ok(Some(Box::new(down)))
        }),
    }
}

/// How people call a size.
fn size_name(bytes: usize) -> String {
    if bytes % 1024 == 0 {
        format!("{} KiB", bytes / 1024)
    } else {
        format!("{bytes}-byte")
    }
}

/// Bytes of all values, each place unlike those near it.
pub(super) fn bytes() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 251 + i / 251) as u8).collect()
}

/// Whole lines, no two alike.
fn lines() -> Vec<u8> {
    let line = |i| format!("{i:0width$}\n", width = LINE - 1).into_bytes();
    (0..SIZE / LINE).flat_map(line).collect()
}

/// What `ONLCR` makes of it.
fn cooked(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(text.len() + text.len() / LINE);
    for &byte in text {
        if byte == b'\n' {
            output.push(b'\r');
        }
        output.push(byte);
    }
    output
}

/// From slave to master, read by this process.
struct Up {
    near: End,
    peer: Peer,
    buffer: Vec<u8>,
    /// What comes out of the text.
    output: Vec<u8>,
    /// How many of those are one operation.
    times: u64,
    is_checked: bool,
    /// What each read of the last run gave.
    per_read: f64,
}

impl Up {
    /// Passes the text on `n` times.
    fn pass(&mut self, n: u64) -> Result<Duration> {
        let check = (!self.is_checked).then_some(&self.output[..]);
        let total = n * self.output.len() as u64;
        let start = Instant::now();
        self.peer.start(n)?;
        let reads = drain(&self.near.reader, &mut self.buffer, total, check)?;
        let elapsed = start.elapsed();
        self.peer.finish()?;
        self.is_checked = true;
        self.per_read = total as f64 / reads as f64;
        Ok(elapsed)
    }
}

impl Run for Up {
    fn run(&mut self, n: u64) -> Result<Duration> {
        self.pass(n * self.times)
    }

    fn counted(&self) -> f64 {
        self.per_read
    }
}

/// From master to slave, written by this process.
struct Down {
    text: Vec<u8>,
    near: End,
    peer: Peer,
}

impl Run for Down {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        self.peer.start(n)?;
        for _ in 0..n {
            write_all(&self.near.writer, &self.text)?;
        }
        // It is done when all has been read.
        self.peer.finish()?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_lines() {
        let text = String::from_utf8(lines()).unwrap();
        assert_eq!(text.len(), 65520);
        assert!(text.split_inclusive('\n').all(|line| line.len() == LINE));
    }

    #[test]
    fn cooked_lines_have_a_carriage_return() {
        assert_eq!(cooked(b"a\nb\n"), b"a\r\nb\r\n");
    }

    #[test]
    fn runs_go_both_ways() {
        for workload in [
            slave_to_master_raw(4096),
            slave_to_master_cooked(LINE),
            master_to_slave_raw(),
            master_to_slave_canonical(),
        ] {
            let mut run = (workload.prepare)(Subject::Pipe).unwrap().unwrap();
            for n in [1, 20] {
                run.run(n).unwrap();
            }
        }
    }
}
