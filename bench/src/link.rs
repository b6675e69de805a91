// SPDX-License-Identifier: GPL-2.0

//! What bytes are moved through: a pty of either file system, or a pair of pipes, seen alike.

use crate::pty::{self, Discipline};
use crate::sandbox::Mount;
use anyhow::{bail, ensure, Context, Result};
use nix::fcntl::OFlag;
use nix::unistd;
use std::os::fd::{AsFd, OwnedFd};

/// Who is measured.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// The ptys of a mount.
    Pty(&'a Mount),
    /// Pipes, for comparison: the least that the kernel can do to move bytes.
    Pipe,
}

/// One end of a [`Link`].
pub struct End {
    /// What comes from the other end.
    pub reader: OwnedFd,
    /// What goes to the other end.
    pub writer: OwnedFd,
}

/// Two ends that bytes pass between, both ways.
pub struct Link {
    /// The master, or the like.
    pub near: End,
    /// The slave, or the like.
    pub far: End,
}

impl Link {
    /// A new pty or a new pair of pipes; what a line discipline does is left out with pipes.
    pub fn open(subject: Subject, discipline: Discipline) -> Result<Self> {
        match subject {
            Subject::Pty(mount) => {
                let (master, slave) = pty::open_pair(mount.dir(), discipline)?;
                Ok(Self {
                    near: End::of_both(master)?,
                    far: End::of_both(slave)?,
                })
            }
            Subject::Pipe => {
                let out = unistd::pipe2(OFlag::O_CLOEXEC).context("pipe")?;
                let back = unistd::pipe2(OFlag::O_CLOEXEC).context("pipe")?;
                Ok(Self {
                    near: End {
                        reader: out.0,
                        writer: back.1,
                    },
                    far: End {
                        reader: back.0,
                        writer: out.1,
                    },
                })
            }
        }
    }
}

impl End {
    fn of_both(fd: OwnedFd) -> Result<Self> {
        let reader = fd.try_clone().context("dup")?;
        Ok(Self { reader, writer: fd })
    }
}

/// Writes all of `bytes`, in as few calls as the kernel lets us.
pub fn write_all(fd: &impl AsFd, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[unistd::write(fd, rest).context("write")?..];
    }
    Ok(())
}

/// Reads exactly as much as `into` holds.
pub fn read_exact(fd: &impl AsFd, into: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < into.len() {
        match unistd::read(fd, &mut into[done..]).context("read")? {
            0 => bail!("end of file"),
            n => done += n,
        }
    }
    Ok(())
}

/// Reads `total` bytes with as few calls as the kernel lets us, each as large as `buffer`; how many those
/// were.
///
/// With a `pattern`, each byte must be that of the pattern repeated.
pub fn drain(fd: &impl AsFd, buffer: &mut [u8], total: u64, pattern: Option<&[u8]>) -> Result<u64> {
    let (mut done, mut reads) = (0_u64, 0);
    while done < total {
        let n = match unistd::read(fd, buffer).context("read")? {
            0 => bail!("end of file after {done} of {total} bytes"),
            n => n,
        };
        if let Some(pattern) = pattern {
            let mut place = (done % pattern.len() as u64) as usize;
            for (i, &byte) in buffer[..n].iter().enumerate() {
                let want = pattern[place];
                let at = done + i as u64;
                ensure!(byte == want, "byte {at} is {byte:#04x}, not {want:#04x}");
                place = (place + 1) % pattern.len();
            }
        }
        done += n as u64;
        reads += 1;
    }
    ensure!(done == total, "{done} bytes came where {total} were due");
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `drain` says of `written`, if `total` bytes of "abc" repeated are due.
    fn drained(written: &[u8], total: u64) -> Result<u64> {
        let link = Link::open(Subject::Pipe, Discipline::Raw)?;
        write_all(&link.far.writer, written)?;
        drop(link.far);
        drain(&link.near.reader, &mut [0; 4], total, Some(b"abc"))
    }

    #[test]
    fn the_bytes_that_are_due_pass_and_reads_are_counted() {
        assert_eq!(drained(b"abcabcabca", 10).unwrap(), 3);
    }

    #[test]
    fn lost_changed_and_surplus_bytes_do_not() {
        let says = |written, total| drained(written, total).unwrap_err().to_string();
        assert_eq!(says(b"abcabcbca", 9), "byte 6 is 0x62, not 0x61");
        assert_eq!(says(b"abcabx", 6), "byte 5 is 0x78, not 0x63");
        assert_eq!(says(b"abcabc", 7), "end of file after 6 of 7 bytes");
        assert_eq!(says(b"abcabca", 6), "7 bytes came where 6 were due");
    }

    #[test]
    fn both_ways_of_a_link_are_separate() {
        let link = Link::open(Subject::Pipe, Discipline::Raw).unwrap();
        write_all(&link.near.writer, b"down").unwrap();
        write_all(&link.far.writer, b"up").unwrap();
        let (mut down, mut up) = ([0; 4], [0; 2]);
        read_exact(&link.far.reader, &mut down).unwrap();
        read_exact(&link.near.reader, &mut up).unwrap();
        assert_eq!((&down, &up), (b"down", b"up"));
    }
}
