// SPDX-License-Identifier: GPL-2.0

//! Whether the tty core is the one that this layer was made for.
//!
//! The layer writes fields that are the core's by custom, and relies on what the core's functions do with them. The compiler
//! sees that a field is still there, and not that it still means the same. So the first pair of a driver, before anybody knows of
//! it, is made here: a slave alone, which is taken back; then both ends, of which each says something to the other, and the slave
//! is hung up and closed. Each time the fields must be as the core left them when this was written. If one is not, there is no
//! driver, and the log has one line that says which.
//!
//! What can fail for other reasons (memory, a signal) fails with its own error. `Documentation/abstractions.rst` lists what is
//! looked at.
//!
//! C source: [`drivers/tty/tty_io.c`](srctree/drivers/tty/tty_io.c), [`drivers/tty/n_tty.c`](srctree/drivers/tty/n_tty.c)

mod facts;
mod scratch;

use super::{
    end::{master_end, End},
    ends::Ends,
    file::OpeningFile,
    ldisc::{self, Ldisc},
    operations::{Master, Slave},
    pair::{Creation, PtyDriver},
    port::Port,
    tty_struct::Flag,
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    ptr::{self, addr_of, addr_of_mut},
};
use facts::{attached, done, must};
use kernel::{error::from_err_ptr, prelude::*};
use scratch::{opening_on, Scratch};

pub(super) use facts::{file_operations, line_discipline, new_pair, new_slave, Found, Refusal};
pub(super) use scratch::slave_of;

/// After so many waits, of a millisecond and more each, the core has had the time.
const LONG: u32 = 5_000;

/// How often `module` is referred to.
pub(super) fn references(module: &'static ThisModule) -> c_int {
    // SAFETY: The module is there.
    unsafe { bindings::module_refcount(module.as_ptr()) }
}

/// Tries the tty core with `driver`, which nobody else knows yet, for `module`, which is being loaded. Sleeps, for some
/// milliseconds. `before` is how often the module was referred to before the driver was registered: from then on, somebody who
/// opens one of its numbers, in vain, has a reference for a moment.
///
/// # Errors
///
/// `ENOEXEC` where the core is not as it was; the log says in one line what is not. `ENOMEM`; `ERESTARTSYS` for a signal.
pub(super) fn of_core<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    module: &'static ThisModule,
    before: c_int,
) -> Result {
    let result = match run(driver) {
        Ok(()) => Ok(()),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::Fact(what)) => {
            pr_err!("not loaded: this kernel is not as it was tried: {what}\n");
            Err(ENOEXEC)
        }
    };
    until_freed(module, before);
    result
}

/// Tries it, without the words. [`until_freed`] must come after it.
pub(super) fn run<M: Master, S: Slave<Pair = M::Pair>>(driver: &PtyDriver<M, S>) -> Found {
    line_discipline(&ldisc::inherit())?;
    file_operations(driver.core.0)?;
    slave(driver, |slave, port| new_slave(driver, slave, port))?;
    pair(driver, |file| conversation(driver, file))
}

/// Waits until `module` is not referred to more often than `before`: the core frees a terminal in a work queue, and calls the
/// module for it, which must still be there then, loaded or not.
pub(super) fn until_freed(module: &'static ThisModule, before: c_int) {
    let mut waited = 0u32;
    while references(module) > before {
        if waited == LONG {
            pr_err!("the tty core keeps the terminals that it was tried with; to go on would crash it\n");
        }
        waited = waited.saturating_add(1);
        // SAFETY: This task may sleep.
        unsafe { bindings::msleep(1) };
    }
}

/// Makes a slave without a master, has `look` look at it as `tty_kopen_exclusive()` gave it, and takes it back.
pub(super) fn slave<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    look: impl FnOnce(*mut bindings::tty_struct, &Port) -> Found,
) -> Found {
    let ends = Ends::new(M::trial_pair())?;
    let creation = UnsafeCell::new(Creation {
        ends: ends.clone(),
        file: ptr::null_mut(),
        slave: ptr::null_mut(),
        index: 0,
        slave_driver: driver.pts.as_ptr(),
        linked: false,
    });
    let _creating = driver.creating.lock();
    // SAFETY: `creating` is held, and the creation on this task's stack. The device number is the nursery's.
    let slave = from_err_ptr(unsafe {
        driver.births.attend(creation.get(), || {
            bindings::tty_kopen_exclusive(driver.nursery.first_dev())
        })
    });
    let slave = done(slave, "tty_kopen_exclusive() makes no terminal")?;
    let found = look(slave, ends.slave_port());
    // SAFETY: The slave is ours alone, open for the kernel; locked, unless that is what was found.
    unsafe {
        if bindings::rdevpts_mutex_is_locked(addr_of_mut!((*slave).legacy_mutex)) {
            bindings::tty_unlock(slave);
        }
        bindings::tty_kclose(slave);
    }
    found
}

/// Makes a pair, with a file for its master, has `look` look at that, and closes it.
pub(super) fn pair<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    look: impl FnOnce(*mut bindings::file) -> Found,
) -> Found {
    let file = Scratch::new()?;
    // SAFETY: The file is nobody else's, and outlives `opened`.
    let opening = unsafe { OpeningFile::from_raw(file.as_ptr()) };
    let opened = driver.open(opening, 0, M::trial_pair());
    let opened = done(opened, "tty_open() makes no master")?;
    let found = look(file.as_ptr());
    drop(opened);
    found
}

