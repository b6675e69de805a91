// SPDX-License-Identifier: GPL-2.0
//! What somebody else could learn: of keystrokes from events and times, of passwords from memory, of anything from bytes that
//! nobody has written.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::kcore::{wipe, Secret, SECRET};
use crate::fixture::process::{become_user, child};
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "secrets":
    fanotify_is_silent_on_masters => "fanotify tells nothing of what is done with a master, and of a slave nothing before it is read",
    others_cannot_watch => "who may not read a slave cannot watch it, and a watch on ptmx tells nothing of it",
    password_is_wiped [alone] => "a password that was read is in no memory of the kernel",
    password_that_waited_is_wiped [alone] => "nor is one that had to wait for room",
}

/// fanotify(7) on a node. It tells of device nodes by handles only, and one at a time.
struct Fanotify(OwnedFd);

impl Fanotify {
    fn on(path: &Path) -> Result<Self> {
        let flags =
            libc::FAN_CLASS_NOTIF | libc::FAN_REPORT_FID | libc::FAN_NONBLOCK | libc::FAN_CLOEXEC;
        // SAFETY: a system call without pointers, which gives a new descriptor.
        let fd = unsafe { libc::fanotify_init(flags, libc::O_RDONLY as libc::c_uint) };
        ensure!(fd >= 0, "fanotify_init: {}", Errno::last());
        // SAFETY: as above.
        let group = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
        // SAFETY: the path outlives the call.
        let marked = unsafe {
            libc::fanotify_mark(
                fd,
                libc::FAN_MARK_ADD,
                libc::FAN_OPEN | libc::FAN_ACCESS | libc::FAN_MODIFY | libc::FAN_CLOSE,
                libc::AT_FDCWD,
                path.as_ptr(),
            )
        };
        Errno::result(marked).context("fanotify_mark")?;
        Ok(group)
    }

    /// What has happened since the last time, together.
    fn now(&self) -> Result<u64> {
        let bytes = match io::read_now(&self.0, 8192) {
            Ok(bytes) => bytes,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(errno) => return Err(errno).context("read of events"),
        };
        let mut rest = &bytes[..];
        let mut all = 0;
        while !rest.is_empty() {
            ensure!(rest.len() >= size_of::<libc::fanotify_event_metadata>());
            // SAFETY: plain data, and as many bytes.
            let event: libc::fanotify_event_metadata =
                unsafe { std::ptr::read_unaligned(rest.as_ptr().cast()) };
            all |= event.mask;
            rest = &rest[event.event_len as usize..];
        }
        Ok(all)
    }
}

fn fanotify_is_silent_on_masters(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let of_masters = Fanotify::on(&fs.join("ptmx"))?;
    let pty = Pty::open(&fs)?;
    let of_slave = Fanotify::on(&pty.path)?;
    let slave = pty.slave()?;
    check_eq!(libc::FAN_OPEN, of_slave.now()?, "events of open");
    for key in *b"keys\n" {
        io::write_all(&pty.master, [key])?;
        io::read_some(&pty.master, 10)??;
        check_eq!(0, of_slave.now()?, "events of the slave at a key");
    }
    io::expect_read(&slave, b"keys\n")?;
    check_eq!(libc::FAN_ACCESS, of_slave.now()?, "events of read");
    io::write_all(&slave, b"x")?;
    io::read_some(&pty.master, 10)??;
    check_eq!(libc::FAN_MODIFY, of_slave.now()?, "events of write");
    drop(pty);
    check_eq!(0, of_masters.now()?, "events of ptmx");
    Ok(())
}

fn others_cannot_watch(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,mode=620,gid=1001")?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    for user in [1000, 1001] {
        child(|| {
            become_user(user)?;
            let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
            check_errno(
                watch.add_watch(&pty.path, AddWatchFlags::IN_ALL_EVENTS),
                Errno::EACCES,
                "a watch on the slave",
            )?;
            watch.add_watch(&fs.join("ptmx"), AddWatchFlags::IN_ALL_EVENTS)?;
            for key in *b"keys\n" {
                io::write_all(&pty.master, [key])?;
                io::read_some(&pty.master, 10)??;
            }
            io::expect_read(&slave, b"keys\n")?;
            check_errno(watch.read_events(), Errno::EAGAIN, "events of ptmx")?;
            Ok(())
        })?
        .succeed()?;
    }
    Ok(())
}

