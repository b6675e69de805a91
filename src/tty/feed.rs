// SPDX-License-Identifier: GPL-2.0

//! Input on its way from a master to its slave's line discipline: at once by whoever writes it, where the C driver has a
//! kworker do it; what there is no room for waits in the port's flip buffer, as there.

use super::{ldisc::Ldisc, operations::End};

/// How much is looked at, and delivered, at a time: what `N_TTY` has room for.
const WINDOW: usize = 4096;

/// Hands `data` to the slave, as far as line discipline and flip buffer have room. Returns the rest. May sleep, on locks.
/// `waits` is whether the caller waits until all is taken.
pub(super) fn feed<'d, P: 'static>(end: &End<'_, P>, data: &'d [u8], waits: bool) -> &'d [u8] {
    end.wakeup().note_input();
    let mut rest = data;
    while !rest.is_empty() {
        let window = rest.get(..WINDOW).unwrap_or(rest);
        let more = waits && window.len() < rest.len();
        let taken = feed_window(end, window, waits, more);
        rest = rest.get(taken..).unwrap_or(&[]);
        if taken < window.len() {
            break;
        }
    }
    rest
}

/// The same for one window; `more` is whether the caller has more, and waits.
fn feed_window<P: 'static>(end: &End<'_, P>, data: &[u8], waits: bool, more: bool) -> usize {
    let (port, slave) = (end.link_port(), end.link());
    match Ldisc::get(slave) {
        // A reader of the slave that is stalled in a page fault holds its termios_rwsem, and so holds up whoever changes the
        // settings, or flushes for a signal: that may be a kworker, as with the C driver, and not the master's writer.
        Some(ldisc) if !slave.may_signal(data) && slave.settings_are_free() => {
            end.channel().provide_for_echo(data.len());
            port.feed(&ldisc, data, waits, more)
        }
        // Or it is being changed: the work that the flip buffer has will find the next.
        _ => port.receive(data),
    }
}
