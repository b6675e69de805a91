// SPDX-License-Identifier: GPL-2.0
//! Terminal settings from either end.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::scope;

use anyhow::Context;
use nix::errno::Errno;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ioctl;
use crate::fixture::{io, pair, raw_pair, term, Fs, Pty};

cases! { "termios":
    initial_settings => "a fresh slave has the kernel's default settings",
    master_shows_slaves_settings => "tcgetattr on the master gives the slave's settings",
    set_on_master_reaches_slave => "tcsetattr on the master changes the slave",
    before_the_slave_opens => "settings can be read and set before the slave was ever opened, and stay",
    survive_close_and_reopen => "settings survive the slave's last close",
    fresh_pty_after_reuse => "a pty that reuses an index starts from the defaults",
    character_size_is_forced => "CS8 and CREAD stay set, PARENB stays clear",
    speeds => "speeds are kept, and mean nothing",
    tcsadrain_and_tcsaflush => "TCSADRAIN keeps unread input, TCSAFLUSH drops it",
    bad_address => "TCGETS and TCSETS with a bad address are EFAULT",
    input_meanwhile => "what is written while another thread changes the settings arrives",
    locked_bits => "TIOCSLCKTRMIOS locks bits of the slave from either end",
}

fn initial_settings(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    let t = term::get(&slave).context("tcgetattr")?;
    check_eq!(libc::ICRNL | libc::IXON, t.c_iflag, "c_iflag");
    check_eq!(libc::OPOST | libc::ONLCR, t.c_oflag, "c_oflag");
    check_eq!(libc::B38400 | libc::CS8 | libc::CREAD, t.c_cflag, "c_cflag");
    let lflag = libc::ISIG
        | libc::ICANON
        | libc::ECHO
        | libc::ECHOE
        | libc::ECHOK
        | libc::ECHOCTL
        | libc::ECHOKE
        | libc::IEXTEN;
    check_eq!(lflag, t.c_lflag, "c_lflag");
    check_eq!(0, t.c_line, "c_line");
    let control = [
        (libc::VINTR, 3),
        (libc::VQUIT, 28),
        (libc::VERASE, 127),
        (libc::VKILL, 21),
        (libc::VEOF, 4),
        (libc::VTIME, 0),
        (libc::VMIN, 1),
        (libc::VSTART, 17),
        (libc::VSTOP, 19),
        (libc::VSUSP, 26),
        (libc::VEOL, 0),
        (libc::VREPRINT, 18),
        (libc::VDISCARD, 15),
        (libc::VWERASE, 23),
        (libc::VLNEXT, 22),
        (libc::VEOL2, 0),
    ];
    for (index, value) in control {
        check_eq!(value, t.c_cc[index], "c_cc[{index}]");
    }
    // SAFETY: reads the struct only.
    unsafe {
        check_eq!(libc::B38400, libc::cfgetispeed(&t), "input speed");
        check_eq!(libc::B38400, libc::cfgetospeed(&t), "output speed");
    }
    Ok(())
}

fn master_shows_slaves_settings(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| {
        t.c_lflag &= !libc::ECHO;
        t.c_cc[libc::VINTR] = b'q';
    })?;
    let (m, s) = (term::get(&pty.master)?, term::get(&slave)?);
    check!(m.c_lflag & libc::ECHO == 0, "the master still shows ECHO");
    check_eq!(
        (s.c_iflag, s.c_oflag, s.c_cflag, s.c_lflag, s.c_cc),
        (m.c_iflag, m.c_oflag, m.c_cflag, m.c_lflag, m.c_cc),
        "settings"
    );
    Ok(())
}

fn set_on_master_reaches_slave(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&pty.master)?;
    check!(
        term::get(&slave)?.c_lflag & libc::ICANON == 0,
        "the slave is still canonical"
    );
    io::write_all(&pty.master, b"raw")?;
    io::expect(&slave, b"raw")?;
    io::write_all(&slave, b"a\n")?;
    io::expect(&pty.master, b"a\n")
}

fn before_the_slave_opens(ctx: &Ctx) -> Outcome {
    let pty = Pty::locked(&Fs::new(ctx)?)?;
    check!(
        term::get(&pty.master).context("tcgetattr")?.c_lflag & libc::ECHO != 0,
        "no ECHO at first"
    );
    term::modify(&pty.master, |t| t.c_lflag &= !libc::ECHO)?;
    pty.unlock()?;
    let slave = pty.slave()?;
    check!(
        term::get(&slave)?.c_lflag & libc::ECHO == 0,
        "ECHO came back at the slave's first open"
    );
    Ok(())
}

