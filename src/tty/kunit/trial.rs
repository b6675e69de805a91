// SPDX-License-Identifier: GPL-2.0

//! What the trial of the tty core refuses, and that this one passes.

use super::{
    super::{
        end::End,
        file::{Opened, OpeningFile},
        ldisc,
        master_file::FopsCell,
        operations::{Master, PtyEnd, Slave},
        pair::{Names, PtyDriver},
        trial::{self, Found, Refusal},
        tty_struct::Tty,
    },
    this_module,
};
use crate::bindings;
use core::ptr::{self, addr_of_mut};
use kernel::{fs::File, prelude::*, sync::aref::ARef};

static PLAIN_FOPS: FopsCell = FopsCell::new();

/// Either end of a pair that has nothing but its terminals.
struct Plain;

#[vtable]
impl PtyEnd for Plain {
    type Pair = ();

    fn open(_: &End<'_, ()>) -> Result {
        Ok(())
    }

    fn close(_: &End<'_, ()>) {}

    fn remove(_: &()) {}
}

impl Master for Plain {
    fn fops() -> &'static FopsCell {
        &PLAIN_FOPS
    }

    fn trial_pair() -> impl PinInit<(), Error> {
        Ok(())
    }

    fn open_file(_: OpeningFile<'_>) -> Result<Opened<'_, ()>> {
        Err(ENXIO)
    }

    fn release_file(_: &End<'_, ()>) {}

    fn file_ioctl(_: &End<'_, ()>, _: &File, _: u32, _: usize) -> Result<Option<c_long>> {
        Ok(None)
    }
}

impl Slave for Plain {
    fn lookup(_: &File) -> Result<ARef<Tty>> {
        Err(EIO)
    }

    fn open_file(_: OpeningFile<'_>) -> Result {
        Err(ENXIO)
    }
}

/// A driver of plain pairs. Making it tries the tty core.
fn pairs() -> Result<Pin<KBox<PtyDriver<Plain, Plain>>>> {
    let names = Names {
        master: c"kunit_master",
        slave: c"kunit_slave",
        nursery: c"kunit_nursery",
        lines: 1,
        slave_major: 0,
    };
    KBox::pin_init(PtyDriver::new(names, this_module()), GFP_KERNEL)
}

/// What a look at the tty core refuses.
fn refused(found: Found) -> &'static str {
    match found {
        Ok(()) => "nothing",
        Err(Refusal::Error(_)) => "an error",
        Err(Refusal::Fact(what)) => what,
    }
}

/// Whether `look` refuses, for that reason, what has `value` in `place`, and not what it had there before.
///
/// # Safety
///
/// `place` is valid, and so is `value` there for `look`.
unsafe fn refuses<T: Copy>(place: *mut T, value: T, look: &dyn Fn() -> Found, why: &str) -> bool {
    // SAFETY: The caller's promise.
    let before = unsafe { place.replace(value) };
    let with = refused(look());
    // SAFETY: As above.
    unsafe { place.write(before) };
    with.contains(why) && look().is_ok()
}

#[kunit_tests(rdevpts_trial)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_as_it_was_tried() -> Result {
        let before = trial::references(this_module());
        let pairs = pairs()?;
        let found = trial::run(&pairs);
        trial::until_freed(this_module(), before);
        assert_eq!(refused(found), "nothing");
        Ok(())
    }

    #[test]
    fn other_file_operations_are_refused() -> Result {
        let pairs = pairs()?;
        let mut ops = *pairs.core.0;
        let ops = addr_of_mut!(ops);
        // SAFETY: The table is ours, and only looked at.
        unsafe {
            let look = move || trial::file_operations(&*ops);
            let owner = this_module().as_ptr();
            assert!(refuses(addr_of_mut!((*ops).owner), owner, &look, "owner"));
            assert!(refuses(addr_of_mut!((*ops).open), None, &look, "lack"));
            let write_iter = addr_of_mut!((*ops).write_iter);
            assert!(refuses(write_iter, None, &look, "lack"));
        }
        Ok(())
    }

    #[test]
    fn another_line_discipline_is_refused() -> Result {
        let mut ops = ldisc::inherit();
        let ops = addr_of_mut!(ops);
        // SAFETY: The table is ours, and only looked at.
        unsafe {
            let look = move || trial::line_discipline(&*ops);
            assert!(refuses(addr_of_mut!((*ops).num), 1, &look, "not N_TTY"));
            let owner = this_module().as_ptr();
            assert!(refuses(addr_of_mut!((*ops).owner), owner, &look, "owner"));
            assert!(refuses(addr_of_mut!((*ops).read), None, &look, "lacks"));
        }
        Ok(())
    }

    #[test]
    fn a_slave_that_is_otherwise_is_refused() -> Result {
        let pairs = pairs()?;
        let pairs = &*pairs;
        let mut good = false;
        let found = trial::slave(pairs, |slave, port| {
            let look = move || trial::new_slave(pairs, slave, port);
            let port = port.as_ptr();
            // SAFETY: The slave is ours alone, and all is put back.
            unsafe {
                let ldisc = (*slave).ldisc;
                let nursery = pairs.nursery.as_ptr();
                good = refuses(addr_of_mut!((*slave).count), 2, &look, "counts")
                    && refuses(addr_of_mut!((*port).iflags), 0, &look, "mark")
                    && refuses(
                        addr_of_mut!((*slave).link),
                        slave,
                        &look,
                        "another terminal",
                    )
                    && refuses(addr_of_mut!((*slave).index), 1, &look, "another terminal")
                    && refuses(addr_of_mut!((*slave).driver), nursery, &look, "install")
                    && refuses(addr_of_mut!((*slave).ops), ptr::null(), &look, "install")
                    && refuses(
                        addr_of_mut!((*port).itty),
                        ptr::null_mut(),
                        &look,
                        "its port",
                    )
                    && refuses(addr_of_mut!((*ldisc).ops), ptr::null_mut(), &look, "N_TTY")
                    && refuses((*nursery).ttys, slave, &look, "table");
            }
            Ok(())
        });
        assert_eq!(refused(found), "nothing");
        assert!(good);
        Ok(())
    }

    #[test]
    fn a_pair_that_is_otherwise_is_refused() -> Result {
        let pairs = pairs()?;
        let pairs = &*pairs;
        let mut good = false;
        let found = trial::pair(pairs, |file| {
            let look = move || trial::new_pair(pairs, file);
            // SAFETY: The pair is ours alone, and all is put back.
            unsafe {
                let private = (*file).private_data.cast::<bindings::tty_file_private>();
                let master = (*private).tty;
                let slave = (*master).link;
                let ldisc = (*master).ldisc;
                good = refuses(
                    addr_of_mut!((*private).file),
                    ptr::null_mut(),
                    &look,
                    "files",
                ) && refuses(addr_of_mut!((*master).count), 2, &look, "counts")
                    && refuses(addr_of_mut!((*master).link), ptr::null_mut(), &look, "link")
                    && refuses(addr_of_mut!((*slave).link), slave, &look, "link")
                    && refuses(
                        addr_of_mut!((*(*master).port).itty),
                        slave,
                        &look,
                        "its port",
                    )
                    && refuses(addr_of_mut!((*ldisc).ops), ptr::null_mut(), &look, "N_TTY")
                    && refuses(addr_of_mut!((*slave).count), 2, &look, "its slave");
            }
            Ok(())
        });
        assert_eq!(refused(found), "nothing");
        assert!(good);
        Ok(())
    }
}
