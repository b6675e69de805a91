// SPDX-License-Identifier: GPL-2.0
//! Failures on demand: the kernel's `Documentation/fault-injection/fault-injection.rst`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};

/// The file by which a thread says which of its chances to fail is taken.
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";
/// Where debugfs is mounted.
pub const DEBUGFS: &str = "/sys/kernel/debug";

/// Whether this kernel can fail on demand.
pub fn is_available() -> bool {
    Path::new(FAIL_NTH).exists()
}

/// Mounts debugfs, if that has not been done.
pub fn mount_debugfs() -> Result<()> {
    let debugfs = Path::new(DEBUGFS);
    if fs::read_dir(debugfs)?.next().is_some() {
        return Ok(());
    }
    mount(
        Some("debugfs"),
        debugfs,
        Some("debugfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .context("debugfs")
}

/// Which kinds of failures there are in this kernel.
#[derive(Clone, Copy)]
pub struct Kinds {
    /// Copies from and to user space fail too.
    pub usercopy: bool,
}

impl Kinds {
    /// Makes all kinds count that there are, also for allocations that may wait, and keeps them out of the log.
    pub fn enable() -> Result<Self> {
        let has = |kind: &str| Path::new(DEBUGFS).join(kind).exists();
        let set = |file: &str, value: &str| {
            let path = Path::new(DEBUGFS).join(file);
            fs::write(&path, value).with_context(|| path.display().to_string())
        };
        set("failslab/ignore-gfp-wait", "N")?;
        set("fail_page_alloc/ignore-gfp-wait", "N")?;
        set("fail_page_alloc/ignore-gfp-highmem", "N")?;
        set("fail_page_alloc/min-order", "0")?;
        for kind in ["failslab", "fail_page_alloc", "fail_usercopy"] {
            if has(kind) {
                set(&format!("{kind}/verbose"), "0")?;
            }
        }
        Ok(Self {
            usercopy: has("fail_usercopy"),
        })
    }
}

/// The calling thread's `fail-nth`.
pub struct FailNth(File);

impl FailNth {
    /// Opens it; of use to the thread that did.
    pub fn open() -> Result<Self> {
        let file = File::options().read(true).write(true).open(FAIL_NTH);
        Ok(Self(file.context(FAIL_NTH)?))
    }

    /// Runs `f` with its `nth` chance to fail taken. Returns also whether there was such a chance.
    pub fn run<T>(&self, nth: u32, f: impl FnOnce() -> T) -> Result<(T, bool)> {
        let text = nth.to_string();
        self.0.write_all_at(text.as_bytes(), 0).context("arming")?;
        let result = f();
        let mut left = [0; 16];
        let read = self.0.read_at(&mut left, 0);
        // The chance may be that of this very call.
        let _ = self.0.write_all_at(b"0", 0);
        let taken = match read {
            Ok(n) => left.get(..n) == Some(b"0\n"),
            Err(e) if e.raw_os_error() == Some(Errno::EFAULT as i32) => false,
            Err(e) => return Err(e).context(FAIL_NTH),
        };
        Ok((result, taken))
    }
}
