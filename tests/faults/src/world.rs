// SPDX-License-Identifier: GPL-2.0
//! What operations work on, and what of it must be as before when one has failed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};

use crate::inject::{Kinds, DEBUGFS};
use crate::module::Module;

/// What differs between the file systems by name.
pub struct World {
    /// The name given to mount(2).
    pub fstype: &'static str,
    /// The directory of the limits.
    pub sysctl: &'static str,
    /// Whether it is this project's.
    pub ours: bool,
    /// The module, where its file is known.
    pub module: Option<Module>,
    /// Where an instance is mounted.
    pub point: PathBuf,
    /// What fails in this kernel.
    pub kinds: Kinds,
}

/// What must be as before when an operation has failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    names: Vec<String>,
    nr: String,
    descriptors: usize,
    mounts: usize,
    module: Vec<&'static str>,
    watched: Vec<String>,
}

impl World {
    /// What there is now.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut names = list(&self.point)?;
        names.sort();
        let nr = Path::new(self.sysctl).join("nr");
        Ok(Snapshot {
            names,
            nr: match fs::read_to_string(&nr) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
                other => other.with_context(|| nr.display().to_string())?,
            },
            descriptors: list(Path::new("/proc/self/fd"))?.len(),
            mounts: fs::read_to_string("/proc/self/mounts")?.lines().count(),
            module: if self.ours {
                Module::traces()?
            } else {
                Vec::new()
            },
            watched: self.watched()?,
        })
    }

    /// Which mounts have lines in debugfs, and which of their ptys.
    fn watched(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        // What the columns after these say changes.
        for (file, columns) in [("mounts", 1), ("ptys", 2)] {
            let path = Path::new(DEBUGFS).join(self.fstype).join(file);
            let text = match fs::read_to_string(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.with_context(|| path.display().to_string())?,
            };
            let begin = |line: &str| line.split(' ').take(columns).collect::<Vec<_>>().join(" ");
            all.extend(text.lines().skip(1).map(begin));
        }
        Ok(all)
    }

    /// mount(2) of a fresh instance.
    pub fn try_mount(&self, options: &str) -> nix::Result<()> {
        mount(
            Some("none"),
            &self.point,
            Some(self.fstype),
            MsFlags::empty(),
            Some(options),
        )
    }

    /// Mounts a fresh instance, which goes with the value.
    pub fn mount(&self) -> Result<Mounted<'_>> {
        self.try_mount("ptmxmode=0666,mode=0620")
            .with_context(|| format!("mount -t {}", self.fstype))?;
        Ok(Mounted { world: self })
    }

    /// Takes on what an operation mounted.
    pub fn mounted(&self) -> Mounted<'_> {
        Mounted { world: self }
    }

    /// umount(2) of the instance.
    pub fn try_umount(&self) -> nix::Result<()> {
        umount2(&self.point, MntFlags::empty())
    }

    /// A name in the instance.
    pub fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }
}

/// An instance that is mounted.
pub struct Mounted<'a> {
    world: &'a World,
}

impl Mounted<'_> {
    /// Unmounts it; all that was open on it must be closed.
    pub fn umount(self) -> Result<()> {
        let world = self.world;
        std::mem::forget(self);
        world.try_umount().context("umount")
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        match umount2(&self.world.point, MntFlags::MNT_DETACH) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(e) => eprintln!("umount: {e}"),
        }
    }
}

fn list(path: &Path) -> Result<Vec<String>> {
    fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
