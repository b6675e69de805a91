// SPDX-License-Identifier: GPL-2.0

//! The program as it is called: exit status, and what is said where.

use std::fs::File;
use std::process::{Command, Output, Stdio};

fn lspts(arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lspts"));
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped());
    child.spawn().unwrap().wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn this_machine_is_no_error() {
    let output = lspts(&["--json"], Stdio::piped());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(list["mounts"].is_array());
}

#[test]
fn shells_can_complete() {
    for (shell, part) in [
        ("bash", "complete -F _lspts"),
        ("zsh", "#compdef lspts"),
        ("fish", "complete -c lspts"),
    ] {
        let output = lspts(&["--completions", shell], Stdio::piped());
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(part), "{shell}");
        assert!(text(&output.stdout).contains("BACKLOG"), "{shell}");
    }
}

#[test]
fn errors_are_one_line_and_status_1() {
    let output = lspts(&["-m", "/nowhere"], Stdio::piped());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "lspts: /nowhere: No such file or directory (os error 2)\n"
    );
    assert!(output.stdout.is_empty());

    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = lspts(&["--completions", "fish"], full.into());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "lspts: No space left on device (os error 28)\n"
    );

    for wrong in [
        &["--nonsense"][..],
        &["-o", "COLOUR"],
        &["-J", "-o", "PTY"],
        &["--completions", "csh"],
    ] {
        assert_eq!(
            lspts(wrong, Stdio::piped()).status.code(),
            Some(1),
            "{wrong:?}"
        );
    }
    assert_eq!(lspts(&["--help"], Stdio::piped()).status.code(), Some(0));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    for arguments in [&["--json"][..], &["--completions", "bash"]] {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let output = lspts(arguments, writer.into());
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
