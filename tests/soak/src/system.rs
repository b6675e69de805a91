// SPDX-License-Identifier: GPL-2.0

//! The module, its limits, its mounts, and what the kernel has allocated.

use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what is freed later may take.
pub const SETTLE: Duration = Duration::from_secs(60);

/// The file system under test.
#[derive(Clone)]
pub struct System {
    /// Its type.
    pub fstype: String,
    /// Where the module is, if there is one to be loaded and unloaded.
    pub module: Option<PathBuf>,
}

impl System {
    fn limit(&self, name: &str) -> PathBuf {
        let directory = if self.fstype == "devpts" {
            "pty"
        } else {
            &self.fstype
        };
        Path::new("/proc/sys/kernel").join(directory).join(name)
    }

    /// Sets a limit of all mounts together.
    pub fn set_limit(&self, name: &str, value: u64) -> Result<()> {
        let path = self.limit(name);
        fs::write(&path, value.to_string()).with_context(|| path.display().to_string())
    }

    /// How many ptys there are.
    pub fn nr(&self) -> Result<u64> {
        let path = self.limit("nr");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().parse()?)
    }

    /// Mounts an instance at `path`, which is made.
    pub fn mount(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path)?;
        mount(
            Some("soak"),
            path,
            Some(self.fstype.as_str()),
            MsFlags::empty(),
            Some("ptmxmode=666,mode=666"),
        )
        .with_context(|| format!("mount on {}", path.display()))
    }

    /// Whether the module is loaded.
    fn loaded(&self) -> Result<bool> {
        let modules = fs::read_to_string("/proc/modules")?;
        let name = format!("{} ", self.fstype);
        Ok(modules.lines().any(|line| line.starts_with(&name)))
    }

    /// Loads the module, if there is one and it is not.
    pub fn load(&self) -> Result<()> {
        let Some(path) = self.module.as_ref() else {
            return Ok(());
        };
        if self.loaded()? {
            return Ok(());
        }
        let file = fs::File::open(path).with_context(|| path.display().to_string())?;
        // SAFETY: A descriptor and an empty string.
        let result =
            unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
        Errno::result(result)
            .context("loading the module")
            .map(drop)
    }

    /// Unloads the module; gives what the kernel says.
    pub fn try_unload(&self) -> nix::Result<()> {
        let name = std::ffi::CString::new(self.fstype.as_str()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: A string that outlives the call.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK)
        })
        .map(drop)
    }

    /// Unloads the module, once what is freed later has been.
    pub fn unload(&self) -> Result<()> {
        let mut result = Ok(());
        until("the module to be unused", || {
            result = self.try_unload();
            Ok(result != Err(Errno::EWOULDBLOCK) && result != Err(Errno::EBUSY))
        })?;
        result.context("unloading the module")
    }
}

/// Waits for a condition.
pub fn until(what: &str, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !ready()? {
        if start.elapsed() > SETTLE {
            bail!("waited {} s in vain for {what}", SETTLE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The names in a directory of ptys, sorted; fails if one is there twice.
pub fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = fs::read_dir(directory)
        .with_context(|| directory.display().to_string())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("{} lists {} twice", directory.display(), twice[0]);
    }
    ensure!(
        names.iter().any(|name| name == "ptmx"),
        "{} does not list ptmx",
        directory.display()
    );
    Ok(names)
}

/// umount(2), once nothing uses the mount any more.
pub fn umount(path: &Path) -> Result<()> {
    let mut result = Ok(());
    until("a mount to be unused", || {
        result = umount2(path, MntFlags::empty());
        Ok(result != Err(Errno::EBUSY))
    })?;
    result.with_context(|| format!("umount {}", path.display()))
}

/// Objects in use of every slab cache, without what is only cached.
pub fn slab() -> Result<BTreeMap<String, u64>> {
    for _ in 0..3 {
        fs::write("/proc/sys/vm/drop_caches", "3")?;
        std::thread::sleep(Duration::from_millis(500));
    }
    let text = fs::read_to_string("/proc/slabinfo").context("/proc/slabinfo")?;
    text.lines()
        .skip(2)
        .map(|line| {
            let mut fields = line.split_whitespace();
            let name = fields.next().context("no name")?.to_owned();
            Ok((name, fields.next().context("no number")?.parse()?))
        })
        .collect()
}

/// Whether the kernel has a function of that name.
pub fn has_symbol(name: &str) -> bool {
    let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    text.lines()
        .any(|line| line.split_whitespace().nth(2) == Some(name))
}

/// A field of /proc/meminfo, in bytes.
pub fn meminfo(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .with_context(|| format!("/proc/meminfo has no {name}"))?;
    let number = line.split_whitespace().next().unwrap_or_default();
    Ok(number.parse::<u64>()? * 1024)
}
