// SPDX-License-Identifier: GPL-2.0

//! What is known of every pty, from all sources together. What is here is what JSON has: see lspts(1).
//!
//! Sources are read one after the other, while ptys and processes come and go: what only one of them has seen is listed, and what
//! none can tell is None.

use crate::debugfs::{self, Counters, Row, Table};
use crate::device::Device;
use crate::directory::{self, Found, Node};
use crate::fdinfo::End;
use crate::fields::Fields;
use crate::mountinfo::{self, Mountinfo};
use crate::processes::{Process, Processes};
use crate::system::{System, Warnings};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every mount of rdevpts.
#[derive(Debug, Serialize)]
pub struct List {
    /// First those that have a path, in the order they were mounted in, then others by their device.
    pub mounts: Vec<Mount>,
}

/// One mount: one superblock, that is, which may be seen in several places or in none.
#[derive(Debug, Serialize)]
pub struct Mount {
    /// `MAJOR:MINOR`.
    pub device: Device,
    /// Where the caller can see it.
    pub paths: Vec<String>,
    /// Its options, with commas between them.
    pub options: Option<String>,
    /// What was counted since it was mounted, by name.
    pub counters: Option<Counters>,
    /// By index.
    pub ptys: Vec<Pty>,
}

/// One pty.
#[derive(Debug, Serialize)]
pub struct Pty {
    /// Its number in its mount.
    pub index: u32,
    /// The slave's node.
    pub path: Option<String>,
    /// The node's owner.
    pub uid: Option<u32>,
    /// The owner's name.
    pub owner: Option<String>,
    /// The node's group.
    pub gid: Option<u32>,
    /// The group's name.
    pub group: Option<String>,
    /// The node's permissions, in octal.
    pub mode: Option<String>,
    /// Seconds since a program last read from it.
    pub idle: Option<u64>,
    /// Numbers.
    #[serde(flatten)]
    pub fields: Fields,
    /// States, such as `locked`.
    pub flags: Option<Vec<String>>,
    /// The leader of the foreground process group, or another process of it.
    pub foreground: Option<Process>,
    /// Who has the master open, as far as the caller may know.
    pub masters: Vec<Process>,
}

/// A mount while it is looked at.
#[derive(Default)]
struct Place {
    /// As mountinfo has it.
    mounted: Vec<Mountinfo>,
    /// As debugfs has it.
    table: Option<Table>,
    /// What open files tell, by index.
    open: BTreeMap<u32, Held>,
}

/// What the open ends of a pty tell.
#[derive(Default)]
struct Held {
    master: Fields,
    slave: Fields,
    masters: BTreeSet<u32>,
}

impl List {
    /// Looks at everything once.
    ///
    /// # Errors
    ///
    /// Those of what nothing can be known without: the mounts, and the directory of processes.
    pub fn read(system: &System, warnings: &mut Warnings) -> Result<Self> {
        let path = system.proc.join("self/mountinfo");
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        let (mounted, strange) = mountinfo::parse(&text, "rdevpts");
        if strange > 0 {
            warnings.add(&path, format_args!("lines that are strange: {strange}"));
        }
        let mut order = Vec::new();
        let mut places: BTreeMap<Device, Place> = BTreeMap::new();
        // A part of one, such as ptmx on /dev/ptmx, is not where it is.
        for mounted in mounted.into_iter().filter(|mounted| mounted.is_whole) {
            order.push(mounted.device);
            places
                .entry(mounted.device)
                .or_default()
                .mounted
                .push(mounted);
        }
        for (device, table) in debugfs::read(system, warnings) {
            places.entry(device).or_default().table = Some(table);
        }
        let processes =
            Processes::read(system, warnings).with_context(|| system.proc.display().to_string())?;
        for open in &processes.open {
            let place = places.entry(open.info.mount).or_default();
            let held = place.open.entry(open.info.index).or_default();
            let fields = match open.info.end {
                End::Master => {
                    held.masters.insert(open.pid);
                    &mut held.master
                }
                End::Slave => &mut held.slave,
            };
            *fields = std::mem::take(fields).or(&open.info.fields);
        }
        order.extend(places.keys());
        let mut mounts = Vec::new();
        for device in order {
            if let Some(place) = places.remove(&device) {
                mounts.push(place.mount(device, &processes, system, warnings));
            }
        }
        Ok(Self { mounts })
    }
}

impl Place {
    fn mount(
        self,
        device: Device,
        processes: &Processes,
        system: &System,
        warnings: &mut Warnings,
    ) -> Mount {
        let mut nodes = None;
        let mut paths: Vec<&PathBuf> = Vec::new();
        for Mountinfo { path, .. } in &self.mounted {
            match directory::read(path, device, system, warnings) {
                Found::Another => continue,
                Found::Nothing => {}
                Found::Nodes(found) => nodes = nodes.or(Some((path, found))),
            }
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let (seen_at, mut nodes) = nodes.unzip();
        let Table {
            ptys: mut rows,
            counters,
        } = self.table.unwrap_or_default();
        let mut open = self.open;
        let mut indices: BTreeSet<u32> = rows.keys().chain(open.keys()).copied().collect();
        indices.extend(nodes.iter().flat_map(BTreeMap::keys));
        let mut ptys = Vec::new();
        for index in indices {
            let node = nodes
                .as_mut()
                .and_then(|nodes| nodes.remove(&index))
                .flatten();
            let row = rows.remove(&index).unwrap_or_default();
            let held = open.remove(&index).unwrap_or_default();
            let path = seen_at
                .filter(|_| node.is_some())
                .map(|path| path.join(index.to_string()));
            ptys.push(pty(
                index,
                path.as_deref(),
                node,
                row,
                held,
                processes,
                system,
            ));
        }
        Mount {
            device,
            paths: paths
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            options: self
                .mounted
                .into_iter()
                .next()
                .map(|mounted| mounted.options),
            counters,
            ptys,
        }
    }
}

/// Joins what is known of one pty.
fn pty(
    index: u32,
    path: Option<&Path>,
    node: Option<Node>,
    row: Row,
    held: Held,
    processes: &Processes,
    system: &System,
) -> Pty {
    let uid = node.as_ref().map(|node| node.uid).or(row.uid);
    let gid = node.as_ref().map(|node| node.gid).or(row.gid);
    let mode = node.as_ref().map(|node| node.mode).or(row.mode);
    let fields = row.fields.or(&held.master).or(&held.slave);
    let pgrp = fields.pgrp.filter(|pgrp| *pgrp != 0);
    Pty {
        index,
        path: path.map(|path| path.display().to_string()),
        uid,
        owner: uid.and_then(|uid| system.names.user(uid)),
        gid,
        group: gid.and_then(|gid| system.names.group(gid)),
        mode: mode.map(|mode| format!("{mode:04o}")),
        idle: node.map(|node| node.idle),
        foreground: pgrp.and_then(|pgrp| processes.of_group(pgrp)),
        masters: held
            .masters
            .iter()
            .filter_map(|pid| processes.by_pid(*pid))
            .collect(),
        fields,
        flags: row.flags,
    }
}
