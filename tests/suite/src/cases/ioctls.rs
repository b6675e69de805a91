// SPDX-License-Identifier: GPL-2.0
//! The remaining ioctls of a terminal.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{makedev, mknod, Mode, SFlag};

use crate::case::{cases, Ctx, Outcome, Skip};
use crate::check::{check_eq, check_errno};
use crate::fixture::ioctl::{
    self, TCSBRK, TCSBRKP, TIOCCBRK, TIOCCONS, TIOCEXCL, TIOCGETD, TIOCGEXCL, TIOCINQ, TIOCMGET,
    TIOCNXCL, TIOCSBRK, TIOCSETD, TIOCSTI, TIOCVHANGUP,
};
use crate::fixture::mount::open_at;
use crate::fixture::process::{become_user, child};
use crate::fixture::{io, pair, term, Fs, Pty};

cases! { "ioctls":
    tiocsti => "TIOCSTI by the privileged puts a byte into the slave's input, as if typed",
    tiocsti_on_master => "TIOCSTI on the master puts a byte into the master's own input",
    tiocsti_unprivileged => "TIOCSTI without the capability is EIO or EPERM, a bad address EFAULT",
    exclusive => "TIOCEXCL on the slave makes opens EBUSY, but for CAP_SYS_ADMIN, until TIOCNXCL",
    exclusive_on_master => "TIOCEXCL on the master does not touch the slave",
    line_discipline_of_both => "TIOCGETD gives N_TTY at both ends",
    bad_line_discipline => "TIOCSETD with no such discipline is EINVAL",
    null_discipline_and_back => "a slave can be given the null discipline, and N_TTY again",
    discipline_keeps_settings => "a change of discipline and back keeps the settings",
    master_discipline => "the master can be given the null discipline, and N_TTY again",
    console [alone] => "TIOCCONS sends what is written to the console to the slave; a second is EBUSY, the master's EINVAL",
    console_unprivileged => "TIOCCONS without the capability is EPERM",
    breaks => "TCSBRK, TCSBRKP, TIOCSBRK and TIOCCBRK succeed and do nothing",
    tcdrain => "tcdrain returns at once at both ends",
    modem_lines => "modem lines, counters and serial settings are ENOTTY",
    soft_carrier => "TIOCGSOFTCAR and TIOCSSOFTCAR read and set CLOCAL",
    unknown => "an unknown ioctl is ENOTTY at both ends",
    old_termio => "TCGETA and TCSETA work on the settings of the slave",
    arbitrary_speed => "TCSETS2 keeps an arbitrary speed",
    inq_by_name_fionread => "FIONREAD is TIOCINQ",
}

const N_TTY: i32 = 0;
const N_NULL: i32 = 27;
const TIOCGICOUNT: ioctl::Request = 0x545D;
const TIOCGSERIAL: ioctl::Request = 0x541E;
const TIOCGSOFTCAR: ioctl::Request = 0x5419;
const TIOCSSOFTCAR: ioctl::Request = 0x541A;

fn sti(fd: &OwnedFd, byte: u8) -> nix::Result<()> {
    ioctl::set(fd, TIOCSTI, i32::from(byte))
}

fn tiocsti(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for byte in *b"hi\n" {
        sti(&slave, byte).context("TIOCSTI")?;
    }
    io::expect_read(&slave, b"hi\n")?;
    io::expect(&pty.master, b"hi\r\n")
}

fn tiocsti_on_master(ctx: &Ctx) -> Outcome {
    let (pty, _slave) = pair(ctx)?;
    sti(&pty.master, b'm').context("TIOCSTI")?;
    io::expect_read(&pty.master, b"m")
}

fn tiocsti_unprivileged(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    check_errno(
        ioctl::call(&slave, TIOCSTI, 0),
        Errno::EFAULT,
        "a bad address",
    )?;
    // EIO where the kernel has the old ways turned off, else EPERM, since it is not the caller's terminal.
    let legacy =
        std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|s| s.trim() == "1");
    let want = if legacy { Errno::EPERM } else { Errno::EIO };
    child(|| {
        become_user(1000)?;
        check_errno(sti(&slave, b'x'), want, "TIOCSTI")
    })?
    .succeed()
}

