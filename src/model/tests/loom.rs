// SPDX-License-Identifier: GPL-2.0

//! The channel's protocol of locks and wake-ups, in every order that threads can come: `cargo test` with `--cfg loom`.
//!
//! The channel is the one that the kernel runs; its spinlock, memory and wait queue are stood in for. As in the kernel, a
//! reader copies without the lock, and a producer looks without any lock whether somebody sleeps.

#![cfg(loom)]

use loom::{
    cell::UnsafeCell,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc, Mutex, Notify,
    },
    thread,
};
use rdevpts_model::{channel::Channel, ring::Span};

/// As small as can be, so that producers meet its end.
const CAPACITY: usize = 2;

struct Shared {
    channel: Mutex<Channel>,
    memory: [UnsafeCell<u8>; CAPACITY],
    readers: Queue,
    writers: Queue,
}

/// A wait queue of one sleeper: `waitqueue_active()` and `wait_woken()`.
struct Queue {
    active: AtomicBool,
    woken: Notify,
}

impl Queue {
    fn new() -> Self {
        Self {
            active: AtomicBool::new(false),
            woken: Notify::new(),
        }
    }

    fn wake(&self) {
        if self.active.load(Relaxed) {
            self.woken.notify();
        }
    }

    /// Sleeps until `look` finds something.
    fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        if let Some(found) = look() {
            return found;
        }
        self.active.store(true, Relaxed);
        loop {
            if let Some(found) = look() {
                self.active.store(false, Relaxed);
                return found;
            }
            self.woken.wait();
        }
    }
}

impl Shared {
    fn new() -> Arc<Self> {
        let mut channel = Channel::new();
        channel.moved_to(CAPACITY);
        Arc::new(Self {
            channel: Mutex::new(channel),
            memory: [UnsafeCell::new(0), UnsafeCell::new(0)],
            readers: Queue::new(),
            writers: Queue::new(),
        })
    }

    /// Puts in `byte`, if there is room.
    fn put(&self, byte: u8, tell: bool) -> Option<()> {
        let mut channel = self.channel.lock().unwrap();
        let produced = channel.produce(1, tell);
        if produced.spans.len() == 1 {
            // SAFETY: loom checks that nobody reads or writes it at the same time.
            self.memory[produced.spans.0.start].with_mut(|place| unsafe { *place = byte });
        }
        drop(channel);
        if produced.wake_readers {
            self.readers.wake();
        }
        (produced.spans.len() == 1).then_some(())
    }

    fn write(&self, byte: u8, tell: bool) {
        self.writers.wait(|| self.put(byte, tell));
    }

    /// Takes out what is there.
    fn take(&self, max: usize) -> Option<Vec<u8>> {
        let spans = self.channel.lock().unwrap().read(max);
        let part = |span: Span| {
            self.memory[span.start..][..span.len]
                .iter()
                // SAFETY: As above.
                .map(|place| place.with(|place| unsafe { *place }))
                .collect::<Vec<u8>>()
        };
        let bytes = [
            part(spans.0),
            if spans.1.len > 0 {
                part(spans.1)
            } else {
                Vec::new()
            },
        ]
        .concat();
        let consumed = self.channel.lock().unwrap().consume(bytes.len());
        if consumed.wake_writers {
            self.writers.wake();
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    fn read(&self, n: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < n {
            all.extend(self.readers.wait(|| self.take(2)));
        }
        all
    }
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A writer of more than fits, and a reader: all arrives, in order.
#[test]
fn a_writer_and_a_reader() {
    model(|| {
        let shared = Shared::new();
        let writer = shared.clone();
        let thread = thread::spawn(move || (1..=3).for_each(|byte| writer.write(byte, true)));
        assert_eq!(shared.read(3), [1, 2, 3]);
        thread.join().unwrap();
    });
}

/// A writer of two pieces that holds back its wake-up, an echo that does not, and a reader.
#[test]
fn a_batch_an_echo_and_a_reader() {
    model(|| {
        let shared = Shared::new();
        let (writer, echo) = (shared.clone(), shared.clone());
        let writing = thread::spawn(move || {
            writer.channel.lock().unwrap().begin_batch();
            writer.put(1, true);
            let wake = writer.channel.lock().unwrap().end_batch();
            if wake {
                writer.readers.wake();
            }
        });
        let echoing = thread::spawn(move || {
            echo.put(9, false);
            let wake = echo.channel.lock().unwrap().flush();
            if wake {
                echo.readers.wake();
            }
        });
        let mut all = shared.read(2);
        all.sort_unstable();
        assert_eq!(all, [1, 9]);
        writing.join().unwrap();
        echoing.join().unwrap();
    });
}

/// A flush of either kind while a reader copies: what is read is whole, and the channel is as it should be after it.
#[test]
fn a_flush_and_a_reader() {
    for output in [true, false] {
        model(move || {
            let shared = Shared::new();
            shared.put(1, true);
            shared.put(2, true);
            let flusher = shared.clone();
            let thread = thread::spawn(move || {
                let mut channel = flusher.channel.lock().unwrap();
                if output {
                    channel.flush_output();
                } else {
                    channel.flush_input();
                }
                drop(channel);
                flusher.put(3, true);
            });
            let read = shared.take(2).unwrap_or_default();
            thread.join().unwrap();
            let rest = shared.take(2).unwrap_or_default();
            let all = [read, rest].concat();
            if output {
                // Two bytes are less than a C master holds: nothing is flushed, and the third has room or not.
                assert!(all.starts_with(&[1, 2]));
            } else {
                assert!(
                    [&[1, 2][..], &[1, 2, 3], &[3], &[]].contains(&&all[..]),
                    "{all:?}"
                );
            }
        });
    }
}
