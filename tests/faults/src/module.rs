// SPDX-License-Identifier: GPL-2.0
//! Loading and unloading the module.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};

const NAME: &std::ffi::CStr = c"rdevpts";
/// How long the kernel may take to let go of what was closed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The file of the module.
pub struct Module(PathBuf);

impl Module {
    /// The module in this file.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What there is of a loaded module to be seen.
    pub fn traces() -> Result<Vec<&'static str>> {
        let has_line = |path: &str| -> Result<bool> {
            let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
            Ok(text.lines().any(|line| {
                line.split_whitespace()
                    .any(|word| word.starts_with("rdevpts"))
            }))
        };
        let mut found = Vec::new();
        for path in ["/proc/modules", "/proc/filesystems", "/proc/tty/drivers"] {
            if has_line(path)? {
                found.push(path);
            }
        }
        for path in [
            "/sys/module/rdevpts",
            "/proc/sys/kernel/rdevpts",
            "/sys/kernel/debug/rdevpts",
        ] {
            if Path::new(path).exists() {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Opens the file, for [`insmod`].
    pub fn open(&self) -> Result<File> {
        File::open(&self.0).with_context(|| self.0.display().to_string())
    }

    /// Loads it.
    pub fn load(&self) -> Result<()> {
        insmod(&self.open()?).context("insmod")
    }
}

/// finit_module(2).
pub fn insmod(file: &File) -> nix::Result<()> {
    finit_module(file, c"", ModuleInitFlags::empty())
}

/// delete_module(2), which fails with `EAGAIN` as long as the module is used.
pub fn try_rmmod() -> nix::Result<()> {
    delete_module(NAME, DeleteModuleFlags::O_NONBLOCK)
}

/// Waits until nothing uses the module: the tty core lets go of a closed tty, and so of its driver's module, in a work queue.
pub fn wait_until_unused() -> Result<()> {
    let start = Instant::now();
    loop {
        let count = fs::read_to_string("/sys/module/rdevpts/refcnt").context("refcnt")?;
        if count.trim() == "0" {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("the module is still used {} times", count.trim());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Unloads the module, if it is loaded.
pub fn unload() -> Result<()> {
    match Path::new("/sys/module/rdevpts/refcnt").exists() {
        true => {
            wait_until_unused()?;
            try_rmmod().context("rmmod")
        }
        false => match try_rmmod() {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(e).context("rmmod"),
        },
    }
}