fn exclusive(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::with(ctx, "mode=666")?)?;
    let slave = pty.slave()?;
    let as_user = |want: Option<Errno>| {
        child(|| {
            become_user(1000)?;
            match want {
                Some(errno) => check_errno(
                    pty.try_slave(OFlag::O_RDWR | OFlag::O_NOCTTY),
                    errno,
                    "open as a user",
                ),
                None => pty.slave().map(drop),
            }
        })?
        .succeed()
    };
    check_eq!(Ok(0), ioctl::get(&slave, TIOCGEXCL), "TIOCGEXCL at first");
    as_user(None)?;
    ioctl::call(&slave, TIOCEXCL, 0).context("TIOCEXCL")?;
    check_eq!(Ok(1), ioctl::get(&slave, TIOCGEXCL), "TIOCGEXCL");
    as_user(Some(Errno::EBUSY))?;
    pty.slave().context("open as root")?;
    ioctl::call(&slave, TIOCNXCL, 0).context("TIOCNXCL")?;
    check_eq!(
        Ok(0),
        ioctl::get(&slave, TIOCGEXCL),
        "TIOCGEXCL after TIOCNXCL"
    );
    as_user(None)
}

fn exclusive_on_master(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::call(&pty.master, TIOCEXCL, 0).context("TIOCEXCL")?;
    check_eq!(Ok(1), ioctl::get(&pty.master, TIOCGEXCL), "the master");
    check_eq!(Ok(0), ioctl::get(&slave, TIOCGEXCL), "the slave");
    pty.slave().map(drop)
}

fn line_discipline_of_both(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(N_TTY), ioctl::get(&pty.master, TIOCGETD), "master");
    check_eq!(Ok(N_TTY), ioctl::get(&slave, TIOCGETD), "slave");
    ioctl::set(&slave, TIOCSETD, N_TTY).context("TIOCSETD of what it has")
}

fn bad_line_discipline(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for number in [-1, 31, 1000] {
            check_errno(
                ioctl::set(fd, TIOCSETD, number),
                Errno::EINVAL,
                &format!("TIOCSETD {number}"),
            )?;
        }
        check_errno(ioctl::call(fd, TIOCSETD, 0), Errno::EFAULT, "a bad address")?;
    }
    io::write_all(&slave, b"x")?;
    io::expect(&pty.master, b"x")
}

fn null_discipline_and_back(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::set(&slave, TIOCSETD, N_NULL).context("TIOCSETD N_NULL")?;
    check_eq!(Ok(N_NULL), ioctl::get(&slave, TIOCGETD), "TIOCGETD");
    check_errno(io::read_now(&slave, 1), Errno::EOPNOTSUPP, "read")?;
    check_errno(io::write_now(&slave, b"x"), Errno::EOPNOTSUPP, "write")?;
    ioctl::set(&slave, TIOCSETD, N_TTY).context("TIOCSETD N_TTY")?;
    io::write_all(&slave, b"out\n")?;
    io::expect(&pty.master, b"out\r\n")?;
    io::write_all(&pty.master, b"in\n")?;
    io::expect_read(&slave, b"in\n")
}

fn discipline_keeps_settings(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    term::modify(&slave, |t| {
        t.c_lflag &= !libc::ECHO;
        t.c_cc[libc::VERASE] = b'#';
    })?;
    ioctl::set(&slave, TIOCSETD, N_NULL).context("TIOCSETD N_NULL")?;
    ioctl::set(&slave, TIOCSETD, N_TTY).context("TIOCSETD N_TTY")?;
    let t = term::get(&slave)?;
    check_eq!(
        (0, b'#'),
        (t.c_lflag & libc::ECHO, t.c_cc[libc::VERASE]),
        "settings"
    );
    Ok(())
}

