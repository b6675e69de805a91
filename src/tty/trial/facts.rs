// SPDX-License-Identifier: GPL-2.0

//! What must be so of the tty core: of the tables that it gives, and of terminals that it has just made.

use super::super::{
    ldisc::is_adopted,
    operations::{Master, Slave},
    pair::PtyDriver,
    port::Port,
};
use crate::bindings;
use core::ptr::{self, addr_of, addr_of_mut, NonNull};
use kernel::prelude::*;

/// Why there is no driver.
pub(in crate::tty) enum Refusal {
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
pub(in crate::tty) type Found<T = ()> = Result<T, Refusal>;

/// Refuses unless `fact` holds. `otherwise` is what the log says then.
pub(super) fn must(fact: bool, otherwise: &'static str) -> Found {
    if fact {
        Ok(())
    } else {
        Err(Refusal::Fact(otherwise))
    }
}

/// What a function of the core's gave. That there is no memory, or a signal, says nothing of the core; `otherwise` is what the log
/// says of other errors.
pub(super) fn done<T>(result: Result<T>, otherwise: &'static str) -> Found<T> {
    result.map_err(|error| {
        if [ENOMEM, EINTR, ERESTARTSYS].contains(&error) {
            Refusal::Error(error)
        } else {
            Refusal::Fact(otherwise)
        }
    })
}

/// The core's file operations, of which copies are made with some entries replaced.
pub(in crate::tty) fn file_operations(core: &bindings::file_operations) -> Found {
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
pub(in crate::tty) fn line_discipline(n_tty: &bindings::tty_ldisc_ops) -> Found {
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

/// A slave that the kernel has just opened.
pub(in crate::tty) fn new_slave<M: Master, S: Slave<Pair = M::Pair>>(
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

/// A pair that has just been made, with its master open as `file`.
pub(in crate::tty) fn new_pair<M: Master, S: Slave<Pair = M::Pair>>(
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
        let ldisc = attached(master);
        must(
            !ldisc.is_null() && is_adopted(&*ldisc),
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
pub(super) unsafe fn attached(tty: *mut bindings::tty_struct) -> *const bindings::tty_ldisc_ops {
    // SAFETY: The caller's promise. A line discipline has operations.
    unsafe {
        match NonNull::new((*tty).ldisc) {
            Some(ldisc) => (*ldisc.as_ptr()).ops,
            None => ptr::null(),
        }
    }
}
