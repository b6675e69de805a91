// SPDX-License-Identifier: GPL-2.0
//! One run of an operation, with one of its chances to fail taken.

use anyhow::{bail, Context, Result};
use nix::errno::Errno;

use crate::inject::FailNth;
use crate::world::World;

/// How a run of an operation went.
#[derive(Clone, Copy)]
pub enum Seen {
    /// There are fewer chances than that.
    NoChance,
    /// The call failed.
    Failed(Errno),
    /// It went on all the same.
    WentOn,
}

/// One run of an operation.
pub struct Attempt<'a> {
    world: &'a World,
    fail_nth: &'a FailNth,
    allowed: &'static [Errno],
    nth: u32,
    seen: Option<Seen>,
}

impl<'a> Attempt<'a> {
    /// A run in which the `nth` chance is taken. Beside `ENOMEM` (and `EFAULT`, where copies to and from user space fail) the call
    /// may say what is `allowed`.
    pub fn new(
        world: &'a World,
        fail_nth: &'a FailNth,
        allowed: &'static [Errno],
        nth: u32,
    ) -> Self {
        Self {
            world,
            fail_nth,
            allowed,
            nth,
            seen: None,
        }
    }

    /// How the call went; there must have been one.
    pub fn seen(&self) -> Result<Seen> {
        self.seen.context("the operation made no call")
    }

    /// The call. Where it fails, all must be as before, and it must succeed when it is made again.
    pub fn call<T>(&mut self, mut call: impl FnMut() -> nix::Result<T>) -> Result<T> {
        let before = self.world.snapshot()?;
        let error = match self.once(&mut call)? {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let after = self.world.snapshot()?;
        if before != after {
            bail!("it left something after {error:?}:\nbefore {before:?}\nafter  {after:?}");
        }
        call().with_context(|| format!("the same again after {error:?}"))
    }

    /// The call, of whose failure the caller says what may be left.
    pub fn once<T>(&mut self, call: impl FnOnce() -> nix::Result<T>) -> Result<nix::Result<T>> {
        let (result, taken) = self.fail_nth.run(self.nth, call)?;
        let seen = match (&result, taken) {
            (Err(error), true) => {
                let copies = self.world.kinds.usercopy && *error == Errno::EFAULT;
                if *error != Errno::ENOMEM && !copies && !self.allowed.contains(error) {
                    bail!("it failed with {error:?}");
                }
                Seen::Failed(*error)
            }
            (Err(error), false) => bail!("it failed with {error:?} by itself"),
            (Ok(_), true) => Seen::WentOn,
            (Ok(_), false) => Seen::NoChance,
        };
        self.seen = Some(seen);
        Ok(result)
    }
}
