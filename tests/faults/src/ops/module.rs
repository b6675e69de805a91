// SPDX-License-Identifier: GPL-2.0
//! Loading and unloading, and the limits.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::{read, write};

use super::{Operation, When};
use crate::attempt::Attempt;
use crate::module::{insmod, try_rmmod, unload, wait_until_unused};
use crate::pty::Master;
use crate::world::World;

pub const LOADING: &[Operation] = &[Operation::new("finit_module", load).when(When::Unloaded)];

pub const UNLOADING: &[Operation] = &[
    Operation::new("write of the sysctl max", write_limit),
    Operation::new("read of the sysctl nr", read_count),
    Operation::new("delete_module", remove).when(When::Loaded),
    Operation::new("delete_module after use", remove_used).when(When::Loaded),
];

fn load(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let module = world.module.as_ref().context("no module")?;
    let file = module.open()?;
    attempt.call(|| insmod(&file))?;
    unload()
}

fn remove(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let module = world.module.as_ref().context("no module")?;
    module.load()?;
    wait_until_unused()?;
    attempt.call(try_rmmod)
}

fn remove_used(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let module = world.module.as_ref().context("no module")?;
    module.load()?;
    let mounted = world.mount()?;
    let master = Master::open(world)?;
    drop((master.open_slave()?, master));
    mounted.umount()?;
    wait_until_unused()?;
    attempt.call(try_rmmod)
}

fn write_limit(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let path = Path::new(world.sysctl).join("max");
    let file = File::options().write(true).open(path).context("max")?;
    attempt.call(|| write(&file, b"4096\n")).map(drop)
}

fn read_count(world: &World, attempt: &mut Attempt<'_>) -> Result<()> {
    let file = File::open(Path::new(world.sysctl).join("nr")).context("nr")?;
    let mut text = [0; 16];
    attempt.call(|| read(&file, &mut text)).map(drop)
}
