// SPDX-License-Identifier: GPL-2.0
//! What is written to one end arrives at the other: all of it, once, in order.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::unistd::{read, write};

/// How long bytes may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits up to a second for one of `events`.
pub fn wait(fd: &OwnedFd, events: PollFlags) -> Result<()> {
    poll(
        &mut [PollFd::new(fd.as_fd(), events)],
        PollTimeout::from(1000u16),
    )
    .context("poll")?;
    Ok(())
}

/// Reads until `got` is as long as `want`, and fails unless they are equal then. Meanwhile writes `text` to the other end.
pub fn transfer(
    from: &OwnedFd,
    mut text: &[u8],
    to: &OwnedFd,
    mut got: Vec<u8>,
    want: &[u8],
) -> Result<()> {
    let start = Instant::now();
    let mut buffer = vec![0; 16384];
    while got.len() < want.len() {
        let mut stuck = true;
        if !text.is_empty() {
            match write(from, text) {
                Ok(n) => {
                    text = &text[n..];
                    stuck = n == 0;
                }
                Err(Errno::EAGAIN) => {}
                Err(e) => return Err(e).context("write"),
            }
        }
        match read(to, &mut buffer) {
            Ok(0) => bail!("end of file after {} bytes of {}", got.len(), want.len()),
            Ok(n) => {
                got.extend_from_slice(&buffer[..n]);
                stuck = false;
            }
            Err(Errno::EAGAIN) => {}
            Err(e) => return Err(e).context("read"),
        }
        if stuck {
            if start.elapsed() > PATIENCE {
                bail!("{} bytes of {} arrived", got.len(), want.len());
            }
            wait(to, PollFlags::POLLIN)?;
        }
    }
    if got != want {
        let at = got.iter().zip(want).take_while(|(a, b)| a == b).count();
        let piece = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at..bytes.len().min(at.saturating_add(40))]).into_owned()
        };
        bail!(
            "from byte {at} on {:?} arrived in place of {:?} ({} bytes, {} were written)",
            piece(&got),
            piece(want),
            got.len(),
            want.len()
        );
    }
    Ok(())
}

/// Reads what there is, and forgets it.
pub fn drain(fd: &OwnedFd) {
    let mut buffer = [0; 4096];
    while matches!(read(fd, &mut buffer), Ok(1..)) {}
}

/// `len` bytes in lines of 64, no two pieces of which look alike.
pub fn lines(len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len.saturating_add(64));
    let mut number = 0u32;
    while text.len() < len {
        text.extend_from_slice(format!("{number:063}\n").as_bytes());
        number = number.wrapping_add(1);
    }
    text.truncate(len);
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
    text
}

/// The text as a terminal puts it out that makes `\n` into `\r\n`.
pub fn with_returns(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|byte| match byte {
            b'\n' => vec![b'\r', b'\n'],
            other => vec![*other],
        })
        .collect()
}
