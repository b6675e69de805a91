// SPDX-License-Identifier: GPL-2.0

//! The list for people: a heading and a table for each mount.

use crate::columns::{printable, Column};
use crate::list::{List, Mount};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table};
use std::io::{self, Write};

/// How the table is wanted.
pub struct Style {
    /// Which columns.
    pub columns: Vec<Column>,
    /// Sizes are bytes, and no multiples of them.
    pub is_bytes: bool,
    /// There are neither headings of mounts nor of columns.
    pub is_bare: bool,
    /// The longest line, where there is a limit.
    pub width: Option<u16>,
}

/// Writes it all.
///
/// # Errors
///
/// Those of the writer.
pub fn write(list: &List, style: &Style, out: &mut impl Write) -> io::Result<()> {
    for (number, mount) in list.mounts.iter().enumerate() {
        if !style.is_bare {
            if number > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{}", heading(mount))?;
        }
        if !mount.ptys.is_empty() {
            writeln!(out, "{}", table(mount, style).trim_fmt())?;
        }
    }
    Ok(())
}

/// `/dev/pts (0:45): 2 ptys`.
fn heading(mount: &Mount) -> String {
    let place = match mount.paths.is_empty() {
        true => mount.device.to_string(),
        false => format!("{} ({})", printable(&mount.paths.join(" ")), mount.device),
    };
    match mount.ptys.len() {
        1 => format!("{place}: 1 pty"),
        number => format!("{place}: {number} ptys"),
    }
}

fn table(mount: &Mount, style: &Style) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    if let Some(width) = style.width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    if !style.is_bare {
        table.set_header(style.columns.iter().map(|column| column.heading()));
    }
    for pty in &mount.ptys {
        let mut row = Row::from(
            style
                .columns
                .iter()
                .map(|column| column.cell(mount, pty, style.is_bytes)),
        );
        row.max_height(1);
        table.add_row(row);
    }
    for (column, what) in table.column_iter_mut().zip(&style.columns) {
        column.set_padding((0, 1));
        if what.is_number() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // Only command lines are cut where there is no room.
        if *what != Column::Command {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}
