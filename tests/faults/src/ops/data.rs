// SPDX-License-Identifier: GPL-2.0
//! Bytes: what a failed call did not take or give is still there for the next.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::uio::{readv, writev};
use nix::unistd::{pipe2, read, write};

use super::Operation;
use crate::attempt::Attempt;
use crate::pty::{ioctl_set, Line, Pair};
use crate::stream::{self, drain, lines, transfer, with_returns};
use crate::world::World;

/// For lack of memory the queue on the way can be full.
const FULL: &[Errno] = &[Errno::EAGAIN];

/// Seen of devpts: `n_tty_write()` waits for room where `pty_write()` found no memory for its flip buffer, and nobody who reads
/// makes room in an empty queue.
const SLEEPS_ON: &str = "a writer that found no memory is not woken";

pub const OPERATIONS: &[Operation] = &[
    Operation::new("write to a raw slave, a line", |w, a| {
        from_slave(w, a, Line::Raw, 64, plain)
    })
    .or(FULL),
    Operation::new("write to a raw slave, 60,000 bytes", |w, a| {
        from_slave(w, a, Line::Raw, 60_000, plain)
    })
    .or(FULL),
    Operation::new("write to a cooked slave, a line", |w, a| {
        from_slave(w, a, Line::Cooked, 64, plain)
    })
    .or(FULL),
    Operation::new("write to a cooked slave, 60,000 bytes", |w, a| {
        from_slave(w, a, Line::Cooked, 60_000, plain)
    })
    .or(FULL),
    Operation::new("writev to a slave, 64 pieces", |w, a| {
        from_slave(w, a, Line::Raw, 4096, pieces)
    })
    .or(FULL),
    Operation::new("write to a master, raw, a line", |w, a| {
        from_master(w, a, Line::Raw, 64, plain)
    })
    .or(FULL),
    Operation::new("write to a master, raw, 60,000 bytes", |w, a| {
        from_master(w, a, Line::Raw, 60_000, plain)
    })
    .or(FULL),
    Operation::new("write to a master, in lines", |w, a| {
        from_master(w, a, Line::Quiet, 3000, plain)
    })
    .or(FULL),
    Operation::new("write to a master, echoed", echoed).or(FULL),
    Operation::new("writev to a master, 64 pieces", |w, a| {
        from_master(w, a, Line::Raw, 4096, pieces)
    })
    .or(FULL),
    Operation::new("write to a master, without waiting", |w, a| {
        from_master(w, a, Line::Raw, 4000, without_waiting)
    })
    .or(FULL)
    .not_on_devpts("it does not offer RWF_NOWAIT"),
    Operation::new("blocking write to a slave", |w, a| blocking(w, a, true))
        .not_on_devpts(SLEEPS_ON),
    Operation::new("blocking write to a master", |w, a| blocking(w, a, false))
        .not_on_devpts(SLEEPS_ON),
    Operation::new("read of a master", |w, a| read_master(w, a, false)),
    Operation::new("read of a master in packet mode", |w, a| {
        read_master(w, a, true)
    }),
    Operation::new("readv of a master, 64 pieces", readv_master),
    Operation::new("read of a slave", read_slave),
    Operation::new("splice from a master", splice).or(FULL),
    Operation::new("sendfile to a slave", sendfile).or(FULL),
];

/// How something is written.
type Write = fn(&OwnedFd, &[u8]) -> nix::Result<usize>;

fn plain(fd: &OwnedFd, text: &[u8]) -> nix::Result<usize> {
    write(fd, text)
}

/// More pieces than the kernel has room for on its stack.
fn pieces(fd: &OwnedFd, text: &[u8]) -> nix::Result<usize> {
    let mut vector = [IoSlice::new(&[]); 64];
    for (slice, piece) in vector.iter_mut().zip(text.chunks(64)) {
        *slice = IoSlice::new(piece);
    }
    writev(fd, &vector)
}

/// As io_uring writes.
fn without_waiting(fd: &OwnedFd, text: &[u8]) -> nix::Result<usize> {
    let vector = libc::iovec {
        iov_base: text.as_ptr().cast_mut().cast(),
        iov_len: text.len(),
    };
    // SAFETY: the vector and what it points to outlive the call, which reads them.
    let n = unsafe { libc::pwritev2(fd.as_raw_fd(), &vector, 1, -1, libc::RWF_NOWAIT) };
    Errno::result(n).map(isize::unsigned_abs)
}

fn from_slave(
    world: &World,
    attempt: &mut Attempt<'_>,
    line: Line,
    len: usize,
    how: Write,
) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, line)?;
    let text = lines(len);
    let want = if line == Line::Raw {
        text.clone()
    } else {
        with_returns(&text)
    };
    let n = attempt.once(|| how(&pair.slave, &text))?.unwrap_or(0);
    transfer(&pair.slave, &text[n..], &pair.master.fd, Vec::new(), &want)?;
    drop(pair);
    mounted.umount()
}

