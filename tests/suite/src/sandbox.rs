// SPDX-License-Identifier: GPL-2.0
//! The process that a case runs in.
//!
//! The runner clones a supervisor into a new PID namespace (and mount namespace), which forks the case. When the
//! supervisor goes, by its own end or by the watchdog's SIGKILL, the kernel kills whatever the case left behind.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{mount, MsFlags};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, setsid, ForkResult, Pid};

use crate::case::{Case, Ctx, Mode, Skip, Target};

/// Exit status of a case that was not run.
pub const EXIT_SKIPPED: i32 = 77;

/// Clones the supervisor of `case`; its standard output and error go to `log`.
///
/// `work` is a directory of the case's own.
pub fn spawn(case: &'static Case, target: &Target, work: &Path, log: OwnedFd) -> Result<Pid> {
    let private = case.mode != Mode::AloneInCallerNs;
    let mut flags = libc::CLONE_NEWPID | libc::SIGCHLD;
    if private {
        flags |= libc::CLONE_NEWNS;
    }
    // SAFETY: without CLONE_VM this is a fork; the suite has one thread, so the child may run any code.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        -1 => Err(std::io::Error::last_os_error()).context("clone"),
        0 => {
            take_over_output(log.as_raw_fd());
            let ctx = Ctx {
                target: target.clone(),
                work: work.to_owned(),
            };
            let code = match supervise(case, &ctx, private) {
                Ok(code) => code,
                Err(e) => {
                    eprintln!("supervisor: {e:#}");
                    1
                }
            };
            exit_now(code);
        }
        pid => Ok(Pid::from_raw(i32::try_from(pid)?)),
    }
}

/// Ends this process without running the parent's exit handlers.
pub fn exit_now(code: i32) -> ! {
    use std::io::Write;
    let _ = std::io::stdout().flush();
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Makes `log` standard output and error, /dev/null standard input, and closes all else.
fn take_over_output(log: RawFd) {
    // SAFETY: plain system calls on descriptors that no Rust object of the child uses afterwards.
    unsafe {
        libc::dup2(log, 1);
        libc::dup2(log, 2);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        libc::dup2(null, 0);
        libc::close_range(3, !0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Runs as PID 1 of the case's namespace.
fn supervise(case: &'static Case, ctx: &Ctx, private: bool) -> Result<i32> {
    if private {
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .context("make / private")?;
        mount(
            Some("tmpfs"),
            &ctx.work,
            Some("tmpfs"),
            MsFlags::empty(),
            none,
        )
        .context("mount work tmpfs")?;
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)
            .context("mount /proc")?;
    }
    // SAFETY: one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            // SAFETY: a prctl with no pointers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            exit_now(run_case(case, ctx));
        }
        ForkResult::Parent { child } => loop {
            match waitpid(None, None) {
                Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                    eprintln!("the case was killed by {signal}");
                    return Ok(1);
                }
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(e) => return Err(e).context("wait"),
            }
        },
    }
}

fn run_case(case: &'static Case, ctx: &Ctx) -> i32 {
    let setup = || -> Result<()> {
        setsid().context("setsid")?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        std::env::set_current_dir("/").context("chdir")
    };
    let outcome = setup().and_then(|()| {
        catch_unwind(AssertUnwindSafe(|| (case.run)(ctx)))
            .unwrap_or_else(|_| anyhow::bail!("the case panicked"))
    });
    match outcome {
        Ok(()) => 0,
        Err(e) => {
            if let Some(Skip(why)) = e.downcast_ref() {
                print!("{why}");
                return EXIT_SKIPPED;
            }
            eprintln!("{e:#}");
            1
        }
    }
}

/// A temporary directory with one subdirectory a case, removed (with what is still mounted below) at the end.
pub struct WorkRoot(PathBuf);

impl WorkRoot {
    /// Makes the directory.
    pub fn new() -> Result<Self> {
        let template = std::env::temp_dir().join("rdevpts-suite.XXXXXX");
        Ok(Self(nix::unistd::mkdtemp(&template).context("mkdtemp")?))
    }

    /// The directory of `case`.
    pub fn of(&self, case: &Case) -> Result<PathBuf> {
        let path = self.0.join(case.full_name());
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        // Other users enter it in the cases on ownership and user namespaces.
        use std::os::unix::fs::PermissionsExt;
        for dir in [&self.0, &path] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).context("chmod")?;
        }
        Ok(path)
    }

    /// Detaches what a case that runs in this mount namespace left mounted.
    pub fn unmount_leftovers(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points: Vec<_> = mounts
            .lines()
            .filter_map(|l| l.split(' ').nth(1))
            .map(PathBuf::from)
            .collect();
        for point in points.iter().rev().filter(|p| p.starts_with(&self.0)) {
            let _ = nix::mount::umount2(point, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

impl Drop for WorkRoot {
    fn drop(&mut self) {
        self.unmount_leftovers();
        let _ = fs::remove_dir_all(&self.0);
    }
}
