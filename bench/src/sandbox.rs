// SPDX-License-Identifier: GPL-2.0

//! The mounts that are measured: fresh ones, in a mount namespace of our own, below a temporary directory.

use crate::pty;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, umount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The mount namespace, and the directory in it that the mounts are made in.
pub struct Sandbox {
    temp: TempDir,
}

impl Sandbox {
    /// Leaves the mount namespace of the caller.
    ///
    /// Ptys of mounts made here are not taken from the reserve of the system's own mount.
    pub fn new() -> Result<Self> {
        match unshare(CloneFlags::CLONE_NEWNS) {
            Err(Errno::EPERM) => Err(Errno::EPERM)
                .context("a mount namespace needs root, or unshare --user --map-root-user"),
            result => result.context("unshare"),
        }?;
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).context("making / private")?;
        let temp = tempfile::Builder::new()
            .prefix("rdevpts-bench-")
            .tempdir()
            .context("temporary directory")?;
        Ok(Self { temp })
    }

    /// Makes a mount of `fstype`, under `name`.
    pub fn mount(&self, name: &str, fstype: &str) -> Result<Mount> {
        let path = self.temp.path().join(name);
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        mount(
            Some(fstype),
            &path,
            Some(fstype),
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            Some("newinstance,ptmxmode=0666,mode=0600"),
        )
        .with_context(|| match fstype {
            "rdevpts" => "mounting rdevpts (is the module loaded?)".into(),
            _ => format!("mounting {fstype}"),
        })?;
        match pty::open_dir(&path) {
            Ok(dir) => Ok(Mount {
                path,
                dir: Some(dir),
            }),
            Err(error) => {
                let _ = umount(&path);
                Err(error).with_context(|| path.display().to_string())
            }
        }
    }
}

/// A mounted pty file system.
pub struct Mount {
    path: PathBuf,
    /// `Some` until the unmount.
    dir: Option<OwnedFd>,
}

impl Mount {
    /// Its root directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_ref().expect("open until unmounted").as_fd()
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unmounts it: that fails while anything in it is still open.
    pub fn unmount(mut self) -> Result<()> {
        let left = std::fs::read_dir(&self.path)?.count();
        self.dir = None;
        umount(&self.path).with_context(|| format!("unmounting {}", self.path.display()))?;
        // Nothing but ptmx.
        anyhow::ensure!(
            left == 1,
            "{} ptys were left behind",
            left.saturating_sub(1)
        );
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // After an error; else it is done already. The namespace goes with the process in any case.
        if self.dir.take().is_some() {
            let _ = umount(&self.path);
        }
    }
}
