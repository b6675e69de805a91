// SPDX-License-Identifier: GPL-2.0

//! Where lines end, against what looks at every byte.

use rdevpts_model::lines::{contains_any, first_newline, last_newline};

/// The first three bytes are what to look for in the rest.
pub fn run(data: &[u8]) {
    let Some((bytes, text)) = data.split_first_chunk::<3>() else {
        return;
    };
    let newline = |&byte: &u8| byte == b'\n';
    assert_eq!(first_newline(text), text.iter().position(newline));
    assert_eq!(last_newline(text), text.iter().rposition(newline));
    assert_eq!(
        contains_any(text, *bytes),
        text.iter().any(|byte| bytes.contains(byte))
    );
}
