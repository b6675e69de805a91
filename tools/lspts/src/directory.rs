// SPDX-License-Identifier: GPL-2.0

//! The mounted directory itself: what everybody may know of a pty.

use crate::device::Device;
use crate::processes::number;
use crate::system::{System, Warnings};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What stat(2) says of a slave's node.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The permissions.
    pub mode: u32,
    /// Seconds since a program last read from the terminal, which is when somebody typed; w(1) has it so, too.
    pub idle: u64,
}

/// What is found where a mount should be.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Its nodes, by index. None for one that something is mounted on.
    Nodes(BTreeMap<u32, Option<Node>>),
    /// Something else: another mount is on top of it.
    Another,
    /// Nothing that the caller could look into.
    Nothing,
}

/// Reads the directory where the file system `device` is mounted.
pub fn read(path: &Path, device: Device, system: &System, warnings: &mut Warnings) -> Found {
    match warnings.known(path, fs::metadata(path)) {
        None => return Found::Nothing,
        Some(stat) if Device::of(stat.dev()) != device => return Found::Another,
        Some(_) => {}
    }
    let Some(entries) = warnings.known(path, fs::read_dir(path)) else {
        return Found::Nothing;
    };
    let mut nodes = BTreeMap::new();
    for entry in entries {
        let Some(entry) = warnings.known(path, entry) else {
            break;
        };
        let Some(index) = number(&entry.file_name()) else {
            continue;
        };
        let Some(stat) = warnings.known(&entry.path(), entry.metadata()) else {
            continue;
        };
        let node = Node {
            uid: stat.uid(),
            gid: stat.gid(),
            mode: stat.mode() & 0o7777,
            idle: system
                .now
                .saturating_sub(stat.atime())
                .try_into()
                .unwrap_or(0),
        };
        // readdir(3) gives the name of the node, stat(2) what is on top of it.
        nodes.insert(index, (Device::of(stat.dev()) == device).then_some(node));
    }
    Found::Nodes(nodes)
}