fn master_discipline(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    ioctl::set(&pty.master, TIOCSETD, N_NULL).context("TIOCSETD N_NULL")?;
    check_eq!(
        Ok(N_NULL),
        ioctl::get(&pty.master, TIOCGETD),
        "TIOCGETD of the master"
    );
    check_eq!(
        Ok(N_TTY),
        ioctl::get(&slave, TIOCGETD),
        "TIOCGETD of the slave"
    );
    check_errno(io::read_now(&pty.master, 1), Errno::EOPNOTSUPP, "read")?;
    ioctl::set(&pty.master, TIOCSETD, N_TTY).context("TIOCSETD N_TTY")?;
    io::write_all(&slave, b"out\n")?;
    io::expect(&pty.master, b"out\r\n")?;
    io::write_all(&pty.master, b"in\n")?;
    io::expect_read(&slave, b"in\n")
}

fn console(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let (pty, other) = (Pty::open(&fs)?, Pty::open(&fs)?);
    let (slave, second) = (pty.slave()?, other.slave()?);
    let node = ctx.work.join("console");
    mknod(
        &node,
        SFlag::S_IFCHR,
        Mode::S_IRUSR | Mode::S_IWUSR,
        makedev(5, 1),
    )
    .context("mknod")?;
    let Ok(console) = open_at(&node, OFlag::O_RDWR | OFlag::O_NOCTTY) else {
        anyhow::bail!(Skip("this machine has no console".into()));
    };
    check_errno(
        ioctl::call(&pty.master, TIOCCONS, 0),
        Errno::EINVAL,
        "TIOCCONS on the master",
    )?;
    ioctl::call(&slave, TIOCCONS, 0).context("TIOCCONS")?;
    let redirected = || -> Outcome {
        check_errno(
            ioctl::call(&second, TIOCCONS, 0),
            Errno::EBUSY,
            "a second TIOCCONS",
        )?;
        io::write_all(&console, b"to the console\n")?;
        io::expect(&pty.master, b"to the console\r\n")
    };
    let outcome = redirected();
    ioctl::call(&console, TIOCCONS, 0).context("TIOCCONS on the console takes it back")?;
    outcome?;
    ioctl::call(&second, TIOCCONS, 0).context("TIOCCONS by the other")?;
    // A hangup takes it back too.
    ioctl::call(&second, TIOCVHANGUP, 0).context("TIOCVHANGUP")?;
    ioctl::call(&slave, TIOCCONS, 0).context("TIOCCONS after a hangup")?;
    drop(pty);
    let last = other.slave()?;
    ioctl::call(&last, TIOCCONS, 0).context("TIOCCONS after the master closed")?;
    ioctl::call(&console, TIOCCONS, 0)
        .map(drop)
        .context("TIOCCONS on the console")
}

fn console_unprivileged(ctx: &Ctx) -> Outcome {
    let (_pty, slave) = pair(ctx)?;
    child(|| {
        become_user(1000)?;
        check_errno(ioctl::call(&slave, TIOCCONS, 0), Errno::EPERM, "TIOCCONS")
    })?
    .succeed()
}

fn breaks(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for (request, arg) in [
            (TCSBRK, 0),
            (TCSBRK, 1),
            (TCSBRKP, 0),
            (TCSBRKP, 100),
            (TIOCSBRK, 0),
            (TIOCCBRK, 0),
        ] {
            ioctl::call(fd, request, arg).with_context(|| format!("{request:#x} {arg}"))?;
        }
    }
    io::set_nonblock(&pty.master, true)?;
    check_errno(
        io::read_now(&pty.master, 1),
        Errno::EAGAIN,
        "what the master reads",
    )
}

fn tcdrain(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    io::write_all(&slave, b"waiting")?;
    for fd in [&pty.master, &slave] {
        // SAFETY: no pointers.
        Errno::result(unsafe { libc::tcdrain(fd.as_raw_fd()) }).context("tcdrain")?;
        // SAFETY: as above.
        Errno::result(unsafe { libc::tcsendbreak(fd.as_raw_fd(), 0) }).context("tcsendbreak")?;
    }
    io::expect(&pty.master, b"waiting")
}

