// SPDX-License-Identifier: GPL-2.0
//! How many bytes are on their way to each end of a pty, at most.
//!
//! What fits between the ends is a departure: rdevpts takes more than devpts before a writer waits. So no case writes more than
//! fits in both; what would is made shorter, or gives way to an operation that empties what is full. Full terminals are for
//! the behaviour suite. (A terminal that is stopped takes nothing, in both.)

use std::collections::BTreeMap;

use crate::departures::{FITS, FITS_MASTER, INPUT};
use crate::model::{Kind, Model};
use crate::ops::control::Control;
use crate::ops::data::{Data, Text};
use crate::ops::Op;
use crate::outcome::Outcome;
use crate::select::Fd;

/// Upper bounds, by the end that is to read it.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(BTreeMap<Kind, usize>);

impl UnderWay {
    fn to(&self, end: Kind) -> usize {
        self.0.get(&end).copied().unwrap_or(0)
    }

    fn add(&mut self, end: Kind, bytes: usize) {
        *self.0.entry(end).or_default() += bytes;
    }

    /// Notes an end that is new, or empty.
    pub fn none(&mut self, end: Kind) {
        self.0.remove(&end);
    }

    /// Notes what an end has to read. Of a master that is all there is, unless it is as much as there can be to see.
    pub fn seen(&mut self, end: Kind, input: i32) {
        if let (Kind::Master(..), Ok(bytes @ 0..INPUT)) = (end, usize::try_from(input)) {
            self.0.insert(end, bytes);
        }
    }
}

/// Notes what an operation took away.
pub fn took(model: &mut Model, op: &Op, outcome: &Outcome) {
    let (fd, all) = match (op, op.stream_read()) {
        (_, Some((fd, _))) => (fd, false),
        (Op::Control(Control::Flush { fd, queue }), _)
            if outcome.ok() && [libc::TCIFLUSH, libc::TCIOFLUSH].contains(queue) =>
        {
            (fd.number(), true)
        }
        _ => return,
    };
    let Some(end) = model.fds.get(&fd).map(|open| open.kind) else {
        return;
    };
    let left = model.under_way.to(end).saturating_sub(outcome.bytes.len());
    model.under_way.0.insert(end, if all { 0 } else { left });
}

/// Makes what is about to be written fit; an operation to do in its place where there must be room first.
pub fn fit(model: &mut Model, fd: i32, text: &mut Text) -> Option<Op> {
    let (slave, master, writes_master) = match model.fds.get(&fd)?.kind {
        Kind::Master(m, i) => (Kind::Slave(m, i), Kind::Master(m, i), true),
        Kind::Slave(m, i) => (Kind::Slave(m, i), Kind::Master(m, i), false),
        _ => return None,
    };
    if writes_master {
        text.shorten(FITS, |bytes| bytes.len());
        let len = text.bytes().len();
        if model.under_way.to(slave) + len > FITS {
            if let Some(fd) = model.descriptor_of(slave) {
                let queue = libc::TCIFLUSH;
                return Some(Op::Control(Control::Flush {
                    fd: Fd::Is(fd),
                    queue,
                }));
            }
            text.shorten(FITS.saturating_sub(model.under_way.to(slave)), |bytes| {
                bytes.len()
            });
        }
    }
    // What may be printed again: the line, where a character erases it or shows it once more; of a tab that is eight columns.
    let line = if writes_master {
        8 * model.under_way.to(slave)
    } else {
        0
    };
    let printed = |bytes: &[u8]| {
        let again = bytes.iter().filter(|byte| byte.is_ascii_control()).count();
        printed(bytes) + (again * line).min(INPUT)
    };
    text.shorten(FITS_MASTER, printed);
    let len = printed(&text.bytes());
    if model.under_way.to(master) + len > FITS_MASTER {
        if let Some(fd) = model.descriptor_of(master) {
            let len = 65_536;
            return Some(Op::Data(Data::Read {
                fd: Fd::Is(fd),
                len,
            }));
        }
        text.shorten(
            FITS_MASTER.saturating_sub(model.under_way.to(master)),
            printed,
        );
    }
    if writes_master {
        model.under_way.add(slave, text.bytes().len());
    }
    model.under_way.add(master, printed(&text.bytes()));
    None
}

/// How long a text is as it is printed, or echoed, at most.
fn printed(bytes: &[u8]) -> usize {
    let width = |byte: &u8| match byte {
        b'\t' => 8,
        0..=31 | 127 => 3,
        _ => 1,
    };
    bytes.iter().map(width).sum()
}
