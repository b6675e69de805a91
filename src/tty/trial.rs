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

use super::{
    end::{master_end, End},
    ends::Ends,
    file::OpeningFile,
    ldisc::{self, Ldisc},
    master_ldisc::MasterLdisc,
    operations::{Master, Slave},
    pair::{Creation, PtyDriver},
    port::Port,
    tty_struct::{Flag, Tty},
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    ptr::{self, addr_of, addr_of_mut, NonNull},
};
use kernel::{
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{ordering::Relaxed, Atomic},
    },
};

/// Why there is no driver.
pub(super) enum Refusal {
    /// What is not as it was.
    Fact(&'static str),
    /// It could not be found out.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a look at the core found.
pub(super) type Found<T = ()> = Result<T, Refusal>;

/// Refuses unless `fact` holds. `otherwise` is what the log says then.
fn must(fact: bool, otherwise: &'static str) -> Found {
    if fact {
        Ok(())
    } else {
        Err(Refusal::Fact(otherwise))
    }
}

/// What a function of the core's gave. That there is no memory, or a signal, says nothing of the core; `otherwise` is what the log
/// says of other errors.
fn done<T>(result: Result<T>, otherwise: &'static str) -> Found<T> {
    result.map_err(|error| {
        if [ENOMEM, EINTR, ERESTARTSYS].contains(&error) {
            Refusal::Error(error)
        } else {
            Refusal::Fact(otherwise)
        }
    })
}

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
    match run(driver, module, before) {
        Ok(()) => Ok(()),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::Fact(what)) => {
            pr_err!("not loaded: this kernel is not as it was tried: {what}\n");
            Err(ENOEXEC)
        }
    }
}

/// [`of_core`] without the words.
pub(super) fn run<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    module: &'static ThisModule,
    before: c_int,
) -> Found {
    line_discipline(&ldisc::inherit())?;
    file_operations(driver.core.0)?;
    let found = slave(driver, |slave, port| new_slave(driver, slave, port))
        .and_then(|()| pair(driver, |file| conversation(driver, file)));
    // The core frees a terminal in a work queue, and calls the module for it: it must still be there then, loaded or not.
    while references(module) > before {
        // SAFETY: This task may sleep.
        unsafe { bindings::msleep(1) };
    }
    found
}

/// The core's file operations, of which copies are made with some entries replaced.
pub(super) fn file_operations(core: &bindings::file_operations) -> Found {
    must(
        core.owner.is_null(),
        "the tty core's file operations have an owner",
    )?;
    must(
        core.open.is_some()
            && core.release.is_some()
            && core.read_iter.is_some()
            && core.write_iter.is_some()
            && core.poll.is_some()
            && core.fasync.is_some()
            && core.unlocked_ioctl.is_some()
            && core.splice_read.is_some()
            && core.splice_write.is_some(),
        "the tty core's file operations lack one that is passed on to",
    )?;
    #[cfg(CONFIG_COMPAT)]
    must(
        core.compat_ioctl.is_some(),
        "the tty core's file operations have no compat_ioctl",
    )?;
    Ok(())
}

