// SPDX-License-Identifier: GPL-2.0

//! What `/proc/PID/fdinfo/FD` says of either end, beside the standard lines: see `Documentation/inside.rst`.
//!
//! A slave's says nothing of bytes, of which echo is some: it can be open in who has no business to know when a key is pressed. Nor
//! does it name processes: `TIOCGPGRP` tells them to who has it as the controlling terminal, and to nobody else.

use crate::{pair::Pair, tty::End};
use kernel::{seq_file::SeqFile, seq_print};

/// Of a master.
pub(crate) fn show_master(end: &End<'_, Pair>, m: &SeqFile) {
    let figures = end.figures();
    let counts = &figures.counts;
    show(end, "master", m);
    seq_print!(m, "rdevpts-pgrp:\t{}\n", figures.pgrp);
    seq_print!(m, "rdevpts-session:\t{}\n", figures.session);
    seq_print!(m, "rdevpts-output:\t{}\n", counts.output);
    seq_print!(m, "rdevpts-output-queued:\t{}\n", figures.output_queued);
    seq_print!(m, "rdevpts-output-stalls:\t{}\n", counts.output_stalls);
    seq_print!(m, "rdevpts-input:\t{}\n", counts.input);
    if let Some(queued) = figures.input_queued {
        seq_print!(m, "rdevpts-input-queued:\t{}\n", queued);
    }
    seq_print!(m, "rdevpts-ring:\t{}\n", figures.ring);
}

/// Of a slave.
pub(crate) fn show_slave(end: &End<'_, Pair>, m: &SeqFile) {
    show(end, "slave", m);
}

fn show(end: &End<'_, Pair>, which: &str, m: &SeqFile) {
    seq_print!(m, "tty-index:\t{}\n", end.tty().index());
    seq_print!(m, "rdevpts-end:\t{}\n", which);
    if let Some(device) = end.pair().device() {
        m.call_printf(format_args!("rdevpts-mount:\t{device}\n"));
    }
    seq_print!(m, "rdevpts-opens:\t{}\n", end.opens());
}
