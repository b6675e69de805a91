// SPDX-License-Identifier: GPL-2.0

//! The end that serves the terminal.

use crate::{
    bindings::FileOps,
    mount::Mount,
    pair::Pair,
    tty::{self, End, Flag, FopsCell, Opened, OpeningFile, PtyEnd},
    vfs::{ActiveSuper, SuperBlock},
};
use kernel::{fs::File, prelude::*};

/// The master's end of a [`Pair`].
pub(crate) struct Master;

static FOPS: FopsCell = FopsCell::new();

/// What opening `master` does.
///
/// # Errors
///
/// `ENXIO` before the terminals are registered.
pub(crate) fn fops() -> Result<FileOps> {
    FOPS.get()
}

#[vtable]
impl PtyEnd for Master {
    type Pair = Pair;

    fn open(end: &End<'_, Pair>) -> Result {
        end.open(true)
    }

    fn close(end: &End<'_, Pair>) {
        end.close();
        end.tty().set(Flag::OtherClosed);
        // Done already, unless the open failed half way.
        end.pair().detach();
        end.vhangup_link();
    }

    // A pair has nothing of the outside but its entry, which went before.
    fn remove(_pair: &Pair) {}
}

impl tty::Master for Master {
    fn fops() -> &'static FopsCell {
        &FOPS
    }

    fn trial_pair() -> impl PinInit<Pair, Error> {
        Pair::new()
    }

    /// `open("master")`.
    ///
    /// # Errors
    ///
    /// `EBUSY` where somebody has it open; `ENOMEM`.
    fn open_file(opening: OpeningFile<'_>) -> Result<Opened<'_, Pair>> {
        let mount = ActiveSuper::from(SuperBlock::<Mount>::of_file(opening.file()).ok_or(ENODEV)?);
        let opened = mount.terminals().open(opening, 0, Pair::new())?;
        // The file comes last, when no lock of the tty core is held. If it fails, `opened` closes the master.
        opened.pair().publish(&mount, opened.slave()?)?;
        Ok(opened)
    }

    fn release_file(end: &End<'_, Pair>) {
        end.pair().retire();
    }

    fn file_ioctl(_: &End<'_, Pair>, _: &File, _: u32, _: usize) -> Result<Option<c_long>> {
        Ok(None)
    }
}
