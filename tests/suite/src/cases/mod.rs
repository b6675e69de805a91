// SPDX-License-Identifier: GPL-2.0
//! The cases, by theme.

mod blocking;
mod canonical;
mod compat;
mod directory;
mod eof_drain;
mod flow_control;
mod flush;
mod foreign_node;
mod hangup;
mod inotify;
mod integrity;
mod ioctls;
mod job_control;
mod limits;
mod lock;
mod module;
mod mount_options;
mod names;
mod nodes;
mod output;
mod packet;
mod peer;
mod poll;
mod programs;
mod ptmx_open;
mod remount;
mod sigio;
mod signals;
mod statfs;
mod sysctl;
mod termios;
mod times;
mod userns;
mod winsize;

use anyhow::Context;
use nix::fcntl::OFlag;

use crate::case::Case;
use crate::fixture::Fs;

const THEMES: &[&[Case]] =
    &[mount_options::CASES, remount::CASES, statfs::CASES, nodes::CASES, directory::CASES, limits::CASES, sysctl::CASES, inotify::CASES, userns::CASES, ptmx_open::CASES, lock::CASES, peer::CASES, termios::CASES, eof_drain::CASES, hangup::CASES,
 names::CASES, foreign_node::CASES, times::CASES, winsize::CASES, signals::CASES, packet::CASES, job_control::CASES, flow_control::CASES, flush::CASES, blocking::CASES, poll::CASES, sigio::CASES, canonical::CASES, output::CASES, ioctls::CASES, compat::CASES, integrity::CASES, programs::CASES, module::CASES];

/// Every case, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().copied().flatten()
}

/// open(2) of an instance's ptmx.
fn try_ptmx(fs: &Fs) -> nix::Result<std::os::fd::OwnedFd> {
    crate::fixture::mount::open_at(&fs.join("ptmx"), OFlag::O_RDWR | OFlag::O_NOCTTY)
}

/// Sends a descriptor over a socket.
fn send_fd(socket: &std::os::unix::net::UnixDatagram, fd: &impl std::os::fd::AsRawFd) -> anyhow::Result<()> {
    use nix::sys::socket::{sendmsg, ControlMessage, MsgFlags};
    let (data, fds) = ([std::io::IoSlice::new(b"f")], [fd.as_raw_fd()]);
    let control = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(std::os::fd::AsRawFd::as_raw_fd(socket), &data, &control, MsgFlags::empty(), None).context("sendmsg")?;
    Ok(())
}

/// Receives a descriptor that `send_fd` sent.
fn receive_fd(socket: &std::os::unix::net::UnixDatagram) -> anyhow::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{recvmsg, ControlMessageOwned, MsgFlags};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    crate::fixture::io::wait_for(socket, nix::poll::PollFlags::POLLIN)?;
    let mut byte = [0];
    let mut data = [std::io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut space), MsgFlags::empty()).context("recvmsg")?;
    for control in message.cmsgs().context("cmsgs")? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel just gave this process the descriptor.
            return Ok(unsafe { OwnedFd::from_raw_fd(fds[0]) });
        }
    }
    anyhow::bail!("no descriptor came")
}
