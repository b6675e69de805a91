// SPDX-License-Identifier: GPL-2.0
//! What names a terminal: /proc, the C library, and the drivers' list.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::ctty::tty;
use crate::fixture::dev::own_dev;
use crate::fixture::ioctl::{self, TIOCGDEV};
use crate::fixture::process::session;
use crate::fixture::{io, pair, Fs, Pty, SLAVE_MAJOR};

cases! { "names":
    drivers_list => "/proc/tty/drivers has the slave driver at /dev/pts with 2^20 minors, and a master driver",
    tty_nr => "field tty_nr of /proc/PID/stat is the slave's device number, tpgid the foreground group",
    tty_nr_beyond_255 => "tty_nr and TIOCGDEV encode minor numbers beyond 255",
    tiocgdev => "TIOCGDEV on both ends is the slave's device number",
    descriptor_links => "/proc/self/fd names the slave's path, and ptmx for the master",
    posix_openpt => "posix_openpt, grantpt, unlockpt, ptsname and ttyname agree when mounted on /dev/pts",
    ttyname_elsewhere => "ttyname of a slave mounted elsewhere is its path there, and fails once detached",
    openpty_and_login_tty => "openpty and login_tty give a session with a controlling terminal",
    forkpty => "forkpty gives a child on a terminal",
    dev_tty => "a session's /dev/tty is its slave, with device number 5:0 of its own",
}

fn drivers_list(ctx: &Ctx) -> Outcome {
    let slave = ctx.target.driver_line("slave")?;
    check_eq!(
        ["/dev/pts", "0-1048575", "pty:slave"],
        [&slave[1][..], &slave[3], &slave[4]],
        "slave driver"
    );
    let master = ctx.target.driver_line("master")?;
    check_eq!("pty:master", master[4], "master driver");
    check!(slave[2] != master[2], "both drivers have one major number");
    Ok(())
}

/// The fields of /proc/self/stat after the command: tty_nr is the fifth, tpgid the sixth.
fn stat_fields() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/stat").context("stat")?;
    let rest = text.rsplit_once(") ").context("no command in stat")?.1;
    Ok(rest.split(' ').map(str::to_owned).collect())
}

/// Kernel's encoding of a device number in 32 bits.
fn encoded(major: u32, minor: u32) -> i64 {
    i64::from((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

fn tty_nr(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        check_eq!(
            ["0", "-1"],
            [&stat_fields()?[4][..], &stat_fields()?[5]],
            "tty_nr and tpgid without a terminal"
        );
        let _tty = pty.try_slave(OFlag::O_RDWR).context("open")?;
        let fields = stat_fields()?;
        check_eq!(encoded(SLAVE_MAJOR, 0).to_string(), fields[4], "tty_nr");
        check_eq!(nix::unistd::getpid().to_string(), fields[5], "tpgid");
        Ok(())
    })?
    .succeed()
}

fn tty_nr_beyond_255(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let ptys = (0..=256)
        .map(|_| Pty::locked(&fs))
        .collect::<Result<Vec<_>>>()?;
    ptys[256].unlock()?;
    session(|| {
        let tty = ptys[256].try_slave(OFlag::O_RDWR).context("open")?;
        check_eq!(
            encoded(SLAVE_MAJOR, 256).to_string(),
            stat_fields()?[4],
            "tty_nr"
        );
        check_eq!(
            encoded(SLAVE_MAJOR, 256),
            i64::from(ioctl::get(&tty, TIOCGDEV)?),
            "TIOCGDEV"
        );
        Ok(())
    })?
    .succeed()
}

fn tiocgdev(ctx: &Ctx) -> Outcome {
    let fs = Fs::new(ctx)?;
    let _first = Pty::open(&fs)?;
    let pty = Pty::open(&fs)?;
    let slave = pty.slave()?;
    let want = encoded(SLAVE_MAJOR, 1);
    check_eq!(
        want,
        i64::from(ioctl::get(&pty.master, TIOCGDEV).context("master")?),
        "master"
    );
    check_eq!(
        want,
        i64::from(ioctl::get(&slave, TIOCGDEV).context("slave")?),
        "slave"
    );
    Ok(())
}

fn descriptor_links(ctx: &Ctx) -> Outcome {
    let (pty, slave) = pair(ctx)?;
    check_eq!(pty.path.to_string_lossy(), io::fd_link(&slave)?, "slave");
    check_eq!(
        pty.path.with_file_name("ptmx").to_string_lossy(),
        io::fd_link(&pty.master)?,
        "master"
    );
    Ok(())
}

/// ttyname_r(3).
fn ttyname(fd: &OwnedFd) -> Result<String, Errno> {
    let mut name = [0; 64];
    // SAFETY: the buffer is as long as said.
    match unsafe { libc::ttyname_r(fd.as_raw_fd(), name.as_mut_ptr(), name.len()) } {
        // SAFETY: on success the buffer holds a NUL terminated string.
        0 => Ok(unsafe { CStr::from_ptr(name.as_ptr()) }
            .to_string_lossy()
            .into_owned()),
        e => Err(Errno::from_raw(e)),
    }
}

fn posix_openpt(ctx: &Ctx) -> Outcome {
    own_dev(ctx, "ptmxmode=666,mode=620,gid=5")?;
    for index in 0..2 {
        // SAFETY: plain C library calls on a descriptor that this function owns.
        let (master, name) = unsafe {
            let master = Errno::result(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY))
                .context("posix_openpt")?;
            let master = OwnedFd::from_raw_fd(master);
            Errno::result(libc::grantpt(master.as_raw_fd())).context("grantpt")?;
            Errno::result(libc::unlockpt(master.as_raw_fd())).context("unlockpt")?;
            let name = libc::ptsname(master.as_raw_fd());
            check!(!name.is_null(), "ptsname: {:?}", Errno::last());
            (master, CStr::from_ptr(name).to_string_lossy().into_owned())
        };
        check_eq!(format!("/dev/pts/{index}"), name, "ptsname");
        let slave = crate::fixture::mount::open_at(name.as_ref(), OFlag::O_RDWR | OFlag::O_NOCTTY)
            .context("open")?;
        check_eq!(Ok(name), ttyname(&slave), "ttyname");
        std::mem::forget((master, slave));
    }
    Ok(())
}

