// SPDX-License-Identifier: GPL-2.0
//! What the driver says to the processes of a world, and what they answer: one message each way, over a socket pair.

use std::os::fd::RawFd;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use serde::{de::DeserializeOwned, Deserialize, Serialize};

use crate::ops::Op;
use crate::outcome::Outcome;

/// To an actor.
#[derive(Serialize, Deserialize)]
pub struct Command {
    /// Its number.
    pub number: u32,
    /// What to do.
    pub op: Op,
    /// What to look at after it.
    pub look: Look,
}

/// From an actor.
#[derive(Serialize, Deserialize)]
pub struct Reply {
    /// What the operation gave.
    pub outcome: Outcome,
    /// What there was to see after it, with the world at rest.
    pub seen: Observation,
}

/// Descriptors to look at, and actors that are under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Look {
    /// The descriptors.
    pub fds: Vec<i32>,
    /// The actors.
    pub busy: Vec<u8>,
}

/// To the first process of a world, which never blocks.
#[derive(Clone, Serialize, Deserialize)]
pub enum Request {
    /// Look, and bury the dead.
    Observe(Look),
    /// Interrupt an actor.
    Interrupt(u8),
    /// Begin anew: other actors, other mounts, no descriptors.
    Reset,
}

/// What there is to see in a world.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// For each descriptor: events, bytes to read.
    pub fds: Vec<(i32, i16, i32)>,
    /// The actors' states, as in `/proc/PID/stat`.
    pub states: Vec<(u8, char)>,
    /// Who ended: process id, wait status.
    pub ended: Vec<(i32, i32)>,
}

/// The longest message.
pub const LONGEST: usize = 160 * 1024;
/// The longest to a process of a world, which is made anew for every case and shall touch little memory.
pub const LONGEST_ORDER: usize = 8 * 1024;

/// Sends one message.
pub fn send(socket: RawFd, message: &impl Serialize) -> Result<()> {
    let bytes = postcard::to_allocvec(message).context("message")?;
    loop {
        // SAFETY: the buffer is as long as said.
        let sent = unsafe {
            libc::send(
                socket,
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        };
        match Errno::result(sent) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("send"),
        }
    }
}

/// Receives one message that fits into `buf`; `None` if there is none and `wait` is not set.
pub fn receive<T: DeserializeOwned>(
    socket: RawFd,
    buf: &mut [u8],
    wait: bool,
) -> Result<Option<T>> {
    loop {
        let flags = if wait { 0 } else { libc::MSG_DONTWAIT };
        // SAFETY: the buffer is as long as said.
        let got = unsafe { libc::recv(socket, buf.as_mut_ptr().cast(), buf.len(), flags) };
        match Errno::result(got) {
            Ok(0) => bail!("the other side is gone"),
            Ok(len) => {
                return postcard::from_bytes(&buf[..len as usize])
                    .map(Some)
                    .context("message")
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(e) => return Err(e).context("recv"),
        }
    }
}
