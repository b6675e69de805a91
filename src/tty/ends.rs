// SPDX-License-Identifier: GPL-2.0

//! What the two ends of a pair share.

use super::{channel::Channel, port::Port, wakeup::Wakeup};
use kernel::{prelude::*, sync::Arc};

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

    /// What the driver keeps for the pair.
    pub(super) fn pair(&self) -> &P {
        &self.pair
    }
}
