// SPDX-License-Identifier: GPL-2.0

//! Each kind of violation, seeded, is found; each order of events that a correct directory can show is not one.

use super::*;

const BEGIN: Stamp = 100;
const END: Stamp = 200;

fn seen(name: &str, ino: u64, mode: libc::mode_t) -> Seen {
    Seen {
        dent: Dent {
            ino,
            d_type: type_of_mode(mode),
            name: Name::parse(name.as_bytes()),
        },
        stat: Stat::Found { ino, mode },
    }
}

/// A pass that saw `.`, `..`, `ptmx` and the given ptys.
fn pass(indices: &[u32]) -> Pass {
    let mut entries = vec![
        seen(".", 1, libc::S_IFDIR),
        seen("..", 1, libc::S_IFDIR),
        seen("ptmx", 2, libc::S_IFCHR),
    ];
    for index in indices {
        entries.push(seen(
            &index.to_string(),
            u64::from(index + 3),
            libc::S_IFCHR,
        ));
    }
    Pass {
        begin: BEGIN,
        end: END,
        seen: entries,
    }
}

fn life(index: u32, open: (Stamp, Stamp), close: Option<(Stamp, Option<Stamp>)>) -> Life {
    Life {
        index,
        before_open: open.0,
        after_open: open.1,
        before_close: close.map(|(before, _)| before),
        after_close: close.and_then(|(_, after)| after),
    }
}

/// A pty that is open throughout.
fn throughout(index: u32) -> Life {
    life(index, (1, 2), None)
}

fn kinds(pass: &Pass, lives: &[Life]) -> Vec<Kind> {
    let mut kinds: Vec<_> = judge(pass, lives)
        .violations
        .iter()
        .map(|v| v.kind)
        .collect();
    kinds.sort();
    kinds
}

#[test]
fn what_was_open_throughout_is_seen_once() {
    let verdict = judge(&pass(&[1, 0]), &[throughout(0), throughout(1)]);
    assert_eq!(verdict.violations, []);
    assert!(verdict.unexplained.is_empty());
}

#[test]
fn a_repeated_name_is_found() {
    assert_eq!(
        kinds(&pass(&[0, 1, 0]), &[throughout(0), throughout(1)]),
        [Kind::Twice]
    );
    let mut other = pass(&[]);
    other.seen.push(seen("x", 9, libc::S_IFREG));
    other.seen.push(seen("x", 9, libc::S_IFREG));
    assert_eq!(kinds(&other, &[]), [Kind::Twice]);
}

#[test]
fn a_missing_name_is_found() {
    assert_eq!(
        kinds(&pass(&[1]), &[throughout(0), throughout(1)]),
        [Kind::Missing]
    );
    let closing_later = life(0, (1, 2), Some((END + 1, Some(END + 2))));
    assert_eq!(kinds(&pass(&[]), &[closing_later]), [Kind::Missing]);
}

#[test]
fn what_opens_or_closes_during_the_pass_may_be_seen_or_not() {
    let lives = [
        life(0, (BEGIN - 1, BEGIN + 1), None),
        life(1, (1, 2), Some((END - 1, Some(END + 1)))),
        life(2, (1, 2), Some((END - 1, None))),
        life(3, (1, 2), Some((BEGIN - 2, Some(BEGIN + 1)))),
        life(4, (END - 1, END + 1), None),
    ];
    assert_eq!(kinds(&pass(&[]), &lives), []);
    let verdict = judge(&pass(&[4, 3, 2, 1, 0]), &lives);
    assert_eq!(verdict.violations, []);
    assert!(verdict.unexplained.is_empty());
}

#[test]
fn a_reused_index_counts_for_the_pty_that_has_it() {
    let old = life(0, (1, 2), Some((10, Some(90))));
    let new = life(0, (80, 85), None);
    assert_eq!(kinds(&pass(&[]), &[old, new]), [Kind::Missing]);
    assert_eq!(kinds(&pass(&[0]), &[old, new]), []);
}

#[test]
fn a_name_that_nobody_explains_is_reported() {
    let closed = life(0, (1, 2), Some((3, Some(BEGIN - 1))));
    let later = life(1, (END + 1, END + 2), None);
    let mut unexplained = judge(&pass(&[0, 1, 2]), &[closed, later]).unexplained;
    unexplained.sort_unstable();
    assert_eq!(unexplained, [0, 1, 2]);
}

#[test]
fn dots_and_ptmx_come_up_exactly_once() {
    for (gone, kind) in [(0, Kind::Dots), (1, Kind::Dots), (2, Kind::Ptmx)] {
        let mut less = pass(&[]);
        less.seen.remove(gone);
        assert_eq!(kinds(&less, &[]), [kind]);
        let mut more = pass(&[]);
        let again = more.seen[gone].clone();
        more.seen.push(again);
        assert_eq!(kinds(&more, &[]), [kind]);
    }
}

#[test]
fn a_wrong_type_is_found() {
    let mut wrong = pass(&[0]);
    wrong.seen[3].dent.d_type = libc::DT_REG;
    assert_eq!(kinds(&wrong, &[throughout(0)]), [Kind::Type]);
    wrong.seen[3].dent.d_type = libc::DT_UNKNOWN;
    assert_eq!(kinds(&wrong, &[]), [Kind::Type]);
}

#[test]
fn a_wrong_inode_number_is_found_where_the_name_cannot_have_changed_hands() {
    let mut wrong = pass(&[0]);
    wrong.seen[3].dent.ino = 77;
    assert_eq!(kinds(&wrong, &[throughout(0)]), [Kind::Ino]);
    assert_eq!(kinds(&wrong, &[life(0, (1, 2), Some((END - 1, None)))]), []);
}

#[test]
fn a_name_that_cannot_be_found_is_one_only_if_it_was_there_throughout() {
    let mut gone = pass(&[0]);
    gone.seen[3].stat = Stat::Failed(Errno::ENOENT);
    assert_eq!(kinds(&gone, &[throughout(0)]), [Kind::Stat]);
    assert_eq!(kinds(&gone, &[life(0, (1, 2), Some((END - 1, None)))]), []);
    gone.seen[3].stat = Stat::Failed(Errno::EIO);
    assert_eq!(
        kinds(&gone, &[life(0, (1, 2), Some((END - 1, None)))]),
        [Kind::Stat]
    );
}

#[test]
fn an_unexplained_name_is_a_violation_only_where_nobody_else_opens_ptys() {
    assert_eq!(whose(true, false, false), Whose::Closed);
    assert_eq!(whose(false, true, true), Whose::Closed);
    assert_eq!(whose(false, true, false), Whose::Foreign);
    assert_eq!(whose(false, false, false), Whose::Foreign);
    assert_eq!(whose(false, false, true), Whose::Unknown);
}
