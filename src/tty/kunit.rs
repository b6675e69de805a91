// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of this layer, in a kernel: what has memory, locks and registrations of the kernel's, and what the trial of the
//! tty core refuses. The logic by itself is tested on the host (`model`).

mod channel;
mod trial;

use super::{
    driver::{Config, Unregistered},
    port::Port,
    termios::Termios,
};
use crate::bindings;
use kernel::{prelude::*, sync::Arc};

/// `len` bytes from number `from` of an endless text that does not repeat itself in step with any buffer.
fn text(from: usize, len: usize) -> Result<KVVec<u8>> {
    let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
    for number in from..from + len {
        bytes.push((number % 251) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// A driver without terminals.
fn driver(lines: u32) -> Result<Unregistered> {
    // SAFETY: Optional functions, none of which there are.
    static OPS: bindings::tty_operations = unsafe { core::mem::zeroed() };
    Unregistered::new(
        Config {
            driver_name: c"rdevpts_kunit",
            name: c"rdevpts_kunit",
            lines,
            subtype: bindings::tty_driver_subtype_PTY_TYPE_SLAVE,
            flags: bindings::tty_driver_flag_TTY_DRIVER_DEVPTS_MEM
                | bindings::tty_driver_flag_TTY_DRIVER_DYNAMIC_ALLOC,
            termios: Termios::pty(),
            ops: &OPS,
        },
        this_module(),
    )
}

fn this_module() -> &'static ThisModule {
    bindings::compat::this_module::<crate::LocalModule>()
}

#[kunit_tests(rdevpts_tty)]
mod tests {
    use super::*;

    #[test]
    fn a_port_takes_what_fits() -> Result {
        let port = Arc::pin_init(Port::new(8192), GFP_KERNEL)?;
        assert!(!port.may_be_queued());
        assert!(port.space_avail() >= 8192 / 2);
        assert_eq!(port.receive(&text(0, 100)?), 100);
        // More than there is room for: nobody has opened the port, but its work may run any time.
        let all = text(0, 60_000)?;
        assert!(port.receive(&all) < all.len());
        assert!(port.may_be_queued());
        port.flush();
        assert!(port.space_avail() >= 8192 / 2);
        Ok(())
    }

    #[test]
    fn settings_of_a_pty() -> Result {
        let mut termios = Termios::pty();
        assert!(termios.standard_flow_control() && !termios.extproc());
        assert!(!Termios::pty_raw().standard_flow_control());
        let mut raw = *termios.as_raw();
        raw.c_cflag = bindings::CS7 | bindings::PARENB;
        raw.c_lflag |= bindings::EXTPROC;
        // SAFETY: It is ours, and nobody else uses it.
        let mut changed = *unsafe { Termios::from_raw(&raw) };
        changed.force_8bit();
        assert!(changed.extproc());
        let cflag = changed.as_raw().c_cflag;
        assert_eq!(cflag & bindings::CSIZE, bindings::CS8);
        assert_eq!(cflag & bindings::PARENB, 0);
        assert_eq!(cflag & bindings::CREAD, bindings::CREAD);
        termios.force_8bit();
        assert_eq!(termios.as_raw().c_cflag, Termios::pty().as_raw().c_cflag);
        Ok(())
    }

    #[test]
    fn a_driver_comes_and_goes() -> Result {
        assert_eq!(driver(0).err(), Some(EINVAL));
        drop(driver(4)?);
        let first = driver(4)?.register()?;
        let second = driver(4)?.register()?;
        assert!(first.first_dev() != 0 && second.first_dev() != first.first_dev());
        Ok(())
    }
}
