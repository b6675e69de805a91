// SPDX-License-Identifier: GPL-2.0
//! Cases that end in every way that a case can, for the test of the runner. They test no file system.

use anyhow::bail;

use crate::case::{cases, Ctx, Outcome, Skip};
use crate::fixture::process::child;

cases! { "selftest":
    passes => "succeeds",
    fails => "returns an error",
    panics => "panics",
    crashes => "is killed by a signal",
    hangs => "never ends",
    hangs_in_a_child => "waits for a child that never ends and ignores signals",
    skips => "says that it cannot run",
    leaves_a_process => "succeeds, and leaves a process behind",
    leaves_a_mount => "succeeds, and leaves a mount behind",
    leaves_a_mount_in_the_callers_namespace [in_caller_ns] => "succeeds, and leaves a mount behind that others see",
    talks_much => "fails after more output than a pipe holds",
}

fn passes(_: &Ctx) -> Outcome {
    Ok(())
}

fn fails(_: &Ctx) -> Outcome {
    bail!("as it should")
}

fn panics(_: &Ctx) -> Outcome {
    panic!("as it should")
}

fn crashes(_: &Ctx) -> Outcome {
    // SAFETY: kills this process, which is what it is for.
    unsafe { libc::kill(libc::getpid(), libc::SIGABRT) };
    Ok(())
}

fn hangs(_: &Ctx) -> Outcome {
    loop {
        nix::unistd::pause();
    }
}

fn hangs_in_a_child(ctx: &Ctx) -> Outcome {
    crate::fixture::signals::ignore(nix::sys::signal::Signal::SIGTERM)?;
    let child = child(|| hangs(ctx))?;
    loop {
        if !child.alive()? {
            return child.succeed();
        }
    }
}

fn skips(_: &Ctx) -> Outcome {
    bail!(Skip("as it should".into()))
}

fn leaves_a_process(ctx: &Ctx) -> Outcome {
    std::mem::forget(child(|| hangs(ctx))?);
    Ok(())
}

fn leaves_a_mount(ctx: &Ctx) -> Outcome {
    crate::fixture::Fs::new(ctx).map(drop)
}

fn leaves_a_mount_in_the_callers_namespace(ctx: &Ctx) -> Outcome {
    crate::fixture::Fs::new(ctx).map(drop)
}

fn talks_much(_: &Ctx) -> Outcome {
    for i in 0..20_000 {
        println!("line {i}");
    }
    bail!("the last line")
}