/// All that is tried of a pair whose master is open as `file`.
fn conversation<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    file: *mut bindings::file,
) -> Found {
    new_pair(driver, file)?;
    // SAFETY: Open, on a master of the trial's.
    let Some(master) = (unsafe { master_end::<M::Pair>(file) }) else {
        return Err(EIO.into());
    };
    let slave = master.link().as_ptr();
    // As user space does, with TIOCSPTLCK.
    master.tty().clear(Flag::PtyLock);

    let file = Scratch::new()?;
    open_slave(driver, slave, &file)?;
    says(&master, &file)?;
    // SAFETY: The slave is live: its master is open.
    unsafe { bindings::tty_vhangup(slave) };
    hung_up(driver, &file)?;
    drop(file);
    // SAFETY: As above.
    let count = unsafe { (*slave).count };
    must(
        count == 1,
        "a slave that was hung up and closed does not count its master alone",
    )
}

/// Opens the slave through its entrance.
fn open_slave<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    slave: *mut bindings::tty_struct,
    file: &Scratch,
) -> Found {
    // SAFETY: The file is nobody else's, and flags are read when it is opened. Nothing may wait, nor get a terminal from this.
    let opening = unsafe {
        (*file.as_ptr()).f_flags |= bindings::O_NOCTTY | bindings::O_NONBLOCK;
        OpeningFile::from_raw(file.as_ptr())
    };
    // SAFETY: The slave is live: its master is open.
    let result = unsafe { opening_on(slave, file, || driver.open_slave(opening)) };
    if let Err(error) = result {
        // SAFETY: Not open, so that there is nothing to close.
        unsafe { (*file.as_ptr()).f_op = Scratch::FOPS };
        return done(Err(error), "tty_open() does not open a slave");
    }
    // From here on the file's own `release`, the core's, closes the slave.
    // SAFETY: The core has opened the file; the terminal is live until it is closed.
    unsafe {
        let private = (*file.as_ptr())
            .private_data
            .cast::<bindings::tty_file_private>();
        must(
            !private.is_null() && (*private).tty == slave && (*slave).count == 2,
            "a slave that is opened does not count this beside its master",
        )?;
        must(
            attached(slave) == addr_of!(driver.slave_ldisc),
            "a slave that is opened has another line discipline than before",
        )
    }
}

/// Each end says something to the other.
fn says<P: 'static>(master: &End<'_, P>, file: &Scratch) -> Found {
    let slave = master.link();
    let ldisc =
        Ldisc::get(slave).ok_or(Refusal::Fact("an open terminal has no line discipline"))?;
    let (Some(read), Some(write)) = (ldisc.ops().read, ldisc.ops().write) else {
        return Err(Refusal::Fact("N_TTY does not read and write"));
    };
    let said = b"x\n";
    // SAFETY: The line discipline is attached, the file open, and the bytes are there.
    let n = unsafe { write(slave.as_ptr(), file.as_ptr(), said.as_ptr(), said.len()) };
    let n = count(n, "N_TTY does not write")?;
    must(
        n == said.len(),
        "N_TTY does not write what there is room for",
    )?;
    // The echo of this has room beside the other, and needs no memory that there might not be.
    let typed = b"y\n";
    let taken = master
        .link_port()
        .feed(&ldisc, slave, typed, slave.signals(), false, 0);
    must(
        taken == typed.len(),
        "N_TTY does not take what it has room for",
    )?;
    let mut line = [0u8; 8];
    let mut cookie = ptr::null_mut();
    // SAFETY: The line discipline is attached, the file open, and there is room for so many bytes.
    let n = unsafe {
        read(
            slave.as_ptr(),
            file.as_ptr(),
            line.as_mut_ptr(),
            line.len(),
            &mut cookie,
            0,
        )
    };
    let n = count(n, "N_TTY does not read")?;
    must(
        line.get(..n) == Some(typed),
        "N_TTY does not give the line that it took",
    )?;
    let reader = master.channel().try_lock_reading().ok_or(EBUSY)?;
    let mut wanted: &[u8] = b"x\r\ny\r\n";
    let _ = reader.read(wanted.len(), |bytes| match wanted.strip_prefix(bytes) {
        Some(rest) => {
            wanted = rest;
            bytes.len()
        }
        None => 0,
    });
    must(
        wanted.is_empty() && master.channel().len() == 0,
        "N_TTY does not put out and echo what it did",
    )
}

/// How many bytes, or the error.
fn count(n: isize, otherwise: &'static str) -> Found<usize> {
    done(
        usize::try_from(n).map_err(|_| Error::from_errno(n as c_int)),
        otherwise,
    )
}

/// The slave was hung up with `file` open.
fn hung_up<M: Master, S: Slave<Pair = M::Pair>>(driver: &PtyDriver<M, S>, file: &Scratch) -> Found {
    // SAFETY: The file is nobody else's.
    let fops = unsafe { (*file.as_ptr()).f_op };
    must(
        !ptr::eq(fops, driver.slave_fops),
        "a hangup does not disconnect the files of a slave",
    )
}