fn survive_close_and_reopen(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| t.c_cc[libc::VERASE] = b'#')?;
    drop(slave);
    check_eq!(
        b'#',
        term::get(&pty.slave()?)?.c_cc[libc::VERASE],
        "VERASE after reopening"
    );
    Ok(())
}

fn fresh_pty_after_reuse(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let pty = Pty::open(&fs)?;
    term::raw(&pty.slave()?)?;
    drop(pty);
    let pty = Pty::open(&fs)?;
    check_eq!(0, pty.index, "index");
    check!(
        term::get(&pty.slave()?)?.c_lflag & libc::ICANON != 0,
        "settings of the pty before"
    );
    Ok(())
}

fn character_size_is_forced(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| {
        t.c_cflag &= !(libc::CSIZE | libc::CREAD);
        t.c_cflag |= libc::CS5 | libc::PARENB | libc::CSTOPB;
    })?;
    let flags = term::get(&slave)?.c_cflag;
    check_eq!(
        libc::CS8 | libc::CREAD,
        flags & (libc::CSIZE | libc::CREAD | libc::PARENB),
        "c_cflag"
    );
    check!(flags & libc::CSTOPB != 0, "CSTOPB was not kept");
    Ok(())
}

fn speeds(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| {
        // SAFETY: changes the struct only.
        unsafe { libc::cfsetospeed(t, libc::B9600) };
    })?;
    // SAFETY: reads the struct only.
    check_eq!(
        libc::B9600,
        unsafe { libc::cfgetospeed(&term::get(&pty.master)?) },
        "speed seen at the master"
    );
    Ok(())
}

fn tcsadrain_and_tcsaflush(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    term::raw(&slave)?;
    let t = term::get(&slave)?;
    io::write_all(&pty.master, b"kept")?;
    io::wait_for(&slave, nix::poll::PollFlags::POLLIN)?;
    term::set(&slave, libc::TCSADRAIN, &t).context("TCSADRAIN")?;
    io::expect(&slave, b"kept")?;
    io::write_all(&pty.master, b"dropped")?;
    io::wait_for(&slave, nix::poll::PollFlags::POLLIN)?;
    crate::fixture::wait::until("the bytes to arrive", || {
        Ok(ioctl::get(&slave, ioctl::TIOCINQ)? == 7)
    })?;
    term::set(&slave, libc::TCSAFLUSH, &t).context("TCSAFLUSH")?;
    check_eq!(0, ioctl::get(&slave, ioctl::TIOCINQ)?, "bytes left");
    Ok(())
}

fn bad_address(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for request in [
            libc::TCGETS,
            libc::TCSETS,
            libc::TCGETS2,
            libc::TCSETS2,
            libc::TCGETA,
            libc::TCSETA,
        ] {
            check_errno(
                ioctl::call(fd, request, 0),
                Errno::EFAULT,
                &format!("{request:#x}"),
            )?;
        }
    }
    Ok(())
}

fn locked_bits(ctx: &Ctx) -> Outcome {
    use std::os::fd::AsRawFd;
    let (pty, slave) = pair(ctx)?;
    // SAFETY: the kernel's struct is shorter than the C library's, and only its flags are used.
    let mut mask: libc::termios = unsafe { std::mem::zeroed() };
    mask.c_lflag = libc::ECHO;
    // SAFETY: the struct outlives the call.
    Errno::result(unsafe { libc::ioctl(pty.master.as_raw_fd(), libc::TIOCSLCKTRMIOS, &mask) })
        .context("TIOCSLCKTRMIOS")?;
    term::modify(&slave, |t| t.c_lflag &= !(libc::ECHO | libc::ECHOE))?;
    let flags = term::get(&slave)?.c_lflag;
    check!(flags & libc::ECHO != 0, "a locked bit changed");
    check!(
        flags & libc::ECHOE == 0,
        "a bit that was not locked did not change"
    );
    Ok(())
}

fn input_meanwhile(ctx: &Ctx) -> Outcome {
    let (pty, slave) = raw_pair(ctx)?;
    let settings = term::get(&slave).context("tcgetattr")?;
    let done = AtomicBool::new(false);
    scope(|scope| {
        let changer = scope.spawn(|| {
            while !done.load(Relaxed) {
                term::set(&slave, libc::TCSANOW, &settings)?;
            }
            nix::Result::Ok(())
        });
        let come = (0..20_000).try_for_each(|n: u32| {
            let byte = [b'a' + (n % 26) as u8];
            io::write_all(&pty.master, byte)?;
            io::expect(&slave, byte).with_context(|| format!("byte {n}"))
        });
        done.store(true, Relaxed);
        changer
            .join()
            .expect("threads do not panic")
            .context("tcsetattr")?;
        come
    })
}
