// SPDX-License-Identifier: GPL-2.0

//! The channel that output goes through, with its memory exchanged while it is read.

use super::{
    super::{
        channel::{Channel, Reader},
        memory::Memory,
        read_lock::ReadLock,
    },
    text,
};
use crate::model::{
    channel::{Column, SETTLED},
    ring::Ring,
};
use kernel::{prelude::*, sync::Arc};
use pin_init::stack_pin_init;

/// The most that a channel holds, and what it holds when it is small.
const LARGE: usize = Ring::MAX_CAPACITY;
const SMALL: usize = 4096;

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

#[kunit_tests(rdevpts_channel)]
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
}
