// SPDX-License-Identifier: GPL-2.0

//! The ptys of all mounts as they can be looked at, and the files in debugfs where they are.
//!
//! `/sys/kernel/debug/rdevpts`, of the superuser alone, has `mounts`, a line for each mount with what all ptys that it ever had have
//! counted, and `ptys`, a line for each pty that there is. `Documentation/inside.rst` says what is in them. Each pty counts for itself;
//! what it counted is added to the mount's when its master is closed.
//!
//! Who opens and closes masters waits for who looks: in `ptys` at some ptys at a time, in `mounts` at all of one mount. Nothing that
//! user space can hold up is waited for meanwhile.

use crate::{
    pair::Pair,
    tty::{Figures, Observer},
    vfs::{debugfs::Show, Attributes, Device},
};
use core::fmt;
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    seq_file::SeqFile,
    sync::{Arc, Mutex},
};

/// How many ptys are looked at without a break, but for their sum.
const BATCH: usize = 16;

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
        let counts = pty.counts();
        self.slaves_opened = self.slaves_opened.wrapping_add(pty.pair().slaves_opened());
        self.output = self.output.wrapping_add(counts.output);
        self.output_stalls = self.output_stalls.wrapping_add(counts.output_stalls);
        self.input = self.input.wrapping_add(counts.input);
    }
}

struct State {
    live: RBTree<u32, Observer<Pair>>,
    /// How many there ever were.
    opened: u64,
    /// Of those that are gone.
    gone: Totals,
}

/// The ptys of a mount.
#[pin_data]
pub(crate) struct Ptys {
    /// Taken with `Pair::lease` held; within it are taken `Pair::entry`, and what it takes to look at a pty.
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
        state.opened = state.opened.wrapping_add(1);
        // An index is another's only after this one was removed.
        let other = state.live.insert(pty);
        drop(state);
        drop(other);
    }

    /// One less, if it was there; what it has counted stays. Whoever is left with it keeps its terminals no longer than the core
    /// does.
    pub(crate) fn remove(&self, index: u32) -> Option<Observer<Pair>> {
        let mut state = self.state.lock();
        let pty = state.live.remove(&index)?;
        state.gone.add(&pty);
        Some(pty)
    }

    /// How many there are, how many there were, and what they have counted: each pty at some moment, and once.
    fn totals(&self) -> (u64, u64, Totals) {
        // Those that are looked at are kept by the lock; in between, the sum of those that are gone may grow.
        let state = self.state.lock();
        let mut totals = state.gone;
        let mut ptys = 0u64;
        for pty in state.live.values() {
            totals.add(pty);
            ptys = ptys.saturating_add(1);
        }
        (ptys, state.opened, totals)
    }

    /// Looks at some ptys, from the one with the index `from` on.
    fn rows(&self, from: u32) -> [Option<Row>; BATCH] {
        let mut rows = [const { None }; BATCH];
        let mut state = self.state.lock();
        let mut cursor = state.live.cursor_lower_bound_mut(&from);
        for row in &mut rows {
            let Some(at) = cursor else {
                break;
            };
            let (&index, pty) = at.current();
            *row = Some(Row {
                index,
                node: pty.pair().attributes(),
                figures: pty.figures(),
            });
            cursor = at.move_next();
        }
        rows
    }
}

/// A line of the file `ptys`.
struct Row {
    index: u32,
    node: Option<Attributes>,
    figures: Figures,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        write!(f, "{} ", self.index)?;
        match &self.node {
            Some(node) => write!(f, "{} {} {:o} ", node.uid, node.gid, node.mode)?,
            None => f.write_str("- - - ")?,
        }
        let (opens, pgrp, session) = (figures.opens, figures.pgrp, figures.session);
        write!(f, "{opens} {pgrp} {session} ")?;
        let (counts, queued) = (&figures.counts, figures.output_queued);
        let (output, stalls, input) = (counts.output, counts.output_stalls, counts.input);
        write!(f, "{output} {queued} {stalls} {input} ")?;
        match figures.input_queued {
            Some(queued) => write!(f, "{queued} ")?,
            None => f.write_str("- ")?,
        }
        write!(f, "{} ", figures.ring)?;
        let mut before = "";
        for (name, set) in [
            ("locked", figures.locked),
            ("packet", figures.packet),
            ("stopped", figures.stopped),
        ] {
            if set {
                f.write_str(before)?;
                f.write_str(name)?;
                before = ",";
            }
        }
        f.write_str(if before.is_empty() { "-" } else { "" })
    }
}

/// All mounts.
#[pin_data]
pub(crate) struct Mounts {
    /// By the numbers of their devices. Nothing is taken within it.
    #[pin]
    mounts: Mutex<RBTree<Device, Arc<Ptys>>>,
}

impl Mounts {
    /// None yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                mounts <- new_mutex!(RBTree::new(), "Mounts::mounts"),
            }),
            GFP_KERNEL,
        )
    }

    /// One more. It must be removed while the number of its device is its own.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn add(&self, device: Device, ptys: Arc<Ptys>) -> Result {
        let node = RBTreeNode::new(device, ptys, GFP_KERNEL_ACCOUNT)?;
        let other = self.mounts.lock().insert(node);
        drop(other);
        Ok(())
    }

    /// One less, if it was there.
    pub(crate) fn remove(&self, device: Device) {
        let ptys = self.mounts.lock().remove(&device);
        drop(ptys);
    }

    /// Calls `f` for each.
    fn for_each(&self, f: impl Fn(Device, &Ptys)) {
        let mut from = Some(Device::FIRST);
        while let Some(at) = from {
            let found = self.mounts.lock().cursor_lower_bound(&at).map(|cursor| {
                let (&device, ptys) = cursor.current();
                (device, ptys.clone())
            });
            from = found.and_then(|(device, ptys)| {
                f(device, &ptys);
                device.next()
            });
        }
    }
}

/// The file `mounts`.
pub(crate) struct MountsFile;

impl Show for MountsFile {
    type Module = crate::LocalModule;
    type Data = Mounts;

    const NAME: &'static CStr = c"mounts";

    fn show(mounts: &Mounts, m: &SeqFile) {
        m.call_printf(format_args!(
            "mount ptys opened slaves_opened output output_stalls input\n"
        ));
        mounts.for_each(|device, mount| {
            let (ptys, opened, totals) = mount.totals();
            m.call_printf(format_args!(
                "{device} {ptys} {opened} {} {} {} {}\n",
                totals.slaves_opened, totals.output, totals.output_stalls, totals.input
            ));
        });
    }
}

/// The file `ptys`.
pub(crate) struct PtysFile;

impl Show for PtysFile {
    type Module = crate::LocalModule;
    type Data = Mounts;

    const NAME: &'static CStr = c"ptys";

    fn show(mounts: &Mounts, m: &SeqFile) {
        m.call_printf(format_args!(
            "mount index uid gid mode opens pgrp session output output_queued output_stalls input input_queued ring flags\n"
        ));
        mounts.for_each(|device, mount| {
            let mut from = Some(0);
            while let Some(at) = from {
                let rows = mount.rows(at);
                for row in rows.iter().flatten() {
                    m.call_printf(format_args!("{device} {row}\n"));
                }
                // A batch that is not full is the last.
                from = match rows.last() {
                    Some(Some(row)) => row.index.checked_add(1),
                    _ => None,
                };
            }
        });
    }
}
