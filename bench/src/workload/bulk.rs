// SPDX-License-Identifier: GPL-2.0

//! Throughput: one process writes as fast as it can, the other reads as fast as it can.

use super::{Figure, Run, Workload};
use crate::link::{drain, write_all, End, Link, Subject};
use crate::peer::Peer;
use crate::pty::Discipline;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Of writes, and of the readers' buffers.
const SIZE: usize = 64 * 1024;

/// Columns of a line, with its newline.
const LINE: usize = 80;

/// What the first run moves, to check what comes out: more than any buffer on the way holds.
const CHECKED: u64 = 4;

/// Program output as programs make it that care for speed, with nothing done to it.
pub fn slave_to_master_raw() -> Workload {
    up("slave-to-master raw, 64 KiB writes", Discipline::Raw, bytes)
}

/// The same as text, with its newlines made CR NL. Bytes are counted as they are written.
pub fn slave_to_master_cooked() -> Workload {
    up(
        "slave-to-master cooked, 64 KiB writes",
        Discipline::CookedOutput,
        lines,
    )
}

/// A paste, into a program that takes it raw.
pub fn master_to_slave_raw() -> Workload {
    let chunk = bytes();
    Workload {
        name: "master-to-slave raw, 64 KiB writes".into(),
        figure: throughput(&chunk),
        prepare: Box::new(move |subject| {
            let Link { near, far } = Link::open(subject, Discipline::Raw)?;
            let pattern = chunk.clone();
            let mut buffer = vec![0; SIZE];
            let mut unchecked = true;
            let peer = Peer::spawn(move |n| {
                let check = std::mem::take(&mut unchecked).then_some(&pattern[..]);
                let total = n * pattern.len() as u64;
                drain(&far.reader, &mut buffer, total, check)
            })?;
            let chunk = chunk.clone();
            let mut down = Down { chunk, near, peer };
            down.run(CHECKED)?;
            Ok(Some(Box::new(down)))
        }),
    }
}

fn up(name: &str, discipline: Discipline, chunk: fn() -> Vec<u8>) -> Workload {
    Workload {
        name: name.into(),
        figure: throughput(&chunk()),
        prepare: Box::new(move |subject| {
            let Link { near, far } = Link::open(subject, discipline)?;
            let chunk = chunk();
            let is_cooked =
                discipline == Discipline::CookedOutput && matches!(subject, Subject::Pty(_));
            let output = if is_cooked {
                cooked(&chunk)
            } else {
                chunk.clone()
            };
            let peer =
                Peer::spawn(move |n| (0..n).try_for_each(|_| write_all(&far.writer, &chunk)))?;
            let mut up = Up {
                near,
                peer,
                buffer: vec![0; SIZE],
                output,
                is_checked: false,
            };
            up.run(CHECKED)?;
            Ok(Some(Box::new(up)))
        }),
    }
}

fn throughput(chunk: &[u8]) -> Figure {
    Figure::Throughput {
        bytes: chunk.len() as u64,
    }
}

/// One write of bytes of all values, each place unlike those near it.
fn bytes() -> Vec<u8> {
    (0..SIZE).map(|i| (i % 251 + i / 251) as u8).collect()
}

/// One write of whole lines, no two alike.
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
    /// What comes out of one write.
    output: Vec<u8>,
    is_checked: bool,
}

impl Run for Up {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let check = (!self.is_checked).then_some(&self.output[..]);
        let total = n * self.output.len() as u64;
        let start = Instant::now();
        self.peer.start(n)?;
        drain(&self.near.reader, &mut self.buffer, total, check)?;
        let elapsed = start.elapsed();
        self.peer.finish()?;
        self.is_checked = true;
        Ok(elapsed)
    }
}

/// From master to slave, written by this process.
struct Down {
    chunk: Vec<u8>,
    near: End,
    peer: Peer,
}

impl Run for Down {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        self.peer.start(n)?;
        for _ in 0..n {
            write_all(&self.near.writer, &self.chunk)?;
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
            slave_to_master_raw(),
            slave_to_master_cooked(),
            master_to_slave_raw(),
        ] {
            let mut run = (workload.prepare)(Subject::Pipe).unwrap().unwrap();
            for n in [1, 20] {
                run.run(n).unwrap();
            }
        }
    }
}
