// SPDX-License-Identifier: GPL-2.0

//! The slave's end: the terminal that programs run on.
//!
//! C source: [`drivers/tty/pty.c`](srctree/drivers/tty/pty.c)

use crate::{
    bindings::{TIOCPKT_DOSTOP, TIOCPKT_IOCTL, TIOCPKT_NOSTOP, TIOCPKT_START, TIOCPKT_STOP},
    fdinfo,
    instance::Instance,
    pair::Pair,
    tty::{self, End, Flag, OpeningFile, PtyEnd, Termios, Tty},
    vfs::{self, ActiveSuper, SuperBlock},
};
use kernel::{fs::File, prelude::*, seq_file::SeqFile, sync::aref::ARef};

/// The slave's end of a [`Pair`].
pub(crate) struct Slave;

#[vtable]
impl PtyEnd for Slave {
    type Pair = Pair;

    fn open(end: &End<'_, Pair>) -> Result {
        let master = end.link();
        // A master is open once or not at all.
        end.open(!master.test(Flag::PtyLock) && master.count() == 1)?;
        end.pair().count_open();
        Ok(())
    }

    fn close(end: &End<'_, Pair>) {
        // One count is this file's and one the master's: others have the slave open still.
        if end.tty().test(Flag::IoError) || end.tty().count() > 2 {
            return;
        }
        end.close();
    }

    fn remove(pair: &Pair) {
        pair.release();
    }

    /// Tells a master in packet mode whether ^S and ^Q now control output, and of any change of settings if line editing
    /// is or was the master's (`EXTPROC`).
    fn set_termios(end: &End<'_, Pair>, old: &Termios, new: &mut Termios) {
        if end.link().packet() {
            let extproc = old.extproc() || new.extproc();
            let flow = new.standard_flow_control();
            let flow_changed = flow != old.standard_flow_control();
            if flow_changed || extproc {
                let mut ctrl = end.tty().ctrl();
                if flow_changed {
                    let status = if flow { TIOCPKT_DOSTOP } else { TIOCPKT_NOSTOP };
                    ctrl.update_pktstatus(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP, status);
                }
                if extproc {
                    ctrl.update_pktstatus(0, TIOCPKT_IOCTL);
                }
                drop(ctrl);
                end.link().wake_readers();
            }
        }
        new.force_8bit();
    }

    fn show_fdinfo(end: &End<'_, Pair>, m: &SeqFile) {
        fdinfo::show_slave(end, m);
    }

    fn stop(end: &End<'_, Pair>) {
        flow_status(end, TIOCPKT_START, TIOCPKT_STOP);
    }

    fn start(end: &End<'_, Pair>) {
        flow_status(end, TIOCPKT_STOP, TIOCPKT_START);
    }
}

/// Tells a master in packet mode that output was stopped or goes on.
fn flow_status(end: &End<'_, Pair>, clear: u32, set: u32) {
    if !end.link().packet() {
        return;
    }
    end.tty().ctrl().update_pktstatus(clear, set);
    end.link().wake_readers_poll_in();
}

impl tty::Slave for Slave {
    /// Only the node of a mount of ours leads to a terminal: one that somebody made with `mknod` does not.
    fn lookup(file: &File) -> Result<ARef<Tty>> {
        vfs::node_of_file::<Instance>(file).ok_or(EIO)?.slave()
    }

    fn open_file(opening: OpeningFile<'_>) -> Result {
        let mount = ActiveSuper::from(SuperBlock::<Instance>::of_file(opening.file()).ok_or(EIO)?);
        mount.pty().open_slave(opening)
    }
}
