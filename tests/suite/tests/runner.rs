// SPDX-License-Identifier: GPL-2.0
//! The runner reports what its cases do, and leaves nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

/// Runs the cases of `selftest`; none where this user or machine cannot run cases at all.
fn selftest(arguments: &[&str]) -> Option<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_rdevpts-suite"))
        .args(["--fstype", "devpts", "--selftest", "--timeout", "3"])
        .args(arguments)
        .output()
        .expect("the suite starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2)
        && (errors.contains("root") || errors.contains("EPERM") || errors.contains("not permitted"))
    {
        eprintln!("not run: {errors}");
        return None;
    }
    Some(output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_way_to_end() {
    let Some(output) = selftest(&["--json"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let mut results = BTreeMap::new();
    let mut summary = String::new();
    for line in text(&output.stdout).lines() {
        let value: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        if let Some(name) = field("case").strip_prefix("selftest.") {
            results.insert(name.to_owned(), (field("result"), field("text")));
        } else {
            summary = field("summary");
        }
    }
    assert_eq!(summary, "4 passed, 6 failed, 1 skipped");
    let want = [
        ("passes", "passed", ""),
        ("fails", "failed", "as it should"),
        ("panics", "failed", "the case panicked"),
        ("crashes", "failed", "killed by SIGABRT"),
        ("hangs", "failed", "timed out after 3 s"),
        ("hangs_in_a_child", "failed", "timed out after 3 s"),
        ("skips", "skipped", "as it should"),
        ("leaves_a_process", "passed", ""),
        ("leaves_a_mount", "passed", ""),
        ("leaves_a_mount_in_the_callers_namespace", "passed", ""),
        ("talks_much", "failed", "line 19999\nthe last line"),
    ];
    assert_eq!(results.len(), want.len());
    for (name, result, part) in want {
        let (got, said) = &results[name];
        assert_eq!(got, result, "{name}: {said}");
        assert!(
            said.contains(part),
            "{name} said {said:?}, without {part:?}"
        );
    }
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(
        !mounts.contains("rdevpts-suite."),
        "a mount was left behind:\n{mounts}"
    );
}

#[test]
fn tap() {
    let Some(output) = selftest(&["--tap", "--filter", "passes|fails|skips"]) else {
        return;
    };
    let out = text(&output.stdout);
    assert!(out.starts_with("TAP version 13\n1..3\n"), "{out}");
    assert!(out.contains(" - selftest.passes: succeeds\n"), "{out}");
    assert!(out.contains("not ok "), "{out}");
    assert!(out.contains("# as it should\n"), "{out}");
    assert!(out.contains("# SKIP as it should\n"), "{out}");
    assert!(out.ends_with("# 1 passed, 1 failed, 1 skipped\n"), "{out}");
}

#[test]
fn exit_status_and_last_line() {
    let Some(good) = selftest(&["--filter", "selftest.passes"]) else {
        return;
    };
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(
        text(&good.stdout).lines().last(),
        Some("1 passed, 0 failed, 0 skipped")
    );
    let none = selftest(&["--filter", "no such case"]).expect("as before");
    assert_eq!(
        none.status.code(),
        Some(2),
        "a filter that matches nothing is an error"
    );
}