fn ttyname_elsewhere(ctx: &Ctx) -> Outcome {
    own_dev(ctx, "")?;
    let (pty, slave) = pair(ctx)?;
    check_eq!(
        Ok(pty.path.to_string_lossy().into_owned()),
        ttyname(&slave),
        "ttyname"
    );
    nix::mount::umount2(
        pty.path.parent().context("parent")?,
        nix::mount::MntFlags::MNT_DETACH,
    )
    .context("detach")?;
    // The C library tells a pty whose name is out of reach by its major number.
    check_errno(ttyname(&slave), Errno::ENODEV, "ttyname when detached")
}

fn openpty_and_login_tty(ctx: &Ctx) -> Outcome {
    own_dev(ctx, "ptmxmode=666")?;
    // SAFETY: the pointers are to two ints; name, termios and winsize may be null.
    let (master, slave) = unsafe {
        let (mut m, mut s) = (-1, -1);
        let null = std::ptr::null_mut();
        Errno::result(libc::openpty(
            &mut m,
            &mut s,
            null,
            std::ptr::null(),
            std::ptr::null(),
        ))
        .context("openpty")?;
        (OwnedFd::from_raw_fd(m), OwnedFd::from_raw_fd(s))
    };
    let job = crate::fixture::process::child(|| {
        // SAFETY: a C library call on a descriptor that is not used afterwards.
        Errno::result(unsafe { libc::login_tty(slave.as_raw_fd()) }).context("login_tty")?;
        println!("on a terminal");
        Ok(())
    })?;
    io::expect(&master, b"on a terminal\r\n")?;
    job.succeed()
}

fn forkpty(ctx: &Ctx) -> Outcome {
    own_dev(ctx, "ptmxmode=666")?;
    let mut master = -1;
    let size = libc::winsize {
        ws_row: 12,
        ws_col: 34,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the case has one thread; the pointers are to an int and a struct.
    let pid = unsafe { libc::forkpty(&mut master, std::ptr::null_mut(), std::ptr::null(), &size) };
    if pid == 0 {
        let size = ioctl::winsize(&std::io::stdin());
        println!("{size:?}");
        crate::sandbox::exit_now(0);
    }
    Errno::result(pid).context("forkpty")?;
    // SAFETY: forkpty gave this process the descriptor.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    io::expect(&master, b"Ok([12, 34, 0, 0])\r\n")?;
    let (rest, end) = io::read_to_end(&master)?;
    check_eq!((Vec::new(), Some(Errno::EIO)), (rest, end), "the end");
    Ok(())
}

fn dev_tty(ctx: &Ctx) -> Outcome {
    let pty = Pty::open(&Fs::new(ctx)?)?;
    session(|| {
        let slave = pty.try_slave(OFlag::O_RDWR).context("open")?;
        let tty = tty().context("/dev/tty")?;
        check_eq!(
            nix::sys::stat::makedev(5, 0),
            fstat(&tty)?.st_rdev,
            "device number of /dev/tty"
        );
        check_eq!(
            ioctl::get(&slave, TIOCGDEV)?,
            ioctl::get(&tty, TIOCGDEV)?,
            "TIOCGDEV"
        );
        drop(slave);
        io::write_all(&tty, b"tty\n")?;
        io::expect(&pty.master, b"tty\r\n")?;
        io::write_all(&pty.master, b"in\n")?;
        io::expect_read(&tty, b"in\n")
    })?
    .succeed()
}
