// SPDX-License-Identifier: GPL-2.0

//! The end that programs run on.

use crate::{
    mount::Mount,
    pair::Pair,
    tty::{self, End, Flag, OpeningFile, PtyEnd, Termios, Tty},
    vfs::{self, ActiveSuper, SuperBlock},
};
use kernel::{fs::File, prelude::*, sync::aref::ARef};

/// The slave's end of a [`Pair`].
pub(crate) struct Slave;

#[vtable]
impl PtyEnd for Slave {
    type Pair = Pair;

    fn open(end: &End<'_, Pair>) -> Result {
        end.open(true)
    }

    fn close(end: &End<'_, Pair>) {
        // One count is this file's and one the master's: others have the slave open still.
        if end.tty().test(Flag::IoError) || end.tty().count() > 2 {
            return;
        }
        end.close();
    }

    fn remove(_pair: &Pair) {}

    /// A pty has no wire, on which bytes could be shorter or have a parity.
    fn set_termios(_end: &End<'_, Pair>, _old: &Termios, new: &mut Termios) {
        new.force_8bit();
    }
}

impl tty::Slave for Slave {
    fn lookup(file: &File) -> Result<ARef<Tty>> {
        vfs::node_of_file::<Mount>(file).ok_or(EIO)?.slave()
    }

    fn open_file(opening: OpeningFile<'_>) -> Result {
        let mount = ActiveSuper::from(SuperBlock::<Mount>::of_file(opening.file()).ok_or(EIO)?);
        mount.terminals().open_slave(opening)
    }
}