/// `N_TTY`'s operations, of which a slave's are made.
pub(super) fn line_discipline(n_tty: &bindings::tty_ldisc_ops) -> Found {
    must(
        n_tty.num == bindings::N_TTY as c_int,
        "the inherited line discipline is not N_TTY",
    )?;
    must(n_tty.owner.is_null(), "the inherited N_TTY has an owner")?;
    must(
        n_tty.open.is_some()
            && n_tty.close.is_some()
            && n_tty.read.is_some()
            && n_tty.write.is_some()
            && n_tty.ioctl.is_some()
            && n_tty.poll.is_some()
            && n_tty.flush_buffer.is_some()
            && n_tty.set_termios.is_some()
            && n_tty.receive_buf2.is_some()
            && n_tty.lookahead_buf.is_some(),
        "N_TTY lacks an operation that is passed on to",
    )
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

/// A slave that the kernel has just opened.
pub(super) fn new_slave<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    slave: *mut bindings::tty_struct,
    port: &Port,
) -> Found {
    // SAFETY: The slave is live, and this task's alone.
    unsafe {
        must(
            bindings::rdevpts_mutex_is_locked(addr_of_mut!((*slave).legacy_mutex)),
            "tty_kopen_exclusive() gives a terminal that is not locked",
        )?;
        must(
            (*slave).count == 1,
            "tty_kopen_exclusive() counts otherwise than install does",
        )?;
        must(
            is_kopened(port.as_ptr()),
            "tty_kopen_exclusive() does not mark the port",
        )?;
        must(
            (*slave).link.is_null() && (*slave).index == 0,
            "tty_kopen_exclusive() gives another terminal than was asked for",
        )?;
        must(
            (*slave).driver == driver.pts.as_ptr()
                && (*slave).ops == (*driver.pts.as_ptr()).ops
                && (*slave).port == port.as_ptr(),
            "tty_init_dev() changes what install has set",
        )?;
        must(
            (*port.as_ptr()).itty == slave,
            "tty_init_dev() does not name the terminal in its port",
        )?;
        must(
            attached(slave) == addr_of!(driver.slave_ldisc),
            "a new terminal has another line discipline than N_TTY, or later than install",
        )?;
        must(
            (*(*driver.nursery.as_ptr()).ttys).is_null(),
            "a terminal that is not entered into its driver's table is there",
        )
    }
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

/// A pair that has just been made, with its master open as `file`.
pub(super) fn new_pair<M: Master, S: Slave<Pair = M::Pair>>(
    driver: &PtyDriver<M, S>,
    file: *mut bindings::file,
) -> Found {
    // SAFETY: The core has opened the file: it has a `tty_file_private`, whose terminal is live. The pair is this task's alone.
    unsafe {
        let private = (*file).private_data.cast::<bindings::tty_file_private>();
        must(
            !private.is_null() && (*private).file == file && !(*private).tty.is_null(),
            "tty_open() does not have a terminal's files as it had",
        )?;
        let master = (*private).tty;
        let files = addr_of_mut!((*master).tty_files);
        must(
            (*master).driver == driver.ptm.as_ptr()
                && (*master).ops == (*driver.ptm.as_ptr()).ops
                && (*master).count == 1
                && (*files).next == addr_of_mut!((*private).list)
                && (*(*files).next).next == files,
            "tty_open() counts otherwise than install does",
        )?;
        let slave = (*master).link;
        must(
            !slave.is_null() && (*slave).link == master,
            "tty_open() does not keep the link that open has set",
        )?;
        must(
            !(*master).port.is_null() && (*(*master).port).itty == master,
            "tty_open() does not name the terminal in its port",
        )?;
        must(
            attached(master) == ptr::from_ref(MasterLdisc::<M>::OPS),
            "a new master has another line discipline than N_TTY, or later than install",
        )?;
        must(
            (*slave).count == 1
                && (*slave).index == 0
                && (*(*slave).port).itty == slave
                && !is_kopened((*slave).port),
            "tty_open() of a master changes its slave",
        )
    }
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
    SLAVE.store(slave, Relaxed);
    OPENING.store(file.as_ptr(), Relaxed);
    let result = driver.open_slave(opening);
    OPENING.store(ptr::null_mut(), Relaxed);
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

/// `TTY_PORT_KOPENED`.
///
/// # Safety
///
/// `port` is initialised.
unsafe fn is_kopened(port: *const bindings::tty_port) -> bool {
    // SAFETY: The caller's promise.
    unsafe { bindings::rdevpts_test_bit(bindings::TTY_PORT_KOPENED, addr_of!((*port).iflags)) }
}

/// The operations of the line discipline of `tty`.
///
/// # Safety
///
/// `tty` is live, and this task's alone.
unsafe fn attached(tty: *mut bindings::tty_struct) -> *const bindings::tty_ldisc_ops {
    // SAFETY: The caller's promise. A line discipline has operations.
    unsafe {
        match NonNull::new((*tty).ldisc) {
            Some(ldisc) => (*ldisc.as_ptr()).ops,
            None => ptr::null(),
        }
    }
}

/// A file of no file system, which nobody else has.
///
/// # Invariants
///
/// Owns the only reference. Its operations' `release`, if there is one, is for what it is open on.
struct Scratch(NonNull<bindings::file>);

impl Scratch {
    const FOPS: &'static bindings::file_operations = &pin_init::zeroed();

    fn new() -> Result<Self> {
        // SAFETY: The operations are static, and there are none.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(
                c"trial".as_char_ptr(),
                Self::FOPS,
                ptr::null_mut(),
                bindings::O_RDWR as c_int,
            )
        })?;
        // INVARIANT: Just made.
        NonNull::new(file).map(Self).ok_or(ENOMEM)
    }

    fn as_ptr(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    /// Now, and not when the task goes back to user space: the module may be gone then.
    fn drop(&mut self) {
        // SAFETY: Gives up the reference that we own by the invariant.
        unsafe { bindings::__fput_sync(self.as_ptr()) };
    }
}

/// Which file is being opened on a slave of the trial, and which that is.
static OPENING: Atomic<*mut bindings::file> = Atomic::new(ptr::null_mut());
static SLAVE: Atomic<*mut bindings::tty_struct> = Atomic::new(ptr::null_mut());

/// The slave that `file`, which is being opened, is to be open on, if that is for the trial.
pub(super) fn slave_of(file: &File) -> Option<ARef<Tty>> {
    // The address of a file that is being opened, and that the trial has, is the trial's.
    (OPENING.load(Relaxed) == file.as_ptr()).then(|| {
        // SAFETY: The trial has the slave's master open for as long.
        ARef::from(unsafe { Tty::from_raw(SLAVE.load(Relaxed)) })
    })
}
