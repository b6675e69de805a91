// SPDX-License-Identifier: GPL-2.0
//! From a seed to a case.
//!
//! A case is made of groups of steps, so that shrinking can drop many steps at once before it drops single ones. The seed also
//! chooses a theme: which families of operations are frequent. A seed gives the same case on any machine.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::lockstep::Step;
use crate::ops::files::Files;
use crate::ops::flags::OpenFlags;
use crate::ops::Op;
use crate::select::Name;
use crate::world::ACTORS;

/// Steps in groups in groups.
pub type Case = Vec<Vec<Vec<Step>>>;

/// Groups of groups, and steps in each of these.
const GROUP: usize = 5;

/// How frequent each family is in a theme.
const THEMES: &[(&str, &[(&str, u32)])] = &[
    ("everything", &[]),
    (
        "data",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Data", 30),
            ("Termios", 4),
            ("Files", 2),
            ("Tree", 1),
            ("Events", 3),
            ("Contexts", 0),
            ("Jobs", 1),
        ],
    ),
    (
        "line editing",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Data", 20),
            ("Termios", 20),
            ("Tree", 0),
            ("Files", 3),
            ("Events", 2),
            ("Contexts", 0),
            ("Jobs", 1),
        ],
    ),
    (
        "packet mode and flow control",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Control", 20),
            ("Data", 12),
            ("Termios", 6),
            ("Tree", 0),
            ("Files", 3),
            ("Contexts", 0),
        ],
    ),
    (
        "opening and closing",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Files", 25),
            ("Tree", 6),
            ("Data", 4),
            ("Termios", 2),
            ("Events", 4),
            ("Contexts", 1),
        ],
    ),
    (
        "waiting",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Events", 20),
            ("Data", 12),
            ("Files", 5),
            ("Tree", 0),
            ("Termios", 3),
            ("Contexts", 0),
        ],
    ),
    (
        "sessions",
        &[
            ("Sessions", 25),
            ("Data", 12),
            ("Files", 8),
            ("Tree", 0),
            ("Termios", 5),
            ("Mounts", 0),
            ("Jobs", 15),
            ("Contexts", 0),
        ],
    ),
    (
        "mounts",
        &[
            ("Mounts", 20),
            ("Files", 12),
            ("Tree", 10),
            ("Data", 2),
            ("Termios", 1),
            ("Events", 1),
            ("Sessions", 0),
            ("Contexts", 15),
            ("Jobs", 1),
        ],
    ),
    (
        "the directory",
        &[
            ("Mounts", 1),
            ("Sessions", 1),
            ("Tree", 20),
            ("Files", 10),
            ("Data", 2),
            ("Termios", 1),
            ("Events", 1),
            ("Contexts", 2),
        ],
    ),
    (
        "watching the directory",
        &[
            ("Inotify", 25),
            ("Files", 12),
            ("Tree", 6),
            ("Data", 6),
            ("Mounts", 1),
            ("Contexts", 1),
            ("Termios", 1),
            ("Events", 1),
            ("Jobs", 2),
        ],
    ),
];

/// The weight of a family that a theme does not name.
const USUAL: u32 = 6;

/// The theme of a seed.
pub fn theme(seed: u64) -> &'static str {
    THEMES[(seed % THEMES.len() as u64) as usize].0
}

/// Cases of about so many steps, for a seed's theme.
pub fn strategy(seed: u64, steps: usize) -> BoxedStrategy<Case> {
    let weights = THEMES[(seed % THEMES.len() as u64) as usize].1;
    let weight = move |family: &str| {
        weights
            .iter()
            .find(|(name, _)| *name == family)
            .map_or(USUAL, |(_, weight)| *weight)
    };
    let privileged = ACTORS as u16 - 1;
    let actor = prop_oneof![15 => 0..privileged, 1 => Just(privileged)];
    let step = (actor, any::<u16>().no_shrink(), Op::strategy(weight));
    let step = step.prop_map(|(actor, token, op)| Step { actor, token, op });
    // On average. Vectors that may be shorter can be shrunk.
    let groups = 2 * (steps / (GROUP * GROUP)).max(1);
    let body = vec(vec(vec(step, 0..=2 * GROUP), 0..=2 * GROUP), 1..groups);
    (start(), body)
        .prop_map(|(start, mut body)| {
            body.insert(0, start);
            body
        })
        .boxed()
}

/// Most cases start with a pty or two whose slaves are open.
fn start() -> BoxedStrategy<Vec<Vec<Step>>> {
    let tokens = any::<(u16, u16)>().no_shrink();
    let pair =
        (tokens, OpenFlags::plain(), OpenFlags::plain()).prop_map(|(tokens, master, slave)| {
            let step = |token: u16, op| Step {
                actor: token % (ACTORS as u16 - 1),
                token,
                op: Op::Files(op),
            };
            let open = Files::NewPty {
                name: Name::Ptmx(tokens.0 % 2),
                flags: master,
            };
            let slave = Files::Open {
                name: Name::Slave(tokens.0),
                flags: slave,
            };
            vec![step(tokens.0, open), step(tokens.1, slave)]
        });
    vec(pair, 0..3).boxed()
}

/// A runner whose random numbers come from the seed alone.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The steps of a case.
pub fn flatten(case: &Case) -> Vec<Step> {
    case.iter().flatten().flatten().cloned().collect()
}

/// The case of a seed, and how to make it smaller.
pub fn tree(
    seed: u64,
    steps: usize,
    runner: &mut TestRunner,
) -> anyhow::Result<Box<dyn ValueTree<Value = Case>>> {
    let tree = strategy(seed, steps)
        .new_tree(runner)
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(Box::new(tree))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Model};

    fn case(seed: u64) -> anyhow::Result<Vec<Step>> {
        Ok(flatten(&tree(seed, 200, &mut runner(seed))?.current()))
    }

    #[test]
    fn a_seed_gives_the_same_case() -> anyhow::Result<()> {
        for seed in 0..30 {
            assert_eq!(case(seed)?, case(seed)?);
        }
        assert_ne!(case(1)?, case(1 + THEMES.len() as u64)?);
        Ok(())
    }

    #[test]
    fn a_case_survives_being_saved() -> anyhow::Result<()> {
        for seed in 0..30 {
            let case = case(seed)?;
            let saved = serde_json::to_vec(&case)?;
            assert_eq!(case, serde_json::from_slice::<Vec<Step>>(&saved)?);
        }
        Ok(())
    }

    /// With one of each kind of descriptor open, every operation finds what it needs.
    #[test]
    fn all_operations_have_something_to_work_on() -> anyhow::Result<()> {
        let mut model = Model::default();
        let kinds = [
            Kind::Master(0, 0),
            Kind::Slave(0, 0),
            Kind::Epoll,
            Kind::Inotify,
        ];
        for (fd, kind) in (3..).zip(kinds) {
            model.opened(fd, kind);
        }
        for seed in 0..30 {
            for mut step in case(seed)? {
                assert!(step.op.resolve(&model).is_some(), "{:?}", step.op);
            }
        }
        Ok(())
    }

    #[test]
    fn themes_name_families_that_exist() {
        for (theme, weights) in THEMES {
            for (family, _) in *weights {
                let mut seen = false;
                let _ = Op::strategy(|name| {
                    seen |= name == *family;
                    1
                });
                assert!(seen, "{theme}: {family}");
            }
        }
    }
}
