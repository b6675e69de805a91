// SPDX-License-Identifier: GPL-2.0

//! Latency: how long one byte takes to go there and come back.

use super::{Figure, Run, Workload};
use crate::link::{read_exact, write_all, End, Link, Subject};
use crate::peer::Peer;
use crate::pty::{self, Discipline};
use anyhow::{ensure, Result};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Typing: a character is written to the master, and its echo is waited for before the next one. Each line is read by the
/// slave's reader when it is complete, in this process too. There is nothing like it with a pipe.
pub fn echo() -> Workload {
    Workload {
        name: "echo round trip".into(),
        figure: Figure::Time,
        prepare: Box::new(|subject| match subject {
            Subject::Pty(mount) => {
                let (master, slave) = pty::open_pair(mount.dir(), Discipline::Default)?;
                Ok(Some(Box::new(Echo {
                    master,
                    slave,
                    typed: Vec::new(),
                })))
            }
            Subject::Pipe => Ok(None),
        }),
    }
}

/// A byte goes from this process to another one, which sends it back.
pub fn ping_pong() -> Workload {
    Workload {
        name: "ping-pong between two processes".into(),
        figure: Figure::Time,
        prepare: Box::new(|subject| {
            let Link { near, far } = Link::open(subject, Discipline::Raw)?;
            let peer = Peer::spawn(move |n| {
                let mut ball = [0];
                for _ in 0..n {
                    read_exact(&far.reader, &mut ball)?;
                    write_all(&far.writer, &ball)?;
                }
                Ok(())
            })?;
            Ok(Some(Box::new(PingPong { near, peer })))
        }),
    }
}

/// Columns of a typed line, without its newline.
const COLUMNS: usize = 79;

struct Echo {
    master: OwnedFd,
    slave: OwnedFd,
    /// The line so far.
    typed: Vec<u8>,
}

impl Echo {
    /// Types `key`, and waits for `echo`.
    fn key(&mut self, key: u8, echo: &[u8]) -> Result<()> {
        write_all(&self.master, &[key])?;
        self.typed.push(key);
        let mut seen = [0; 2];
        let seen = &mut seen[..echo.len()];
        read_exact(&self.master, seen)?;
        ensure!(seen == echo, "{seen:?} is the echo of {key}");
        Ok(())
    }

    /// Types the newline, and takes the line at the other end.
    fn enter(&mut self) -> Result<()> {
        self.key(b'\n', b"\r\n")?;
        let mut line = vec![0; self.typed.len()];
        read_exact(&self.slave, &mut line)?;
        ensure!(line == self.typed, "{line:?} was read of what was typed");
        self.typed.clear();
        Ok(())
    }
}

impl Run for Echo {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..n {
            if self.typed.len() < COLUMNS {
                let key = b'a' + (self.typed.len() % 26) as u8;
                self.key(key, &[key])?;
            } else {
                self.enter()?;
            }
        }
        Ok(start.elapsed())
    }
}

struct PingPong {
    near: End,
    peer: Peer,
}

impl Run for PingPong {
    fn run(&mut self, n: u64) -> Result<Duration> {
        let start = Instant::now();
        self.peer.start(n)?;
        for i in 0..n {
            let (ball, mut back) = ([i as u8], [0]);
            write_all(&self.near.writer, &ball)?;
            read_exact(&self.near.reader, &mut back)?;
            ensure!(back == ball, "{back:?} came back of {ball:?}");
        }
        let elapsed = start.elapsed();
        self.peer.finish()?;
        Ok(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ball_comes_back() {
        let mut run = (ping_pong().prepare)(Subject::Pipe).unwrap().unwrap();
        run.run(1000).unwrap();
        run.run(1).unwrap();
    }

    #[test]
    fn pipes_do_not_echo() {
        assert!((echo().prepare)(Subject::Pipe).unwrap().is_none());
    }
}
