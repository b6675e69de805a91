// SPDX-License-Identifier: GPL-2.0

//! The ptys of a mount as they can be looked at, and the files in debugfs where they are.
//!
//! `/sys/kernel/debug/rdevpts/MAJOR:MINOR`, of the superuser alone, has `counters`, of all ptys that the mount ever had, and
//! `ptys`, a line for each that it has. `Documentation/inside.rst` says what is in them. Each pty counts for itself; what it
//! counted is added to the mount's when its master is closed.

use crate::{pair::Pair, tty::Observer, vfs::Device};
use kernel::{
    debugfs::{self, Scope},
    fmt::{self, Write},
    new_mutex,
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    str::NullTerminatedFormatter,
    sync::{Arc, Mutex},
};

/// A pty that can be looked at from when its node is there until its master is closed.
pub(crate) type Watched = RBTreeNode<u32, Observer<Pair>>;

/// What is counted, modulo 2^64.
#[derive(Clone, Copy, Default)]
struct Totals {
    slaves_opened: u64,
    output: u64,
    output_stalls: u64,
    input: u64,
}

impl Totals {
    fn add(&mut self, pty: &Observer<Pair>) {
        let figures = pty.figures();
        self.slaves_opened = self.slaves_opened.wrapping_add(pty.pair().slaves_opened());
        self.output = self.output.wrapping_add(figures.output);
        self.output_stalls = self.output_stalls.wrapping_add(figures.output_stalls);
        self.input = self.input.wrapping_add(figures.input);
    }
}

struct State {
    live: RBTree<u32, Observer<Pair>>,
    /// How many there are, and how many there ever were.
    ptys: u64,
    opened: u64,
    /// Of those that are gone.
    gone: Totals,
}

/// The ptys of a mount.
#[pin_data]
pub(crate) struct Ptys {
    /// Taken with `Pair::lease` held; within it are taken `Pair::entry`, and what it takes to look at a pty. Nothing that user
    /// space can hold up.
    #[pin]
    state: Mutex<State>,
}

impl Ptys {
    /// None yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(
                    State {
                        live: RBTree::new(),
                        ptys: 0,
                        opened: 0,
                        gone: Totals::default(),
                    },
                    "Ptys::state"
                ),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// What it takes to [`add`](Self::add) the pty with this index.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn watch(index: u32, pty: Observer<Pair>) -> Result<Watched> {
        RBTreeNode::new(index, pty, GFP_KERNEL_ACCOUNT)
    }

    /// One more. It must be removed when its master is closed: until then it keeps its terminals.
    pub(crate) fn add(&self, pty: Watched) {
        let mut state = self.state.lock();
        state.ptys = state.ptys.wrapping_add(1);
        state.opened = state.opened.wrapping_add(1);
        // An index is another's only after this one was removed.
        let other = state.live.insert(pty);
        drop(state);
        drop(other);
    }

    /// One less, if it was there; what it has counted stays.
    pub(crate) fn remove(&self, index: u32) {
        let mut state = self.state.lock();
        let pty = state.live.remove(&index);
        if let Some(pty) = &pty {
            state.ptys = state.ptys.wrapping_sub(1);
            state.gone.add(pty);
        }
        drop(state);
        // Its terminals may not be there any longer than this.
        drop(pty);
    }

    /// The file `counters`.
    fn counters(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let mut totals = state.gone;
        state.live.values().for_each(|pty| totals.add(pty));
        let (ptys, opened) = (state.ptys, state.opened);
        drop(state);
        writeln!(f, "ptys {ptys}")?;
        writeln!(f, "opened {opened}")?;
        writeln!(f, "slaves_opened {}", totals.slaves_opened)?;
        writeln!(f, "output {}", totals.output)?;
        writeln!(f, "output_stalls {}", totals.output_stalls)?;
        writeln!(f, "input {}", totals.input)
    }

    /// The file `ptys`.
    fn table(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("index uid gid mode opens pgrp session output output_queued output_stalls input input_queued ring flags\n")?;
        let state = self.state.lock();
        for (index, pty) in state.live.iter() {
            // A node that is just being removed.
            if let Some(node) = pty.pair().attributes() {
                let figures = pty.figures();
                write!(
                    f,
                    "{index} {} {} {:o} {} {} {} ",
                    node.uid, node.gid, node.mode, figures.opens, figures.pgrp, figures.session
                )?;
                write!(
                    f,
                    "{} {} {} {} ",
                    figures.output, figures.output_queued, figures.output_stalls, figures.input
                )?;
                match figures.input_queued {
                    Some(queued) => write!(f, "{queued}")?,
                    None => f.write_char('-')?,
                }
                write!(f, " {} ", figures.ring)?;
                flags(
                    f,
                    [
                        ("locked", figures.locked),
                        ("packet", figures.packet),
                        ("stopped", figures.stopped),
                    ],
                )?;
            }
        }
        Ok(())
    }
}

/// Those that are set, with commas between them, or a dash; and the end of the line.
fn flags<const N: usize>(f: &mut fmt::Formatter<'_>, flags: [(&str, bool); N]) -> fmt::Result {
    let mut before = "";
    for (name, _) in flags.into_iter().filter(|&(_, set)| set) {
        f.write_str(before)?;
        f.write_str(name)?;
        before = ",";
    }
    f.write_str(if before.is_empty() { "-\n" } else { "\n" })
}

/// A mount's directory in debugfs, which goes when this is dropped; that waits for who is reading.
pub(crate) type Directory = Pin<KBox<Scope<Arc<Ptys>>>>;

/// Makes the directory of the mount `device`, in `parent`. Where it cannot be made, there is none.
pub(crate) fn directory(
    parent: &debugfs::Dir,
    device: Device,
    ptys: Arc<Ptys>,
) -> Option<Directory> {
    let mut name = [0; "4095:1048575\0".len()];
    write!(NullTerminatedFormatter::new(&mut name)?, "{device}").ok()?;
    let name = CStr::from_bytes_until_nul(&name).ok()?;
    let scope = parent.scope(ptys, name, |ptys, dir| {
        dir.read_callback_file(c"counters", ptys, &Ptys::counters);
        dir.read_callback_file(c"ptys", ptys, &Ptys::table);
    });
    KBox::pin_init(scope, GFP_KERNEL).ok()
}
