// SPDX-License-Identifier: GPL-2.0
//! Faults that terminals in C have had, and that a driver of ptys could repeat. Each case does what showed the fault.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq};
use crate::fixture::ioctl::{self, TCXONC, TIOCGPTPEER, TIOCINQ, TIOCSETD};
use crate::fixture::stream::{same, Stream};
use crate::fixture::wait::until;
use crate::fixture::{io, pair, raw_pair, term, Fs, Pty};

const N_TTY: libc::c_int = 0;
const N_NULL: libc::c_int = 27;

cases! { "cves":
    cve_2014_0196 => "output and echo at once, without post-processing, do not overrun a buffer",
    cve_2018_18386 => "FIONREAD ends, whatever EXTPROC and ICANON make of what is queued",
    cve_2020_11494 => "a read changes no more of its buffer than it says, nor gives what was there before",
    cve_2020_14416 => "a line discipline that goes while its terminal wakes it is not used again",
    cve_2020_36557 => "a pty that is opened while it is closed is open, or is not",
    cve_2022_1462 => "flow control characters and output at once come as they were sent",
    eof_before_queued_data => "output that is on its way when the slave closes comes before the end",
}

/// Does something over and over until told to stop.
fn keep_on(done: &AtomicBool, mut act: impl FnMut() -> Outcome) -> Outcome {
    while !done.load(Relaxed) {
        act()?;
    }
    Ok(())
}

/// Two producers of one buffer: the slave's writer, and its echo, which took no lock without `OPOST`.
fn cve_2014_0196(ctx: &Ctx) -> Outcome {
    const OUTPUT: usize = 300_000;
    const TYPED: usize = 20_000;
    let (pty, slave) = raw_pair(ctx)?;
    term::modify(&slave, |t| t.c_lflag |= libc::ECHO)?;
    let (mut printed, mut echoed) = (0, 0);
    scope(|scope| {
        let writer = scope.spawn(|| io::write_all(&slave, [b'P'; OUTPUT]));
        let typist = scope.spawn(|| -> Outcome {
            for _ in 0..TYPED / 20 {
                io::write_all(&pty.master, [b'e'; 20])?;
                check_eq!([b'e'; 20].to_vec(), io::read_n(&slave, 20)?, "input");
            }
            Ok(())
        });
        while printed < OUTPUT {
            for byte in io::read_some(&pty.master, 4096)?? {
                match byte {
                    b'P' => printed += 1,
                    b'e' => echoed += 1,
                    other => anyhow::bail!("byte {other:#x} was never written"),
                }
            }
        }
        typist.join().expect("threads do not panic")?;
        writer.join().expect("threads do not panic")
    })?;
    check_eq!(OUTPUT, printed, "bytes of output");
    check!(echoed <= TYPED, "{echoed} bytes of echo, of {TYPED}");
    Ok(())
}

fn cve_2018_18386(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::no_echo(&slave)?;
    for (text, extproc, icanon) in [
        ("no line yet", true, true),
        ("a line\n", true, true),
        ("two\nand a part", false, true),
        ("raw", true, false),
    ] {
        let begin = Instant::now();
        term::modify(&slave, |t| t.c_lflag |= libc::ICANON | libc::EXTPROC)?;
        io::write_all(&pty.master, text)?;
        for _ in 0..3 {
            term::modify(&slave, |t| {
                t.c_lflag &= !(libc::ICANON | libc::EXTPROC);
                t.c_lflag |= if icanon { libc::ICANON } else { 0 };
                t.c_lflag |= if extproc { libc::EXTPROC } else { 0 };
            })?;
            let queued = ioctl::get(&slave, TIOCINQ).context("FIONREAD")?;
            check!((0..=4096).contains(&queued), "{queued} bytes are queued");
            io::events(&slave, PollFlags::POLLIN)?;
            term::modify(&slave, |t| t.c_lflag ^= libc::ICANON)?;
            ioctl::get(&slave, TIOCINQ).context("FIONREAD")?;
        }
        check!(
            begin.elapsed() < Duration::from_secs(20),
            "it takes too long"
        );
        ioctl::call(&slave, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)?;
    }
    Ok(())
}

/// There it was padding of a struct; here, what another has had in the memory of a terminal.
fn cve_2020_11494(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    for _ in 0..20 {
        let pty = Pty::open(&fs)?;
        let slave = pty.slave()?;
        term::raw(&slave)?;
        for (to, from) in pty.directions(&slave) {
            for len in [1, 63, 64, 65, 255, 256, 257, 1000] {
                io::write_all(to, vec![b'n'; len])?;
                let mut got = 0;
                while got < len {
                    io::wait_for(from, PollFlags::POLLIN)?;
                    let mut buffer = [0xee; 2000];
                    let n = nix::unistd::read(from, &mut buffer).context("read")?;
                    check!(buffer[..n].iter().all(|b| *b == b'n'), "other bytes came");
                    check!(buffer[n..].iter().all(|b| *b == 0xee), "more was changed");
                    got += n;
                }
                check_eq!(len, got, "bytes");
            }
        }
        // For the next to find, if memory were given out as it is.
        io::set_nonblock(&slave, true)?;
        io::set_nonblock(&pty.master, true)?;
        while io::write_now(&slave, [b's'; 4096]).is_ok() {}
        while io::write_now(&pty.master, [b'm'; 4096]).is_ok() {}
    }
    Ok(())
}

