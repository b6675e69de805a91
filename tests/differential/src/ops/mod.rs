// SPDX-License-Identifier: GPL-2.0
//! The operations, by family.

pub mod calls;
mod child;
mod context;
pub mod contexts;
pub mod control;
pub mod data;
pub mod files;
pub mod flags;
pub mod inotify;
mod job;
pub mod jobs;
mod limits;
pub mod mounts;
pub mod poll;
mod refused;
pub mod session;
pub mod termios;
pub mod tree;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::ops::data::Text;
use crate::outcome::Outcome;
use crate::world::{Shared, Target};

/// What an operation is told about the world that it runs in.
pub struct Cx<'a> {
    /// The file system.
    pub target: &'a Target,
    /// Where the actors are.
    pub shared: Shared,
}

/// Operations of one theme.
pub trait Family: Sized {
    /// What to generate, and how often.
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)>;

    /// Replaces choices by what they mean now; `None` where there is nothing to choose from.
    fn resolve(&mut self, model: &Model) -> Option<()>;

    /// Does it, in an actor.
    fn run(&self, cx: &Cx<'_>) -> Outcome;

    /// Notes what it changed, in the driver.
    fn learn(&self, _outcome: &Outcome, _model: &mut Model) {}

    /// Whether it makes descriptors, and so is not run when there are many.
    fn opens(&self) -> bool {
        false
    }

    /// Whether it waits for output to drain and for writers to finish.
    fn drains(&self) -> bool {
        false
    }

    /// Whether it writes to a stream.
    fn writes(&self) -> bool {
        false
    }

    /// Whether it waits for events.
    fn waits(&self) -> bool {
        false
    }

    /// For a write to a stream: where to, and what.
    fn text(&mut self) -> Option<(i32, &mut Text)> {
        None
    }

    /// For a read of a stream: how much it asked for, and from which descriptor.
    fn stream_read(&self) -> Option<(i32, usize)> {
        None
    }
}

/// Declares [`Op`] and its dispatch.
macro_rules! families {
    ($($family:ident($path:path)),+ $(,)?) => {
        /// One operation.
        #[derive(Clone, PartialEq, Serialize, Deserialize)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($path), "`].")] $family($path)),+
        }

        impl std::fmt::Debug for Op {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$family(op) => op.fmt(f)),+ }
            }
        }

        impl Op {
            /// What to generate: each family by `weight`, which is given its name.
            pub fn strategy(mut weight: impl FnMut(&str) -> u32) -> BoxedStrategy<Self> {
                let mut all = Vec::new();
                $(
                    let weight_of = weight(stringify!($family));
                    for (w, strategy) in <$path>::strategies() {
                        if w * weight_of > 0 {
                            all.push((w * weight_of, strategy.prop_map(Op::$family).boxed()));
                        }
                    }
                )+
                proptest::strategy::Union::new_weighted(all).boxed()
            }

            /// The name of its kind, for the counts.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$family(op) => op.into()),+ }
            }

            /// See [`Family::resolve`].
            pub fn resolve(&mut self, model: &Model) -> Option<()> {
                match self { $(Self::$family(op) => op.resolve(model)),+ }
            }

            /// See [`Family::run`].
            pub fn run(&self, cx: &Cx<'_>) -> Outcome {
                match self { $(Self::$family(op) => op.run(cx)),+ }
            }

            /// See [`Family::learn`].
            pub fn learn(&self, outcome: &Outcome, model: &mut Model) {
                match self { $(Self::$family(op) => op.learn(outcome, model)),+ }
            }

            /// See [`Family::opens`].
            pub fn opens(&self) -> bool {
                match self { $(Self::$family(op) => op.opens()),+ }
            }

            /// See [`Family::drains`].
            pub fn drains(&self) -> bool {
                match self { $(Self::$family(op) => op.drains()),+ }
            }

            /// See [`Family::writes`].
            pub fn writes(&self) -> bool {
                match self { $(Self::$family(op) => op.writes()),+ }
            }

            /// See [`Family::waits`].
            pub fn waits(&self) -> bool {
                match self { $(Self::$family(op) => op.waits()),+ }
            }

            /// See [`Family::text`].
            pub fn text(&mut self) -> Option<(i32, &mut Text)> {
                match self { $(Self::$family(op) => op.text()),+ }
            }

            /// See [`Family::stream_read`].
            pub fn stream_read(&self) -> Option<(i32, usize)> {
                match self { $(Self::$family(op) => op.stream_read()),+ }
            }
        }
    };
}

families! {
    Files(files::Files),
    Data(data::Data),
    Termios(termios::Termios),
    Control(control::Control),
    Events(poll::Events),
    Tree(tree::Tree),
    Mounts(mounts::Mounts),
    Sessions(session::Sessions),
    Jobs(jobs::Jobs),
    Contexts(contexts::Contexts),
    Inotify(inotify::Inotify),
    Calls(calls::Calls),
}
