// SPDX-License-Identifier: GPL-2.0

//! Input on its way from a master to its slave's line discipline: at once by whoever writes it, where the C driver has a
//! kworker do it; what there is no room for waits in the port's flip buffer, as there.

use super::{end::End, ldisc::Ldisc};

/// How much is looked at, and delivered, at a time: what `N_TTY` has room for.
const WINDOW: usize = 4096;
/// The same where it echoes: the C driver's pieces. `N_TTY` has room for the echo of 4096 bytes, and mostly sends it when it has
/// all of a piece; of more, it loses the beginning.
const ECHO_WINDOW: usize = 2048;

/// Hands `data` to the slave, as far as line discipline and flip buffer have room. Returns the rest. May sleep, on locks.
/// `waits` is whether the caller waits until all is taken.
pub(super) fn feed<'d, P: 'static>(end: &End<'_, P>, data: &'d [u8], waits: bool) -> &'d [u8] {
    end.wakeup().note_input();
    let mut rest = data;
    while !rest.is_empty() {
        let most = if end.link().echoes() {
            ECHO_WINDOW
        } else {
            WINDOW
        };
        let window = rest.get(..most).unwrap_or(rest);
        let after = rest.len().saturating_sub(window.len());
        let taken = feed_window(end, window, waits, after);
        rest = rest.get(taken..).unwrap_or(&[]);
        if taken < window.len() {
            break;
        }
    }
    rest
}

/// The same for one window; the caller has `after` bytes more.
fn feed_window<P: 'static>(end: &End<'_, P>, data: &[u8], waits: bool, after: usize) -> usize {
    let (port, slave) = (end.link_port(), end.link());
    let signals = slave.signals();
    match Ldisc::get(slave) {
        // A reader of the slave that is stalled in a page fault holds its termios_rwsem, and so holds up whoever changes the
        // settings, or flushes for a signal: that may be a kworker, as with the C driver, and not the master's writer.
        Some(ldisc) if !signals.contains_any(data) && slave.settings_are_free() => {
            if slave.echoes() {
                end.channel().provide_for_echo(data.len());
            }
            port.feed(&ldisc, slave, data, signals, waits, after)
        }
        // Or it is being changed: the work that the flip buffer has will find the next.
        _ => port.receive(data),
    }
}
