// SPDX-License-Identifier: GPL-2.0

//! What the two ends of a pair share.

use super::{channel::Channel, port::Port, wakeup::Wakeup};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering::Relaxed, Atomic},
        Arc,
    },
};

/// `tty_buffer_set_limit()` of each end, as the C driver has it: bytes in flight.
const BUFFER_LIMIT: i32 = 8192;

/// What the two ends of a pair share: their ports, and the driver's own.
///
/// Each `tty_struct` of the pair owns a reference (`driver_data`) from its `install` to its `cleanup`.
#[pin_data]
pub(crate) struct Ends<P> {
    #[pin]
    master_port: Port,
    #[pin]
    slave_port: Port,
    /// Output of the slave, in place of the master's port as long as the master has its own line discipline.
    #[pin]
    channel: Channel,
    #[pin]
    wakeup: Wakeup,
    /// Bytes that the master has written.
    input: Atomic<u64>,
    /// Bytes that the slave has put out through the master's port, and not the channel.
    output: Atomic<u64>,
    #[pin]
    pair: P,
}

impl<P> Ends<P> {
    /// Ports, and `pair`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; what `pair` fails with.
    pub(super) fn new(pair: impl PinInit<P, Error>) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                master_port <- Port::new(BUFFER_LIMIT),
                slave_port <- Port::new(BUFFER_LIMIT),
                channel <- Channel::new(),
                wakeup <- Wakeup::new(),
                input: Atomic::new(0),
                output: Atomic::new(0),
                pair <- pair,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The master's input.
    pub(super) fn master_port(&self) -> &Port {
        &self.master_port
    }

    /// The slave's input.
    pub(super) fn slave_port(&self) -> &Port {
        &self.slave_port
    }

    /// Output of the slave.
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// When the master's readers are woken.
    pub(super) fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    /// The master has written `len` bytes.
    pub(super) fn count_input(&self, len: usize) {
        self.input.fetch_add(len as u64, Relaxed);
    }

    /// The slave has put out `len` bytes, and not through the channel.
    pub(super) fn count_output(&self, len: usize) {
        self.output.fetch_add(len as u64, Relaxed);
    }

    /// How many bytes the master has written.
    pub(super) fn input(&self) -> u64 {
        self.input.load(Relaxed)
    }

    /// How many bytes the slave has put out without the channel.
    pub(super) fn output(&self) -> u64 {
        self.output.load(Relaxed)
    }

    /// What the driver keeps for the pair.
    pub(super) fn pair(&self) -> &P {
        &self.pair
    }
}