/// A page that is not on any stack and is not swapped out.
struct Page(&'static mut [u8]);

impl Page {
    fn new() -> Result<Self> {
        // SAFETY: a new anonymous mapping, which is never unmapped.
        unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_LOCKED,
                -1,
                0,
            );
            ensure!(page != libc::MAP_FAILED, "mmap: {}", Errno::last());
            Ok(Self(std::slice::from_raw_parts_mut(page.cast(), 4096)))
        }
    }
}

/// Types the secret, which the page is wiped of afterwards.
fn type_secret(secret: &Secret, pty: &Pty, page: &mut Page, flags: libc::c_int) -> Outcome {
    let (_, rest) = page.0.split_at_mut(8);
    secret.reveal(rest);
    let segment = libc::iovec {
        iov_base: rest.as_mut_ptr().cast(),
        iov_len: SECRET + 1,
    };
    // SAFETY: the segment is within the page.
    let written = unsafe { libc::pwritev2(pty.master.as_raw_fd(), &segment, 1, -1, flags) };
    wipe(page.0);
    check_eq!((SECRET + 1) as isize, written, "typed");
    Ok(())
}

/// Reads a line into the page, and wipes that; gives its length.
fn read_line(slave: &OwnedFd, page: &mut Page) -> Result<usize> {
    io::wait_for(slave, nix::poll::PollFlags::POLLIN)?;
    let n = nix::unistd::read(slave, page.0).context("read")?;
    wipe(page.0);
    Ok(n)
}

/// Types what is not secret, over what the last write has left in its buffer, and reads it.
fn type_and_read_junk(pty: &Pty, slave: &OwnedFd, page: &mut Page) -> Outcome {
    io::write_all(&pty.master, [b'j'; 2 * SECRET])?;
    io::write_all(&pty.master, b"\n")?;
    check_eq!(2 * SECRET + 1, read_line(slave, page)?, "junk");
    Ok(())
}

/// Runs `type_and_read` with a pty that asks for a password, and looks for that.
fn nothing_is_left(
    ctx: &Ctx,
    type_and_read: impl Fn(&Secret, &Pty, &OwnedFd, &mut Page) -> Outcome,
) -> Outcome {
    let secret = Secret::new()?;
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    let mut page = Page::new()?;
    // That it can be found at all.
    secret.reveal(&mut page.0[64..]);
    let found = secret.places()?;
    wipe(page.0);
    // More than one where what is looked into has the copy that is made while looking.
    check!(!found.is_empty(), "it is nowhere while it is known");
    type_and_read(&secret, &pty, &slave, &mut page)?;
    type_and_read_junk(&pty, &slave, &mut page)?;
    let found = secret.places()?;
    check!(found.is_empty(), "it is still at {found:x?}");
    drop((pty, slave));
    let found = secret.places()?;
    check!(found.is_empty(), "after the close, it is at {found:x?}");
    Ok(())
}

fn password_is_wiped(ctx: &Ctx) -> Outcome {
    nothing_is_left(ctx, |secret, pty, slave, page| {
        type_secret(secret, pty, page, 0)?;
        check_eq!(SECRET + 1, read_line(slave, page)?, "password");
        if ctx.target.nowait {
            io::write_all(&pty.master, b"x\n")?;
            read_line(slave, page)?;
            type_secret(secret, pty, page, libc::RWF_NOWAIT)?;
            check_eq!(SECRET + 1, read_line(slave, page)?, "password");
        }
        Ok(())
    })
}

fn password_that_waited_is_wiped(ctx: &Ctx) -> Outcome {
    const LINES: usize = 45;
    nothing_is_left(ctx, |secret, pty, slave, page| {
        // More than the line discipline takes.
        for _ in 0..LINES {
            io::write_all(&pty.master, [b'f'; 99])?;
            io::write_all(&pty.master, b"\n")?;
        }
        type_secret(secret, pty, page, 0)?;
        for line in 0..LINES {
            check_eq!(100, read_line(slave, page)?, "line {line}");
        }
        check_eq!(SECRET + 1, read_line(slave, page)?, "password");
        Ok(())
    })
}
