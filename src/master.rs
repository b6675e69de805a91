// SPDX-License-Identifier: GPL-2.0

//! The master's end: the file that a terminal emulator has of a pty.
//!
//! C source: [`drivers/tty/pty.c`](srctree/drivers/tty/pty.c), manual pages `pty(7)`, `ptmx(4)`, `ioctl_tty(2)`.

use crate::{
    bindings::{FileOps, SIGINT, SIGQUIT, SIGTSTP},
    fdinfo,
    instance::Instance,
    pair::Pair,
    ptys::Ptys,
    tty::{
        self,
        ioctl::{
            get_int, put_int, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCGPTPEER, TIOCPKT, TIOCSIG,
            TIOCSPTLCK,
        },
        End, Flag, FopsCell, Opened, OpeningFile, PtyEnd, Slot, Tty,
    },
    vfs::{ActiveSuper, SuperBlock},
};
use kernel::{
    fs::{file::FileDescriptorReservation, File},
    prelude::*,
    seq_file::SeqFile,
};

/// The master's end of a [`Pair`].
pub(crate) struct Master;

static FOPS: FopsCell = FopsCell::new();

/// What opening `ptmx` does.
///
/// # Errors
///
/// `ENXIO` before the terminals are registered.
pub(crate) fn fops() -> Result<FileOps> {
    FOPS.get()
}

#[vtable]
impl PtyEnd for Master {
    type Pair = Pair;

    fn open(end: &End<'_, Pair>) -> Result {
        end.tty().set(Flag::PtyLock);
        end.open(true)
    }

    fn close(end: &End<'_, Pair>) {
        end.close();
        end.tty().set(Flag::OtherClosed);
        // Done already, unless the open failed half way.
        end.pair().detach();
        end.vhangup_link();
    }

    fn remove(pair: &Pair) {
        pair.release();
    }

    fn ioctl(end: &End<'_, Pair>, cmd: u32, arg: usize) -> Result<c_int> {
        let tty = end.tty();
        match cmd {
            TIOCSPTLCK => {
                if get_int(arg)? != 0 {
                    tty.set(Flag::PtyLock);
                } else {
                    tty.clear(Flag::PtyLock);
                }
            }
            TIOCGPTLCK => put_int(arg, c_int::from(tty.test(Flag::PtyLock)))?,
            TIOCPKT => set_packet_mode(end, get_int(arg)? != 0),
            TIOCGPKT => put_int(arg, c_int::from(tty.packet()))?,
            TIOCGPTN => put_int(arg, tty.index())?,
            TIOCSIG => signal(end.link(), arg)?,
            _ => return Err(ENOIOCTLCMD),
        }
        Ok(0)
    }

    fn show_fdinfo(end: &End<'_, Pair>, m: &SeqFile) {
        fdinfo::show_master(end, m);
    }
}

impl tty::Master for Master {
    fn fops() -> &'static FopsCell {
        &FOPS
    }

    fn trial_pair() -> impl PinInit<Pair, Error> {
        Pair::unnamed()
    }

    /// `open("/dev/pts/ptmx")`: a new pty in the mount that the file is of.
    fn open_file(opening: OpeningFile<'_>) -> Result<Opened<'_, Pair>> {
        let mount =
            ActiveSuper::from(SuperBlock::<Instance>::of_file(opening.file()).ok_or(ENODEV)?);
        let slot = Slot::new()?;
        let lease = Instance::lease_index(mount.clone())?;
        let index = lease.index();
        let opened = mount.pty().open(opening, index, Pair::new(slot, lease))?;
        // The node comes last, when no lock of the tty core is held. If it fails, `opened` closes the file.
        let pty = Ptys::watch(index, opened.observer()?)?;
        opened.pair().publish(&mount, index, opened.slave()?, pty)?;
        Ok(opened)
    }

    fn release_file(end: &End<'_, Pair>) {
        end.pair().retire();
    }

    fn file_ioctl(
        end: &End<'_, Pair>,
        file: &File,
        cmd: u32,
        arg: usize,
    ) -> Result<Option<c_long>> {
        match cmd {
            // The core would ask the C driver.
            TIOCGPTPEER => open_peer(end, file, arg as u32).map(Some),
            _ => Ok(None),
        }
    }
}

/// `TIOCPKT`: every read is preceded by a byte of status from here on, or no longer.
fn set_packet_mode(end: &End<'_, Pair>, on: bool) {
    let mut ctrl = end.tty().ctrl();
    if on {
        ctrl.enable_packet(end.link());
    } else {
        ctrl.disable_packet();
    }
}

/// `TIOCSIG`: signals the slave's foreground process group.
///
/// # Errors
///
/// `EINVAL` but for `SIGINT`, `SIGQUIT` and `SIGTSTP`.
fn signal(slave: &Tty, signal: usize) -> Result {
    // As C takes it: an int.
    let signal = signal as u32;
    if !matches!(signal, SIGINT | SIGQUIT | SIGTSTP) {
        return Err(EINVAL);
    }
    if let Some(pgrp) = slave.pgrp() {
        pgrp.kill(signal);
    }
    Ok(())
}

/// `TIOCGPTPEER`: opens the slave with `flags`, without a path that could lead elsewhere; see `ioctl_tty(2)`.
///
/// # Errors
///
/// `EMFILE`; `ENOENT` and `ENODEV` where no mount of the file system can be found beside the file that the master is of;
/// `EIO` for a pty that is locked or gone.
fn open_peer(end: &End<'_, Pair>, file: &File, flags: u32) -> Result<c_long> {
    let fd = FileDescriptorReservation::get_unused_fd_flags(flags)?;
    let slave = end.pair().path_beside(file)?.open(flags)?;
    let number = fd.reserved_fd() as c_long;
    fd.fd_install(slave);
    Ok(number)
}