fn from_master(
    world: &World,
    attempt: &mut Attempt<'_>,
    line: Line,
    len: usize,
    how: Write,
) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, line)?;
    let text = lines(len);
    let n = attempt.once(|| how(&pair.master.fd, &text))?.unwrap_or(0);
    transfer(&pair.master.fd, &text[n..], &pair.slave, Vec::new(), &text)?;
    drop(pair);
    mounted.umount()
}

/// The echo may be lost, as on C; the input may not.
fn echoed(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Cooked)?;
    let text = lines(640);
    let n = attempt.once(|| write(&pair.master.fd, &text))?.unwrap_or(0);
    transfer(&pair.master.fd, &text[n..], &pair.slave, Vec::new(), &text)?;
    drain(&pair.master.fd);
    // The next is echoed.
    transfer(&pair.master.fd, b"x\n", &pair.slave, Vec::new(), b"x\n")?;
    stream::wait(&pair.master.fd, PollFlags::POLLIN)?;
    let mut echo = [0; 8192];
    let n = read(&pair.master.fd, &mut echo).context("read of the echo")?;
    if !echo[..n].ends_with(b"x\r\n") {
        bail!(
            "the echo of what came after is {:?}",
            String::from_utf8_lossy(&echo[..n])
        );
    }
    drop(pair);
    mounted.umount()
}

/// A write that may wait: whatever fails, it ends once somebody reads.
fn blocking(world: &World, attempt: &mut Attempt<'_>, of_slave: bool) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let (from, to) = if of_slave {
        (&pair.slave, &pair.master.fd)
    } else {
        (&pair.master.fd, &pair.slave)
    };
    let text = lines(30_000);
    set_blocking(from)?;
    let (written, got) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<Vec<u8>> {
            let mut got = Vec::new();
            let mut buffer = [0; 8192];
            while got.len() < text.len() {
                match read(to, &mut buffer) {
                    Ok(n) => got.extend_from_slice(&buffer[..n]),
                    Err(Errno::EAGAIN) => stream::wait(to, PollFlags::POLLIN)?,
                    Err(e) => return Err(e).context("read"),
                }
            }
            Ok(got)
        });
        let first = attempt.once(|| write(from, &text));
        let mut done = *first
            .as_ref()
            .ok()
            .and_then(|r| r.as_ref().ok())
            .unwrap_or(&0);
        let mut rest = Ok(());
        while done < text.len() && rest.is_ok() {
            match write(from, &text[done..]) {
                Ok(n) => done += n,
                Err(e) => rest = Err(e),
            }
        }
        let got = reader.join();
        (first.map(|_| rest), got)
    });
    written?.context("the same again")?;
    let got = got.map_err(|_| anyhow::anyhow!("the reader died"))??;
    if got != text {
        bail!("what was read is not what was written");
    }
    drop(pair);
    mounted.umount()
}

fn set_blocking(fd: &OwnedFd) -> Result<()> {
    use nix::fcntl::{fcntl, FcntlArg, OFlag};
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_RDWR)).context("F_SETFL")?;
    Ok(())
}

