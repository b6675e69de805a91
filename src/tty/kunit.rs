// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of this layer, in a kernel: what has memory, locks and registrations of the kernel's, and what the trial of the
//! tty core refuses.
//! The logic by itself is tested on the host (`model`).

use super::{
    channel::{Channel, Reader},
    driver::{Config, Unregistered},
    end::End,
    file::{Opened, OpeningFile},
    ldisc,
    master_file::FopsCell,
    memory::Memory,
    operations::{Master, PtyEnd, Slave},
    pair::{Names, PtyDriver},
    port::Port,
    read_lock::ReadLock,
    termios::Termios,
    trial::{self, Found, Refusal},
    tty_struct::Tty,
};
use crate::{
    bindings,
    model::channel::{Column, SETTLED},
};
use core::ptr::{self, addr_of_mut};
use kernel::{
    fs::File,
    prelude::*,
    sync::{aref::ARef, Arc},
};
use pin_init::stack_pin_init;

/// The most that a channel holds, and what it holds when it is small.
const LARGE: usize = crate::model::ring::Ring::MAX_CAPACITY;
const SMALL: usize = 4096;

/// `len` bytes from number `from` of an endless text that does not repeat itself in step with any buffer.
fn text(from: usize, len: usize) -> Result<KVVec<u8>> {
    let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
    for number in from..from + len {
        bytes.push((number % 251) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

fn channel() -> Result<Arc<Channel>> {
    Arc::pin_init(Channel::new(), GFP_KERNEL)
}

/// Whether the next `len` bytes are those of [`text`] from number `from` on.
fn reads(reader: &Reader<'_>, mut from: usize, len: usize) -> bool {
    let end = from + len;
    while from < end {
        let mut good = true;
        let (n, _) = reader.read(end - from, |bytes| {
            good = bytes
                .iter()
                .enumerate()
                .all(|(i, byte)| *byte == ((from + i) % 251) as u8);
            from += bytes.len();
            bytes.len()
        });
        if n == 0 || !good {
            return false;
        }
    }
    true
}

/// Writes, and says how much was taken, and whether readers are to be woken.
fn writes(channel: &Channel, bytes: &[u8]) -> (usize, bool) {
    channel
        .write(bytes, true, Column::Other)
        .unwrap_or((usize::MAX, false))
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

fn this_module() -> &'static ThisModule {
    bindings::compat::this_module::<crate::LocalModule>()
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

#[kunit_tests(rdevpts_tty)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_what_was_asked_for() -> Result {
        assert_eq!(Memory::NONE.capacity(), 0);
        for capacity in [1, SMALL, LARGE] {
            for memory in [Memory::new(capacity)?, Memory::new_atomic(capacity)?] {
                assert_eq!(memory.capacity(), capacity);
                // SAFETY: So many bytes are ours.
                unsafe { memory.as_ptr().write_bytes(0xa5, capacity) };
            }
        }
        assert!(Memory::new(usize::MAX).is_err());
        assert!(Memory::new_atomic(usize::MAX).is_err());
        Ok(())
    }

    #[test]
    fn a_channel_gives_what_it_took_in_order() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        let mut at = 0usize;
        // Of all lengths, so that the ring wraps at all places.
        for len in (1..3000).step_by(7) {
            assert_eq!(writes(&channel, &text(at, len)?).0, len);
            assert_eq!(channel.len(), len);
            assert!(reads(&reader, at, len));
            at += len;
        }
        assert_eq!(channel.len(), 0);
        Ok(())
    }

    #[test]
    fn a_read_that_takes_less_leaves_the_rest() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        writes(&channel, &text(0, 1000)?);
        // As where memory of user space is missing.
        assert_eq!(reader.read(1000, |_| 0).0, 0);
        assert_eq!(channel.len(), 1000);
        assert_eq!(reader.read(1000, |_| 300).0, 300);
        assert_eq!(channel.len(), 700);
        assert!(reads(&reader, 300, 700));
        Ok(())
    }

    #[test]
    fn a_channel_grows_and_keeps_what_it_has() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        // The content wraps in the small memory.
        assert_eq!(writes(&channel, &text(0, 3000)?).0, 3000);
        assert!(reads(&reader, 0, 2900));
        assert_eq!(writes(&channel, &text(3000, 3000)?).0, 3000);
        assert_eq!(writes(&channel, &text(6000, 20_000)?).0, 20_000);
        assert_eq!(channel.len(), 23_100);
        assert!(reads(&reader, 2900, 23_100));
        Ok(())
    }

    #[test]
    fn a_channel_takes_no_more_than_it_holds() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        assert_eq!(writes(&channel, &text(0, LARGE + 5000)?), (LARGE, true));
        assert_eq!(channel.write_room(), Some(0));
        assert_eq!(writes(&channel, b"x").0, 0);
        // A writer who found no room is told when there is some.
        let (_, consumed) = reader.read(LARGE, |bytes| bytes.len());
        assert!(consumed.wake_writers);
        Ok(())
    }

    #[test]
    fn a_drained_channel_gives_back_its_memory() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        writes(&channel, &text(0, LARGE)?);
        assert!(reads(&reader, 0, LARGE));
        // Without any, it promises a little.
        assert_eq!(channel.write_room(), Some(SMALL));
        writes(&channel, b"x");
        assert_eq!(channel.write_room(), Some(SMALL - 1));
        Ok(())
    }

    #[test]
    fn memory_stays_while_it_is_read() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        writes(&channel, &text(0, 3000)?);
        let mut same = false;
        let mut taken = 0;
        let (n, _) = reader.read(3000, |bytes| {
            // The memory is exchanged for a larger one, twice if it could be, under the reader's eyes.
            let more = text(3000, 20_000);
            taken = more.map_or(0, |more| writes(&channel, &more).0);
            same = bytes.iter().enumerate().all(|(i, b)| *b == (i % 251) as u8);
            bytes.len()
        });
        assert_eq!((n, taken), (3000, 20_000));
        assert!(same);
        assert!(reads(&reader, 3000, 20_000));
        Ok(())
    }

    #[test]
    fn readers_are_woken_once_for_a_batch() -> Result {
        let channel = channel()?;
        let batch = channel.batch(100).map_err(|_| ENOMEM)?;
        assert_eq!(writes(&channel, b"one"), (3, false));
        assert_eq!(writes(&channel, b"two"), (3, false));
        assert!(batch.end());
        assert!(!channel.flush());
        assert_eq!(writes(&channel, b"three"), (5, true));
        let held = channel.write(b"four", false, Column::Other);
        assert_eq!(held, Some((4, false)));
        assert!(channel.flush());
        assert!(!channel.flush());
        Ok(())
    }

    #[test]
    fn whole_lines_go_only_from_a_lines_start() -> Result {
        let channel = channel()?;
        let batch = channel.batch(LARGE).map_err(|_| ENOMEM)?;
        assert_eq!(channel.write_lines(b"a\nb\n").0, 0);
        channel.set_column(Column::Zero);
        assert_eq!(channel.write_lines(b"a\nb\n").0, 4);
        assert_eq!(channel.len(), 6);
        let _ = batch.end();
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        let mut good = false;
        reader.read(10, |bytes| {
            good = bytes == b"a\r\nb\r\n";
            bytes.len()
        });
        assert!(good);
        Ok(())
    }

    #[test]
    fn whole_lines_leave_room_for_an_echo() -> Result {
        let channel = channel()?;
        let batch = channel.batch(LARGE).map_err(|_| ENOMEM)?;
        channel.set_column(Column::Zero);
        let mut lines = KVVec::from_elem(b'x', LARGE, GFP_KERNEL)?;
        for line in lines.chunks_mut(64) {
            if let Some(last) = line.last_mut() {
                *last = b'\n';
            }
        }
        let input = channel.echoing();
        let (taken, _) = channel.write_lines(&lines);
        assert!(taken > 0 && taken % 64 == 0);
        assert!(channel.write_room() >= Some(4096));
        drop(input);
        let (taken, _) = channel.write_lines(&lines);
        assert!(taken > 0 && taken % 64 == 0);
        assert!(channel.write_room() < Some(4096));
        let _ = batch.end();
        Ok(())
    }

    #[test]
    fn a_flush_of_output_keeps_what_c_has_passed_on() -> Result {
        let channel = channel()?;
        let reader = channel.try_lock_reading().ok_or(EBUSY)?;
        writes(&channel, &text(0, 10_000)?);
        channel.flush_output();
        assert_eq!(channel.len(), SETTLED);
        assert!(reads(&reader, 0, SETTLED));
        writes(&channel, &text(0, 100)?);
        channel.flush_input();
        assert_eq!(channel.len(), 0);
        Ok(())
    }

    #[test]
    fn a_detached_channel_hands_on_what_it_has() -> Result {
        let channel = channel()?;
        writes(&channel, &text(0, 5000)?);
        let handed = core::cell::Cell::new(0);
        channel.detach(|bytes| handed.set(handed.get() + bytes.len()));
        // But for what a C master's line discipline would have had, and lost.
        assert_eq!(handed.get(), 5000 - SETTLED);
        assert!(!channel.is_attached());
        assert_eq!(channel.write(b"x", true, Column::Other), None);
        assert_eq!(channel.write_room(), None);
        channel.detach(|_| handed.set(0));
        assert_eq!(handed.get(), 5000 - SETTLED);
        Ok(())
    }

    #[test]
    fn one_reads_at_a_time() -> Result {
        stack_pin_init!(let lock = ReadLock::new());
        assert!(lock.try_lock());
        assert!(!lock.try_lock());
        // SAFETY: Locked above.
        unsafe { lock.unlock() };
        assert!(lock.lock_interruptible());
        // SAFETY: As above.
        unsafe { lock.unlock() };

        let channel = channel()?;
        let reader = channel.lock_reading().ok_or(EINTR)?;
        assert!(channel.try_lock_reading().is_none());
        drop(reader);
        assert!(channel.try_lock_reading().is_some());
        Ok(())
    }

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
        let changed = unsafe { Termios::from_raw_mut(&mut raw) };
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

    #[test]
    fn the_core_is_as_it_was_tried() -> Result {
        let before = trial::references(this_module());
        let pairs = pairs()?;
        let found = trial::run(&pairs, this_module(), before);
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