/// There, a wake-up of writers met the close of the line discipline.
fn cve_2020_14416(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let done = AtomicBool::new(false);
    let swap = |end: &OwnedFd| -> Outcome {
        for discipline in [N_NULL, N_TTY] {
            ioctl::set(end, TIOCSETD, discipline).context("TIOCSETD")?;
        }
        Ok(())
    };
    for end in [&pty.master, &slave] {
        io::set_nonblock(end, true)?;
    }
    let (pty, slave, done) = (&pty, &slave, &done);
    scope(|scope| {
        let traffic = pty.directions(slave).map(|(to, from)| {
            scope.spawn(move || {
                keep_on(done, || {
                    // Any of these may fail while there is another line discipline.
                    let _ = io::write_now(to, [b'x'; 3000]);
                    let _ = io::read_now(from, 5000);
                    Ok(())
                })
            })
        });
        let swapped = (0..150).try_for_each(|n| swap(if n % 2 == 0 { &pty.master } else { slave }));
        done.store(true, Relaxed);
        for thread in traffic {
            thread.join().expect("threads do not panic")?;
        }
        swapped
    })?;
    for end in [&pty.master, slave] {
        ioctl::call(end, ioctl::TCFLSH, libc::TCIOFLUSH as libc::c_ulong)?;
        io::set_nonblock(end, false)?;
    }
    term::raw(slave)?;
    for (to, from) in pty.directions(slave) {
        until("nothing old to come", || {
            ioctl::call(from, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)?;
            Ok(ioctl::get(from, TIOCINQ)? == 0)
        })?;
        io::write_all(to, b"works")?;
        io::expect(from, b"works")?;
    }
    Ok(())
}

/// There, a console was allocated while another task gave it back, and its count was wrong.
fn cve_2020_36557(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let path = fs.join(0);
    let done = AtomicBool::new(false);
    let open = || match crate::fixture::mount::open_at(&path, OFlag::O_RDWR | OFlag::O_NOCTTY) {
        Ok(slave) => {
            let _ = io::events(&slave, PollFlags::POLLIN)?;
            Ok(())
        }
        Err(Errno::ENOENT | Errno::EIO | Errno::ENXIO) => Ok(()),
        Err(errno) => Err(errno).context("open of a slave that comes and goes"),
    };
    scope(|scope| {
        let openers = [(); 2].map(|()| scope.spawn(|| keep_on(&done, open)));
        let closed = (0..300).try_for_each(|_| -> Outcome {
            let pty = Pty::open(&fs)?;
            let flags = (libc::O_RDWR | libc::O_NOCTTY) as libc::c_ulong;
            let peer = ioctl::call(&pty.master, TIOCGPTPEER, flags);
            drop(pty);
            if let Ok(fd) = peer {
                nix::unistd::close(fd).context("close")?;
            }
            Ok(())
        });
        done.store(true, Relaxed);
        for thread in openers {
            thread.join().expect("threads do not panic")?;
        }
        closed
    })?;
    until("index 0 to be free", || Ok(Pty::open(&fs)?.index == 0))
}

/// There, `TCXONC` wrote to the other end's flip buffer without the lock that its writers take.
fn cve_2022_1462(ctx: &Ctx) -> Outcome {
    const BYTES: usize = 200_000;
    let (pty, slave) = raw_pair(ctx)?;
    let (pty, slave) = (&pty, &slave);
    for (to, from) in pty.directions(slave) {
        let stop = term::get(slave).context("tcgetattr")?;
        let controls = [stop.c_cc[libc::VSTOP], stop.c_cc[libc::VSTART]];
        let stop_and_start = || {
            [libc::TCIOFF, libc::TCION]
                .iter()
                .try_for_each(|which| ioctl::call(to, TCXONC, *which as libc::c_ulong).map(drop))
        };
        stop_and_start().context("TCXONC")?;
        io::expect(from, controls)?;
        let done = AtomicBool::new(false);
        scope(|scope| -> Outcome {
            let writer = scope.spawn(|| io::write_all(to, vec![b'd'; BYTES]));
            let control = scope.spawn(|| keep_on(&done, || stop_and_start().context("TCXONC")));
            let come = (|| -> Result<usize> {
                let mut data = 0;
                while data < BYTES {
                    for byte in io::read_some(from, 4096)?? {
                        if byte == b'd' {
                            data += 1;
                        } else {
                            check!(controls.contains(&byte), "byte {byte:#x} was never sent");
                        }
                    }
                }
                Ok(data)
            })();
            done.store(true, Relaxed);
            // What it waits for room with must be read.
            io::set_nonblock(from, true)?;
            while !control.is_finished() || !writer.is_finished() {
                let _ = io::read_now(from, 4096);
            }
            io::set_nonblock(from, false)?;
            control.join().expect("threads do not panic")?;
            writer.join().expect("threads do not panic")?;
            check_eq!(BYTES, come?, "bytes");
            Ok(())
        })?;
        ioctl::call(from, ioctl::TCFLSH, libc::TCIFLUSH as libc::c_ulong)?;
    }
    Ok(())
}

fn eof_before_queued_data(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    drop(slave);
    for n in 0..200 {
        let slave = pty.slave()?;
        let bytes = Stream::new(n).bytes(1 + 17 * n as usize);
        scope(|scope| {
            let reader = scope.spawn(|| same(&pty.master, &bytes));
            io::write_all(&slave, &bytes)?;
            drop(slave);
            reader.join().expect("threads do not panic")
        })?;
        check_eq!(
            Err(Errno::EIO),
            io::read_now(&pty.master, 1),
            "the end, after {} bytes",
            bytes.len()
        );
    }
    Ok(())
}
