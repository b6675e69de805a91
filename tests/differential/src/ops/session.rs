// SPDX-License-Identifier: GPL-2.0
//! Sessions, process groups, controlling terminals, signals.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cx, Family};
use crate::model::Model;
use crate::outcome::Outcome;
use crate::select::{Class, Fd};
use crate::world::ACTORS;

/// A process or a group by the actor that it is, or leads.
type Who = u8;

/// What to do about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// Catch it, as at first.
    Catch,
    /// Ignore it.
    Ignore,
    /// Block it.
    Block,
    /// Unblock it.
    Unblock,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum Sessions {
    /// setsid(2).
    Setsid,
    /// setpgid(2).
    Setpgid { who: Who, group: Who },
    /// getsid(2) and getpgid(2).
    Getsid { who: Who },
    /// `TIOCSCTTY`.
    Acquire { fd: Fd, steal: bool },
    /// `TIOCNOTTY`.
    GiveUp { fd: Fd },
    /// `TIOCGPGRP`.
    GetForeground { fd: Fd },
    /// `TIOCSPGRP`.
    SetForeground { fd: Fd, group: Who },
    /// `TIOCGSID`.
    GetSession { fd: Fd },
    /// kill(2) of a process or a group.
    Kill { who: Who, group: bool, signal: i32 },
    /// sigaction(2), sigprocmask(2).
    Disposition { signal: i32, how: How },
    /// `F_SETOWN`.
    SetOwner { fd: Fd, who: Who, group: bool },
    /// `F_GETOWN`.
    GetOwner { fd: Fd },
    /// `F_SETSIG`.
    SetSignal { fd: Fd, signal: i32 },
    /// vhangup(2).
    Vhangup,
}

impl Family for Sessions {
    fn strategies() -> Vec<(u32, BoxedStrategy<Self>)> {
        let tty = || Fd::mostly(Class::Tty);
        let slave = || Fd::mostly(Class::Slave);
        let who = || 0..ACTORS as u8;
        let signal = || {
            prop::sample::select(vec![
                libc::SIGTTIN,
                libc::SIGTTOU,
                libc::SIGINT,
                libc::SIGHUP,
                libc::SIGCONT,
                libc::SIGWINCH,
                libc::SIGIO,
                libc::SIGTSTP,
                libc::SIGUSR1,
                0,
                99,
            ])
        };
        let how = prop_oneof![
            2 => Just(How::Catch),
            2 => Just(How::Ignore),
            1 => Just(How::Block),
            1 => Just(How::Unblock)
        ];
        vec![
            (1, Just(Self::Setsid).boxed()),
            (
                4,
                (who(), who())
                    .prop_map(|(who, group)| Self::Setpgid { who, group })
                    .boxed(),
            ),
            (2, who().prop_map(|who| Self::Getsid { who }).boxed()),
            (
                8,
                (slave(), prop::bool::weighted(0.3))
                    .prop_map(|(fd, steal)| Self::Acquire { fd, steal })
                    .boxed(),
            ),
            (2, slave().prop_map(|fd| Self::GiveUp { fd }).boxed()),
            (3, tty().prop_map(|fd| Self::GetForeground { fd }).boxed()),
            (
                5,
                (slave(), who())
                    .prop_map(|(fd, group)| Self::SetForeground { fd, group })
                    .boxed(),
            ),
            (2, tty().prop_map(|fd| Self::GetSession { fd }).boxed()),
            (
                2,
                (who(), any::<bool>(), signal())
                    .prop_map(|(who, group, signal)| Self::Kill { who, group, signal })
                    .boxed(),
            ),
            (
                3,
                (signal(), how)
                    .prop_map(|(signal, how)| Self::Disposition { signal, how })
                    .boxed(),
            ),
            (
                3,
                (tty(), who(), any::<bool>())
                    .prop_map(|(fd, who, group)| Self::SetOwner { fd, who, group })
                    .boxed(),
            ),
            (1, tty().prop_map(|fd| Self::GetOwner { fd }).boxed()),
            (
                1,
                (
                    tty(),
                    prop_oneof![Just(0), Just(libc::SIGUSR1), Just(40), Just(-1)],
                )
                    .prop_map(|(fd, signal)| Self::SetSignal { fd, signal })
                    .boxed(),
            ),
            (1, Just(Self::Vhangup).boxed()),
        ]
    }

    fn resolve(&mut self, model: &Model) -> Option<()> {
        match self {
            Self::Acquire { fd, .. }
            | Self::GiveUp { fd }
            | Self::GetForeground { fd }
            | Self::SetForeground { fd, .. }
            | Self::GetSession { fd }
            | Self::SetOwner { fd, .. }
            | Self::GetOwner { fd }
            | Self::SetSignal { fd, .. } => fd.resolve(model),
            _ => Some(()),
        }
    }

    fn run(&self, cx: &Cx<'_>) -> Outcome {
        let pid = |who: &Who| {
            cx.shared
                .actor(usize::from(*who) % ACTORS)
                .pid
                .load(Ordering::Acquire)
        };
        let signed = |who: &Who, group: bool| if group { -pid(who) } else { pid(who) };
        let mut got = -1_i32;
        // SAFETY: no pointers but to an int that outlives the calls.
        unsafe {
            let ret = match self {
                Self::Setsid => libc::setsid(),
                Self::Setpgid { who, group } => libc::setpgid(pid(who), pid(group)),
                Self::Getsid { who } => {
                    let session = libc::getsid(pid(who));
                    return Outcome::from_ret(session.into())
                        .with_values([libc::getpgid(pid(who)).into()]);
                }
                Self::Acquire { fd, steal } => {
                    libc::ioctl(fd.number(), libc::TIOCSCTTY, i32::from(*steal))
                }
                Self::GiveUp { fd } => libc::ioctl(fd.number(), libc::TIOCNOTTY),
                Self::GetForeground { fd } => libc::ioctl(fd.number(), libc::TIOCGPGRP, &mut got),
                Self::GetSession { fd } => libc::ioctl(fd.number(), libc::TIOCGSID, &mut got),
                Self::SetForeground { fd, group } => {
                    libc::ioctl(fd.number(), libc::TIOCSPGRP, &pid(group))
                }
                Self::Kill { who, group, signal } => libc::kill(signed(who, *group), *signal),
                Self::Disposition { signal, how } => disposition(*signal, *how),
                Self::SetOwner { fd, who, group } => {
                    libc::fcntl(fd.number(), libc::F_SETOWN, signed(who, *group))
                }
                Self::GetOwner { fd } => libc::fcntl(fd.number(), libc::F_GETOWN),
                Self::SetSignal { fd, signal } => libc::fcntl(fd.number(), F_SETSIG, *signal),
                Self::Vhangup => libc::syscall(libc::SYS_vhangup) as i32,
            };
            Outcome::from_ret(ret.into()).with_values([got.into()])
        }
    }
}

/// Missing from `libc`.
const F_SETSIG: i32 = 10;

fn disposition(signal: i32, how: How) -> i32 {
    // SAFETY: plain data; the handler is the one that all actors have from the beginning, or none.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        if libc::sigaddset(&mut set, signal) < 0 {
            return -1;
        }
        match how {
            How::Catch => crate::world::catch(signal),
            How::Ignore => {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = libc::SIG_IGN;
                libc::sigaction(signal, &action, std::ptr::null_mut())
            }
            How::Block => libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()),
            How::Unblock => libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut()),
        }
    }
}
