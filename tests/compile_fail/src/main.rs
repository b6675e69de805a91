// SPDX-License-Identifier: GPL-2.0

//! Compiles each file in `cases/` with the flags of the module against the real `src/vfs` and the real kernel crates, and
//! compares the errors with those that the file announces (`//~ E0382` at the end of a line).
//!
//! Arguments select the cases whose path contains one of them.

mod rustc;
mod tap;

use anyhow::{bail, Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};
use ui_test::{
    custom_flags::rustfix::RustfixMode, default_file_filter, default_per_file_config,
    ignore_output_conflict, run_tests_generic, Config,
};

/// Relative to the repository, where the runner is started.
const CASES: &str = "tests/compile_fail/cases";

fn path_from(variable: &str) -> Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .with_context(|| format!("{variable} is not set; see tests/compile_fail/run"))
}

fn run() -> Result<()> {
    let build_dir = path_from("BUILD_DIR")?;
    if !Path::new(CASES).is_dir() {
        bail!("{CASES}: not here; see tests/compile_fail/run");
    }
    let mut config = Config::rustc(CASES);
    config.program = rustc::command(&build_dir, &path_from("KDIR")?)?;
    config.out_dir = build_dir.join("compile_fail");
    config.filter_files = env::args().skip(1).collect();
    config
        .comment_defaults
        .base()
        .add_custom("rustfix", RustfixMode::Disabled);
    // What counts is which error there is and where, not the compiler's words for it.
    config.output_conflict_handling = ignore_output_conflict;
    if let Err(error) = run_tests_generic(
        vec![config],
        default_file_filter,
        default_per_file_config,
        tap::Tap::default(),
    ) {
        bail!("{error}");
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
