// SPDX-License-Identifier: GPL-2.0
//! A reader of the directory that is stalled in a page fault which user space serves holds nobody up.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread::JoinHandle;

use anyhow::{ensure, Context, Result};
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::mount::open_at;
use crate::fixture::process::child;
use crate::fixture::{io, ioctl, Fs, Pty};

cases! { "stalled_reader":
    open_goes_on => "ptmx can be opened, and its slave, while a getdents is stalled",
    close_goes_on => "a master can be closed, and its slave is hung up, while a getdents is stalled",
    lookup_goes_on => "names are found and missed while a getdents is stalled",
    getdents_goes_on => "the directory can be listed while a getdents is stalled",
    finishes => "a getdents that was stalled lists what was there throughout",
}

// include/uapi/linux/userfaultfd.h
const UFFD_API: u64 = 0xaa;
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_ZEROPAGE: libc::c_ulong = 0xc020_aa04;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

const PAGE: usize = 4096;

/// A thread that is inside getdents64, stalled where the kernel copies the first entry.
struct Stalled {
    uffd: OwnedFd,
    page: usize,
    reader: JoinHandle<(i64, OwnedFd)>,
}

impl Stalled {
    fn new(fs: &Fs) -> Result<Self> {
        // SAFETY: a system call without memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        ensure!(fd >= 0, "userfaultfd: {}", std::io::Error::last_os_error());
        // SAFETY: a new descriptor.
        let uffd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) };
        let mut api = [UFFD_API, 0, 0];
        Self::call(&uffd, UFFDIO_API, &mut api).context("UFFDIO_API")?;
        // SAFETY: a new anonymous mapping.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        ensure!(
            page != libc::MAP_FAILED,
            "mmap: {}",
            std::io::Error::last_os_error()
        );
        let page = page as usize;
        let mut register = [page as u64, PAGE as u64, UFFDIO_REGISTER_MODE_MISSING, 0];
        Self::call(&uffd, UFFDIO_REGISTER, &mut register).context("UFFDIO_REGISTER")?;

        let dir = open_at(&fs.path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let reader = std::thread::spawn(move || {
            // SAFETY: the page is mapped and nobody else uses it until the thread is joined.
            let n = unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), page, PAGE) };
            (n, dir)
        });
        io::wait_for(&uffd, PollFlags::POLLIN).context("the getdents to stall")?;
        Ok(Self { uffd, page, reader })
    }

    fn call(uffd: &OwnedFd, request: libc::c_ulong, arg: &mut [u64]) -> nix::Result<i32> {
        ioctl::call(uffd, request, arg.as_mut_ptr() as libc::c_ulong)
    }

    /// Lets the reader go on, and gives the names that it found.
    fn finish(self) -> Result<Vec<String>> {
        check!(!self.reader.is_finished(), "the getdents is not stalled");
        let mut zero = [self.page as u64, PAGE as u64, 0, 0];
        Self::call(&self.uffd, UFFDIO_ZEROPAGE, &mut zero).context("UFFDIO_ZEROPAGE")?;
        let Ok((n, _dir)) = self.reader.join() else {
            anyhow::bail!("the reader panicked");
        };
        ensure!(n > 0, "getdents64 gave {n}");
        // SAFETY: the reader is gone, and the kernel wrote that many bytes.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.page as *const u8, usize::try_from(n)?) };
        names(bytes)
    }
}

/// The names in a buffer of `struct linux_dirent64`.
fn names(mut bytes: &[u8]) -> Result<Vec<String>> {
    const NAME: usize = 19;
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_ne_bytes([bytes[16], bytes[17]]));
        let name = bytes[NAME..length]
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        names.push(String::from_utf8(name.to_vec())?);
        bytes = &bytes[length..];
    }
    Ok(names)
}

fn stalled(ctx: &Ctx) -> Result<(Fs, Pty, Stalled)> {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    let stalled = Stalled::new(&fs)?;
    Ok((fs, pty, stalled))
}

fn open_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        let another = Pty::open(&fs)?;
        another.slave().map(drop)
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn close_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, pty, stalled) = stalled(ctx)?;
    let slave = pty.slave()?;
    drop(pty);
    io::wait_for(&slave, PollFlags::POLLHUP).context("the slave to be hung up")?;
    check!(!fs.has(0), "the node is there after its master was closed");
    stalled.finish().map(drop)
}

fn lookup_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        check!(fs.has(0), "0 is missing");
        check!(!fs.has(999), "999 is there");
        // A writer that waited for the lock would have new readers wait, too.
        drop(Pty::open(&fs)?);
        check!(!fs.has(998), "998 is there");
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn getdents_goes_on(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    child(|| {
        drop(Pty::open(&fs)?);
        let mut names = fs.names()?;
        names.sort();
        check_eq!(vec!["0".to_owned(), "ptmx".to_owned()], names, "the names");
        Ok(())
    })?
    .succeed()?;
    stalled.finish().map(drop)
}

fn finishes(ctx: &Ctx) -> Outcome {
    let (fs, _pty, stalled) = stalled(ctx)?;
    drop(Pty::open(&fs)?);
    let mut names = stalled.finish()?;
    names.retain(|name| name != "1");
    names.sort();
    check_eq!(vec![".", "..", "0", "ptmx"], names, "the names");
    Ok(())
}
