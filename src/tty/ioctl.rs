// SPDX-License-Identifier: GPL-2.0

//! The ioctls of pseudo-terminals, `ioctl_tty(2)`.
//!
//! C header: [`include/uapi/asm-generic/ioctls.h`](srctree/include/uapi/asm-generic/ioctls.h)

use core::mem::size_of;
use kernel::{
    ioctl::{_IO, _IOR, _IOW},
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

/// Get the pty's number.
pub(crate) const TIOCGPTN: u32 = _IOR::<c_uint>('T' as u32, 0x30);
/// Lock or unlock the slave.
pub(crate) const TIOCSPTLCK: u32 = _IOW::<c_int>('T' as u32, 0x31);
/// Send a signal to the slave's foreground process group.
pub(crate) const TIOCSIG: u32 = _IOW::<c_int>('T' as u32, 0x36);
/// Get packet mode.
pub(crate) const TIOCGPKT: u32 = _IOR::<c_int>('T' as u32, 0x38);
/// Get the slave's lock.
pub(crate) const TIOCGPTLCK: u32 = _IOR::<c_int>('T' as u32, 0x39);
/// Open the slave.
pub(crate) const TIOCGPTPEER: u32 = _IO('T' as u32, 0x41);
/// Set packet mode.
pub(crate) const TIOCPKT: u32 = crate::bindings::TIOCPKT;

/// `get_user()` of an int.
///
/// # Errors
///
/// `EFAULT` where `arg` is no readable address.
pub(crate) fn get_int(arg: usize) -> Result<c_int> {
    UserSlice::new(UserPtr::from_addr(arg), size_of::<c_int>())
        .reader()
        .read()
}

/// `put_user()` of an int.
///
/// # Errors
///
/// `EFAULT` where `arg` is no writable address.
pub(crate) fn put_int(arg: usize, value: c_int) -> Result {
    UserSlice::new(UserPtr::from_addr(arg), size_of::<c_int>())
        .writer()
        .write(&value)
}
