// SPDX-License-Identifier: GPL-2.0
//! Buffers for calls: good ones, bad ones, and those where the kernel stalls in a page fault until another thread sees to it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::shared::Shared;

// include/uapi/linux/userfaultfd.h
const UFFD_API: u64 = 0xaa;
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_COPY: libc::c_ulong = 0xc028_aa03;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;
const UFFD_EVENT_PAGEFAULT: u8 = 0x12;

const PAGE: usize = 4096;
/// Pages that can be read and written, pages that stall, pages that can be read only; a hole after each.
const PLAIN: usize = 34;
const STALL: usize = 8;
const READ_ONLY: usize = 2;

/// The descriptors that the fuzzer needs itself are from here on.
pub const RESERVED_FD: i32 = 500;

/// The memory of one worker.
pub struct Memory {
    base: usize,
    uffd: Option<i32>,
}

fn map(address: usize, pages: usize, protection: i32, fixed: i32) -> usize {
    // SAFETY: a new mapping, or one over a part of our own.
    let memory = unsafe {
        libc::mmap(
            address as *mut _,
            pages * PAGE,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | fixed,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        // Killed for want of memory would be as well.
        std::process::exit(1);
    }
    memory as usize
}

impl Memory {
    /// Needs the privilege to stall the kernel: before that is given up.
    pub fn new() -> Self {
        let read_write = libc::PROT_READ | libc::PROT_WRITE;
        let all = PLAIN + STALL + READ_ONLY + 3;
        let base = map(0, all, libc::PROT_NONE, 0);
        let mut memory = Self { base, uffd: None };
        // Pages of its own from the start, and later (see below) never the page of zeroes: copy_to_user() of User Mode Linux
        // writes through one that another thread has just mapped for reading, into the kernel's constants.
        map(
            base,
            PLAIN,
            read_write,
            libc::MAP_FIXED | libc::MAP_POPULATE,
        );
        map(memory.stalled(), STALL, read_write, libc::MAP_FIXED);
        map(
            memory.read_only(),
            READ_ONLY,
            libc::PROT_READ,
            libc::MAP_FIXED,
        );
        memory.uffd = memory.userfaultfd();
        memory
    }

    fn stalled(&self) -> usize {
        self.base + (PLAIN + 1) * PAGE
    }

    fn read_only(&self) -> usize {
        self.stalled() + (STALL + 1) * PAGE
    }

    fn userfaultfd(&self) -> Option<i32> {
        let mut api = [UFFD_API, 0, 0];
        let mut register = [
            self.stalled() as u64,
            (STALL * PAGE) as u64,
            UFFDIO_REGISTER_MODE_MISSING,
            0,
        ];
        // SAFETY: the structures are as large as the requests say.
        unsafe {
            let new = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) as i32;
            if new < 0 {
                return None;
            }
            let fd = libc::fcntl(new, libc::F_DUPFD_CLOEXEC, RESERVED_FD);
            libc::close(new);
            let good = libc::ioctl(fd, UFFDIO_API, &mut api) == 0
                && libc::ioctl(fd, UFFDIO_REGISTER, &mut register) == 0;
            good.then_some(fd)
        }
    }

    /// Begins to serve the faults, in a thread that gets no signals; after namespaces are made, which threads prevent.
    pub fn serve(&self, shared: &'static Shared, seed: u64) {
        let Some(uffd) = self.uffd else {
            return;
        };
        // SAFETY: the sets are ours; the mask is this thread's, and inherited.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            let _ = std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || serve(uffd, shared, fastrand::Rng::with_seed(seed)));
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        }
    }

    /// Any bytes into a part of what can be written: text, control characters, anything.
    pub fn refill(&mut self, rng: &mut fastrand::Rng) {
        // SAFETY: the pages are mapped, and ours.
        let plain = unsafe { std::slice::from_raw_parts_mut(self.base as *mut u8, PLAIN * PAGE) };
        let from = rng.usize(..PLAIN * PAGE - 300);
        let len = rng.usize(..300);
        let kind = rng.u8(..4);
        // What most calls use is at the beginning.
        let from = if rng.bool() { from % PAGE } else { from };
        for byte in &mut plain[from..from + len] {
            *byte = match kind {
                0 => b"abc \t\n\n"[rng.usize(..7)],
                1 => rng.u8(..32),
                2 => rng.u8(..),
                _ => b"line\r\n\x03\x04\x11\x13\x1a\x1c"[rng.usize(..12)],
            };
        }
    }

    /// A place for some bytes that is good, whatever it is for.
    pub fn good(&self, rng: &mut fastrand::Rng) -> usize {
        self.base + rng.usize(..PAGE)
    }

    /// Whether the kernel stalls there.
    pub fn stalls(&self, at: usize) -> bool {
        (self.stalled()..self.read_only()).contains(&at)
    }

    /// A place for `len` bytes, or not.
    pub fn any(&self, rng: &mut fastrand::Rng, len: usize) -> usize {
        match rng.u8(..32) {
            // The last byte is before a hole; or the hole comes too early.
            0..=2 => self.base + PLAIN * PAGE - len.min(PLAIN * PAGE - 8) + rng.usize(..8),
            3..=7 if self.uffd.is_some() => {
                let stalled = self.stalled();
                // SAFETY: throws away what is in pages of ours: the next who comes there stalls.
                unsafe { libc::madvise(stalled as *mut _, STALL * PAGE, libc::MADV_DONTNEED) };
                stalled + rng.usize(..PAGE)
            }
            8 => self.read_only() + rng.usize(..PAGE),
            9 => [0, 1, 8, usize::MAX, 0xffff_8880_0000_0000, 1 << 63][rng.usize(..6)],
            10 => self.base + PLAIN * PAGE,
            _ => self.good(rng),
        }
    }
}

/// Sees to faults, after a while, as long as the process lives.
fn serve(uffd: i32, shared: &Shared, mut rng: fastrand::Rng) {
    let source = [b'\n'; 2 * PAGE];
    let source = (source.as_ptr() as usize).next_multiple_of(PAGE) as u64;
    loop {
        // struct uffd_msg: the event in the first byte, the address in the third word.
        let mut message = [0u64; 4];
        // SAFETY: the message is as large as the kernel's.
        let n = unsafe { libc::read(uffd, message.as_mut_ptr().cast(), 32) };
        if n != 32 || message[0] as u8 != UFFD_EVENT_PAGEFAULT {
            return;
        }
        shared.stalls.fetch_add(1, Relaxed);
        let wait = [0, 0, 200, 1000, 3000, 10_000][rng.usize(..6)];
        std::thread::sleep(Duration::from_micros(wait));
        let page = message[2] & !(PAGE as u64 - 1);
        let mut copy = [page, source, PAGE as u64, 0, 0];
        // SAFETY: the structure is as large as the request says, and the page is one that nobody has.
        unsafe { libc::ioctl(uffd, UFFDIO_COPY, &mut copy) };
    }
}
