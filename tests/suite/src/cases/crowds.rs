// SPDX-License-Identifier: GPL-2.0
//! The limits, against many processes that open ptys at once and never close them.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::Signal::SIGKILL;

use super::limits::undisturbed;
use super::try_ptmx;
use crate::case::{cases, Ctx, Outcome};
use crate::check::{check, check_eq, check_errno};
use crate::fixture::process::{session, Gate};
use crate::fixture::wait::until;
use crate::fixture::Fs;

cases! { "crowds":
    max_option => "of processes that open at once, as many as max= says succeed, the others get ENOSPC",
    global_max [alone] => "of processes that open at once on two instances, no more succeed than the limits say",
}

/// Has `openers` processes open at once, each on the next of `places` in turn; gives how many could, once those that could not
/// say so, and lets `look` look while the ptys are open. Then all are killed.
fn crowd(openers: usize, places: &[Fs], look: impl FnOnce(usize) -> Outcome) -> Outcome {
    let (start, report) = (Gate::new()?, Gate::new()?);
    let crowd = (0..openers)
        .map(|number| {
            let fs = &places[number % places.len()];
            session(|| {
                start.pass()?;
                let opened = try_ptmx(fs);
                report.send(match &opened {
                    Ok(_) => 0,
                    Err(errno) => *errno as i64,
                })?;
                loop {
                    nix::unistd::pause();
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    crowd.iter().try_for_each(|_| start.open())?;
    let mut opened = 0;
    for _ in &crowd {
        match report.receive()? {
            0 => opened += 1,
            errno => check_eq!(Errno::ENOSPC as i64, errno, "error of an open"),
        }
    }
    look(opened)?;
    crowd.iter().try_for_each(|opener| opener.signal(SIGKILL))?;
    crowd
        .iter()
        .try_for_each(|opener| opener.killed_by(SIGKILL))?;
    for fs in places {
        until("the nodes to go", || Ok(fs.names()? == ["ptmx"]))?;
    }
    Ok(())
}

fn max_option(ctx: &Ctx) -> Outcome {
    let fs = Fs::with(ctx, "ptmxmode=666,max=7")?;
    for _ in 0..2 {
        crowd(20, &[fs.clone()], |opened| {
            check_eq!(7, opened, "ptys");
            check_eq!(8, fs.names()?.len(), "names");
            check_errno(try_ptmx(&fs), Errno::ENOSPC, "one more")
        })?;
    }
    Ok(())
}

fn global_max(ctx: &Ctx) -> Outcome {
    let places = [Fs::at(ctx, "one", "")?, Fs::at(ctx, "two", "")?];
    undisturbed(ctx, |before| {
        ctx.set_sysctl("reserve", 5).context("reserve")?;
        // The count with the new pty must stay below the limit.
        ctx.set_sysctl("max", before + 5 + 9).context("max")?;
        crowd(20, &places, |opened| {
            // Who was refused had been counted for a moment, which may have had others refused, too.
            check!((1..=8).contains(&opened), "{opened} ptys");
            until("nr to be right", || {
                Ok(ctx.sysctl("nr")? == before + i64::try_from(opened)?)
            })?;
            let rest = (opened..8)
                .map(|_| try_ptmx(&places[0]).context("as long as there is room"))
                .collect::<Result<Vec<_>>>()?;
            check_errno(try_ptmx(&places[1]), Errno::ENOSPC, "one more")?;
            drop(rest);
            Ok(())
        })?;
        until("nr to return", || Ok(ctx.sysctl("nr")? == before))
    })
}
