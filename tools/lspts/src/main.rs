// SPDX-License-Identifier: GPL-2.0

//! lspts: lists the ptys of every mount of rdevpts. See Documentation/man/lspts.1.
//!
//! What is known comes from four places, each with its parser: `mountinfo`, `debugfs`, `fdinfo` and `processes`, `directory`.
//! `list` joins them, `table` prints them for people, serde for programs.

#![forbid(unsafe_code)]

mod columns;
mod debugfs;
mod device;
mod directory;
mod fdinfo;
mod fields;
#[cfg(test)]
mod golden;
mod list;
mod mountinfo;
mod options;
mod processes;
mod system;
mod table;

use anyhow::{bail, Context, Result};
use clap::{CommandFactory, Parser};
use device::Device;
use list::List;
use options::Options;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use system::{System, Warnings};
use table::Style;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Help comes this way, too. If it cannot be printed, there is nobody to be told.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let mut warnings = Warnings::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = run(&options, &System::this(), width(), &mut warnings, &mut out)
        .and_then(|()| Ok(out.flush()?));
    for warning in &warnings.0 {
        tell(warning);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// All of it, on any machine.
fn run(
    options: &Options,
    system: &System,
    width: Option<u16>,
    warnings: &mut Warnings,
    out: &mut impl Write,
) -> Result<()> {
    if let Some(shell) = options.completions {
        // Its generator does not expect a pipe to break.
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Options::command(), "lspts", &mut text);
        return Ok(out.write_all(&text)?);
    }
    let mut list = List::read(system, warnings)?;
    if let Some(mount) = &options.mount {
        let device = device_of(mount)?;
        list.mounts.retain(|mount| mount.device == device);
        if list.mounts.is_empty() {
            bail!("{}: no mount of rdevpts", mount.display());
        }
    }
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &list).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    let style = Style {
        columns: match options.output.is_empty() {
            true => columns::DEFAULT.to_vec(),
            false => options.output.clone(),
        },
        is_bytes: options.bytes,
        is_bare: options.noheadings,
        width,
    };
    Ok(table::write(&list, &style, out)?)
}

/// The device of a mount that was named by it, or by a path.
fn device_of(mount: &Path) -> Result<Device> {
    match mount.to_str().and_then(|text| text.parse().ok()) {
        Some(device) => Ok(device),
        None => {
            let stat = fs::metadata(mount).with_context(|| mount.display().to_string())?;
            Ok(Device::of(stat.dev()))
        }
    }
}

/// How wide the terminal is, if there is one.
fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// One line on standard error, if that is still there.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "lspts: {}", columns::printable(line));
}
