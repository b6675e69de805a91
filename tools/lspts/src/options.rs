// SPDX-License-Identifier: GPL-2.0

//! What the command line has.

use crate::columns::Column;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueHint};
use clap_complete::Shell;
use std::path::PathBuf;

/// List the ptys of every mount of rdevpts: owner, foreground process, bytes and backlog.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "The superuser sees all of it; others what they may know. See lspts(1)."
)]
pub struct Options {
    /// Print JSON, in the form that lspts(1) has
    #[arg(short = 'J', long)]
    pub json: bool,

    /// Print no headings, of mounts or of columns
    #[arg(short, long)]
    pub noheadings: bool,

    /// Print sizes in bytes
    #[arg(short, long)]
    pub bytes: bool,

    /// Columns to print
    #[arg(
        short,
        long,
        value_name = "LIST",
        value_delimiter = ',',
        ignore_case = true
    )]
    #[arg(conflicts_with = "json")]
    pub output: Vec<Column>,

    /// Only the mount that has this path, or this device (MAJOR:MINOR)
    #[arg(short, long, value_name = "MOUNT", value_hint = ValueHint::DirPath)]
    pub mount: Option<PathBuf>,

    /// Print what the shell needs to complete options
    #[arg(long, value_name = "SHELL", exclusive = true)]
    #[arg(value_parser = PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|name| name.parse::<Shell>()))]
    pub completions: Option<Shell>,
}