/// Waits until all of `len` bytes can be read: with C devpts a kworker moves them.
fn arrived(fd: &OwnedFd, len: usize) -> Result<()> {
    stream::wait(fd, PollFlags::POLLIN)?;
    for _ in 0..1000 {
        let count = crate::pty::ioctl_get(fd, libc::FIONREAD)?;
        if usize::try_from(count).is_ok_and(|count| count >= len) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    bail!("what was written does not arrive");
}

/// How many bytes of N_TTY's a read(2) handles at a time. They are out of N_TTY's buffer when they are copied on, so that they are
/// lost where that fails: `iterate_tty_read()` of `drivers/tty/tty_io.c`, `src/tty/slave_file.rs`. What a master of ours has to give
/// does not come from N_TTY, and is not lost.
fn piece(world: &World, of_master: bool) -> Option<usize> {
    match (world.kinds.usercopy, world.ours, of_master) {
        (false, _, _) | (_, true, true) => None,
        (_, true, false) => Some(256),
        (_, false, _) => Some(64),
    }
}

/// What a reader must have after a first read, which gave `first` after `status` bytes of its own, and a second of the rest: all of
/// `text`, unless a copy failed. Then it lacks that `piece`, which begins where the first read ended.
fn rest_of(
    pair: &Pair,
    to: &OwnedFd,
    first: nix::Result<Vec<u8>>,
    text: &[u8],
    status: usize,
    piece: Option<usize>,
) -> Result<()> {
    // Where the next piece began, in what the call copied.
    let begin = match &first {
        Ok(got) => Some(got.len() + status),
        Err(Errno::EFAULT) => Some(0),
        Err(_) => None,
    };
    let mut want = text.to_vec();
    if let (Some(begin), Some(piece)) = (begin, piece) {
        if begin % piece == 0 {
            let place = |at: usize| at.saturating_sub(status).min(text.len());
            want.drain(place(begin)..place(begin + piece));
        }
    }
    transfer(&pair.slave, &[], to, first.unwrap_or_default(), &want)?;
    if crate::pty::ioctl_get(to, libc::FIONREAD)? != 0 {
        bail!("there is more to be read than was written");
    }
    Ok(())
}

fn read_master(world: &World, attempt: &mut Attempt<'_>, packet: bool) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let text = lines(3000);
    write(&pair.slave, &text)?;
    arrived(&pair.master.fd, text.len())?;
    let mut buffer = vec![0; 8192];
    if packet {
        ioctl_set(&pair.master.fd, libc::TIOCPKT, 1)?;
    }
    let first = attempt.once(|| read(&pair.master.fd, &mut buffer))?;
    if packet {
        ioctl_set(&pair.master.fd, libc::TIOCPKT, 0)?;
    }
    let first = match first {
        Ok(n) if packet => {
            if n == 0 || buffer[0] != 0 {
                bail!("the status is {:?}", buffer.first());
            }
            Ok(buffer[1..n].to_vec())
        }
        other => other.map(|n| buffer[..n].to_vec()),
    };
    let (status, piece) = (usize::from(packet), piece(world, true));
    rest_of(&pair, &pair.master.fd, first, &text, status, piece)?;
    drop(pair);
    mounted.umount()
}

fn readv_master(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let text = lines(3000);
    write(&pair.slave, &text)?;
    arrived(&pair.master.fd, text.len())?;
    let mut buffer = vec![0; 4096];
    let mut vector: Vec<_> = buffer.chunks_mut(64).map(IoSliceMut::new).collect();
    let n = attempt.once(|| readv(&pair.master.fd, &mut vector))?;
    let first = n.map(|n| buffer[..n].to_vec());
    let piece = piece(world, true);
    rest_of(&pair, &pair.master.fd, first, &text, 0, piece)?;
    drop(pair);
    mounted.umount()
}

fn read_slave(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let text = lines(3000);
    write(&pair.master.fd, &text)?;
    arrived(&pair.slave, text.len())?;
    let mut buffer = vec![0; 4096];
    let n = attempt.once(|| read(&pair.slave, &mut buffer))?;
    let first = n.map(|n| buffer[..n].to_vec());
    let piece = piece(world, false);
    rest_of(&pair, &pair.slave, first, &text, 0, piece)?;
    drop(pair);
    mounted.umount()
}

fn splice(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let text = lines(3000);
    write(&pair.slave, &text)?;
    arrived(&pair.master.fd, text.len())?;
    let (out, into) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let n = attempt.once(|| {
        let none = std::ptr::null_mut();
        // SAFETY: no offsets.
        let n = unsafe {
            libc::splice(
                pair.master.fd.as_raw_fd(),
                none,
                into.as_raw_fd(),
                none,
                8192,
                libc::SPLICE_F_NONBLOCK,
            )
        };
        Errno::result(n).map(isize::unsigned_abs)
    })?;
    let mut buffer = vec![0; 8192];
    let first = n.map(|n| {
        let n = if n > 0 {
            read(&out, &mut buffer).unwrap_or(0)
        } else {
            0
        };
        buffer[..n].to_vec()
    });
    // It is copied to the kernel's own pages, which cannot fail.
    rest_of(&pair, &pair.master.fd, first, &text, 0, None)?;
    drop((pair, out, into));
    mounted.umount()
}

fn sendfile(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let mounted = world.mount()?;
    let pair = Pair::open(world, Line::Raw)?;
    let text = lines(3000);
    let path = world.point.with_file_name("text");
    std::fs::write(&path, &text)?;
    let file = std::fs::File::open(&path)?;
    let n = attempt.once(|| {
        // SAFETY: no offset.
        let n = unsafe {
            libc::sendfile(
                pair.slave.as_raw_fd(),
                file.as_raw_fd(),
                std::ptr::null_mut(),
                text.len(),
            )
        };
        Errno::result(n).map(isize::unsigned_abs)
    })?;
    transfer(
        &pair.slave,
        &text[n.unwrap_or(0)..],
        &pair.master.fd,
        Vec::new(),
        &text,
    )?;
    drop((pair, file));
    mounted.umount()
}