fn modem_lines(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        check_errno(ioctl::get(fd, TIOCMGET), Errno::ENOTTY, "TIOCMGET")?;
        check_errno(ioctl::set(fd, libc::TIOCMSET, 0), Errno::ENOTTY, "TIOCMSET")?;
        check_errno(ioctl::set(fd, libc::TIOCMBIS, 2), Errno::ENOTTY, "TIOCMBIS")?;
        check_errno(
            ioctl::call(fd, TIOCGICOUNT, 0),
            Errno::ENOTTY,
            "TIOCGICOUNT",
        )?;
        check_errno(
            ioctl::call(fd, TIOCGSERIAL, 0),
            Errno::ENOTTY,
            "TIOCGSERIAL",
        )?;
    }
    Ok(())
}

fn soft_carrier(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(Ok(0), ioctl::get(&pty.master, TIOCGSOFTCAR), "at first");
    ioctl::set(&slave, TIOCSSOFTCAR, 1).ok();
    let set = term::get(&slave)?.c_cflag & libc::CLOCAL != 0;
    check_eq!(
        Ok(i32::from(set)),
        ioctl::get(&pty.master, TIOCGSOFTCAR),
        "after TIOCSSOFTCAR"
    );
    check_eq!(true, set, "CLOCAL");
    Ok(())
}

fn unknown(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    for fd in [&pty.master, &slave] {
        for request in [0x54ff, 0xdead_beef, 0x8008_1272, 0] {
            check_errno(
                ioctl::call(fd, request, 0),
                Errno::ENOTTY,
                &format!("{request:#x}"),
            )?;
        }
    }
    Ok(())
}

/// The kernel's struct termio.
#[repr(C)]
#[derive(Default)]
struct Termio {
    iflag: u16,
    oflag: u16,
    cflag: u16,
    lflag: u16,
    line: u8,
    cc: [u8; 8],
}

fn old_termio(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let mut t = Termio::default();
    // SAFETY: the struct is the one that the request fills.
    Errno::result(unsafe { libc::ioctl(pty.master.as_raw_fd(), libc::TCGETA, &mut t) })
        .context("TCGETA")?;
    check_eq!(
        (u32::from(t.lflag), 3),
        (term::get(&slave)?.c_lflag & 0xffff, t.cc[0]),
        "c_lflag and VINTR"
    );
    t.lflag &= !(libc::ECHO as u16);
    // SAFETY: as above.
    Errno::result(unsafe { libc::ioctl(pty.master.as_raw_fd(), libc::TCSETA, &t) })
        .context("TCSETA")?;
    check_eq!(0, term::get(&slave)?.c_lflag & libc::ECHO, "ECHO");
    Ok(())
}

fn arbitrary_speed(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    let get = |fd: &OwnedFd| -> Result<libc::termios2> {
        // SAFETY: the struct is plain data, and the one that the request fills.
        unsafe {
            let mut t = std::mem::zeroed();
            Errno::result(libc::ioctl(fd.as_raw_fd(), libc::TCGETS2, &mut t)).context("TCGETS2")?;
            Ok(t)
        }
    };
    let mut t = get(&slave)?;
    check_eq!((38400, 38400), (t.c_ispeed, t.c_ospeed), "speeds at first");
    t.c_cflag = (t.c_cflag & !libc::CBAUD) | libc::BOTHER;
    (t.c_ispeed, t.c_ospeed) = (12345, 12345);
    // SAFETY: the struct is the one that the request reads.
    Errno::result(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TCSETS2, &t) })
        .context("TCSETS2")?;
    let t = get(&pty.master)?;
    check_eq!(
        (12345, 12345, libc::BOTHER),
        (t.c_ispeed, t.c_ospeed, t.c_cflag & libc::CBAUD),
        "speeds"
    );
    Ok(())
}

fn inq_by_name_fionread(ctx: &Ctx) -> Outcome {
    check_eq!(TIOCINQ, libc::FIONREAD, "the request numbers");
    let (pty, slave) = pair(ctx)?;
    io::write_all(&slave, b"abc")?;
    crate::fixture::wait::until("the bytes", || {
        Ok(ioctl::get(&pty.master, libc::FIONREAD)? == 3)
    })
}
