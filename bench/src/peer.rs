// SPDX-License-Identifier: GPL-2.0

//! The process at the far end: what runs on a terminal is another program than the terminal emulator.

use anyhow::{bail, Context, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, ForkResult, Pid};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A process that does its job again and again, each time that it is told to.
pub struct Peer {
    pid: Pid,
    control: UnixStream,
}

impl Peer {
    /// Forks; what `job` owns is closed in this process.
    pub fn spawn(mut job: impl FnMut(u64) -> Result<()>) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().context("socketpair")?;
        // SAFETY: The program has one thread, so that the child may do whatever the parent may. (Tests have several, but
        // the children of tests need no lock but the allocator's, which the C library keeps in order across a fork.)
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                control: ours,
            }),
            ForkResult::Child => {
                drop(ours);
                // The parent's frames are below these: nothing may return or unwind into them.
                let code = match catch_unwind(AssertUnwindSafe(|| serve(theirs, &mut job))) {
                    Ok(Ok(())) => 0,
                    Ok(Err(error)) => {
                        eprintln!("rdevpts-bench: at the far end: {error:#}");
                        1
                    }
                    Err(_) => 101,
                };
                // SAFETY: _exit has no preconditions. The parent's exit handlers and buffers are the parent's.
                unsafe { libc::_exit(code) }
            }
        }
    }

    /// Tells the process to do its job, on `n` things.
    pub fn start(&mut self, n: u64) -> Result<()> {
        self.control
            .write_all(&n.to_ne_bytes())
            .context("telling the far end to start")
    }

    /// Waits until the job is done.
    pub fn finish(&mut self) -> Result<()> {
        match self.control.read(&mut [0]) {
            Ok(1) => Ok(()),
            Ok(_) => bail!("the far end is gone"),
            Err(error) => Err(error).context("waiting for the far end"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It is a child not waited for yet, so that the number is still its own.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// What the child does until the parent closes its end.
fn serve(mut control: UnixStream, job: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("prctl")?;
    let mut n = [0; 8];
    while control.read_exact(&mut n).is_ok() {
        job(u64::from_ne_bytes(n))?;
        control.write_all(&[0]).context("reporting")?;
    }
    Ok(())
}
