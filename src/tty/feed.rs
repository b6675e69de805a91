// SPDX-License-Identifier: GPL-2.0

//! Input on its way from a master to its slave's line discipline: at once by whoever writes it, where the C driver has a
//! kworker do it; what there is no room for waits in the port's flip buffer, as there.

use super::{ldisc::Ldisc, operations::End};

/// Hands `data` to the slave, as far as line discipline and flip buffer have room. Returns how much that was. May sleep, on
/// locks. `waits` is whether the caller waits until all is taken.
pub(super) fn feed<P: 'static>(end: &End<'_, P>, data: &[u8], waits: bool) -> usize {
    let port = end.link_port();
    end.wakeup().note_input();
    match Ldisc::get(end.link()) {
        Some(ldisc) => port.feed(&ldisc, data, waits),
        // It is being changed: the work that the flip buffer has will find the next.
        None => port.receive(data),
    }
}
