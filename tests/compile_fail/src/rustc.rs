// SPDX-License-Identifier: GPL-2.0

//! The command with which Kbuild compiles the module, made one that compiles a case.

use anyhow::{bail, Context, Result};
use std::{fs, path::Path};
use ui_test::CommandBuilder;

/// Options of Kbuild's that have a value of their own in the next word, and that a case has otherwise.
const DROP_WITH_VALUE: [&str; 2] = ["--crate-type", "--out-dir"];

/// Options of Kbuild's that say what to write, or that come once more from `ui_test`.
const DROP: [&str; 2] = ["--emit=", "--edition="];

/// Takes the compiler, its flags and its environment from the command that Kbuild saved in `build_dir`.
pub fn command(build_dir: &Path, kdir: &Path) -> Result<CommandBuilder> {
    let saved = build_dir.join("src/.rdevpts_main.o.cmd");
    let text = fs::read_to_string(&saved)
        .with_context(|| format!("{}: build the module first (make modules)", saved.display()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("savedcmd_")?.split_once(" := "))
        .with_context(|| format!("{}: no saved command", saved.display()))?
        .1;
    // Kbuild appends what it does with the object to the compiler's command.
    let line = line.split(';').next().unwrap_or(line);
    let mut words = shlex::split(line)
        .with_context(|| format!("{}: unbalanced quotes", saved.display()))?
        .into_iter()
        .peekable();

    let mut command = CommandBuilder::rustc();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        command.envs.push((name.into(), Some(value.into())));
        words.next();
    }
    command.program = match std::env::var_os("RUSTC") {
        Some(rustc) => rustc.into(),
        None => words
            .next()
            .context("no compiler in the saved command")?
            .into(),
    };
    while let Some(word) = words.next() {
        if DROP_WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !DROP.iter().any(|prefix| word.starts_with(prefix)) && !word.ends_with(".rs") {
            command.args.push(word.into());
        }
    }
    if !command.args.iter().any(|arg| arg == "kernel") {
        bail!("{}: not the command of a kernel module", saved.display());
    }
    // A case uses little of what it includes; only errors count.
    command.args.push("-Awarnings".into());
    // Everything up to code generation, which is where all errors of the language are found.
    command.args.push("--emit=metadata".into());
    // As the kernel's Makefile exports it: the kernel uses unstable features of a stable compiler.
    command
        .envs
        .push(("RUSTC_BOOTSTRAP".into(), Some("1".into())));
    let bindings = build_dir.join("src/bindings");
    command
        .envs
        .push(("RDEVPTS_BINDINGS_DIR".into(), Some(bindings.into())));
    command.envs.push(("OBJTREE".into(), Some(kdir.into())));
    Ok(command)
}
