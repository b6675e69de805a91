// SPDX-License-Identifier: GPL-2.0

//! The text of mount options: what becomes of it, against what `fs/devpts/inode.c` does, and how it is shown again.
//!
//! In the module it is the kernel's parser that takes the text apart. Its stand-in here is used on both sides: what is under
//! test is what is made of the values.

use rdevpts_model::{index, options::Options};

/// `struct pty_mount_opts`.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: u32,
    ptmxmode: u32,
    max: i32,
}

enum Value {
    Uid(u32),
    Gid(u32),
    Mode(u32),
    PtmxMode(u32),
    Max(i32),
    NewInstance,
}

/// `kstrtoll()`, for what fits an `i64`: a sign, a base by its prefix if `base` is 0, digits, and perhaps a newline.
fn number(text: &str, base: u32) -> Option<i64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match (base, hexadecimal) {
        (0, Some(rest)) if rest.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, rest),
        (0, _) if digits.starts_with('0') => (8, digits),
        (0, _) => (10, digits),
        (base, _) => (base, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i64::from_str_radix(digits, base).ok()?;
    Some(sign * magnitude)
}

/// One `name=value`, as the table of `src/instance.rs` has them.
fn value(key: &str, value: Option<&str>) -> Option<Value> {
    let unsigned = |base| u32::try_from(number(value?, base)?).ok();
    Some(match key {
        "uid" => Value::Uid(unsigned(0)?),
        "gid" => Value::Gid(unsigned(0)?),
        "mode" => Value::Mode(unsigned(8)?),
        "ptmxmode" => Value::PtmxMode(unsigned(8)?),
        "max" => Value::Max(i32::try_from(number(value?, 0)?).ok()?),
        "newinstance" if value.is_none() => Value::NewInstance,
        _ => return None,
    })
}

fn apply(options: &mut Options, value: &Value) -> bool {
    match *value {
        Value::Uid(uid) => options.set_uid(uid),
        Value::Gid(gid) => options.set_gid(gid),
        Value::Mode(mode) => options.set_mode(mode),
        Value::PtmxMode(mode) => options.set_ptmxmode(mode),
        Value::Max(max) => return options.set_max(max).is_ok(),
        Value::NewInstance => {}
    }
    true
}

/// `devpts_parse_param()`, and `devpts_show_options()` below.
fn apply_plainly(options: &mut Plain, value: &Value) -> bool {
    match *value {
        Value::Uid(uid) => options.uid = Some(uid),
        Value::Gid(gid) => options.gid = Some(gid),
        Value::Mode(mode) => options.mode = mode & 0o7777,
        Value::PtmxMode(mode) => options.ptmxmode = mode & 0o7777,
        Value::Max(max) if max as u32 > 1 << 20 => return false,
        Value::Max(max) => options.max = max,
        Value::NewInstance => {}
    }
    true
}

fn show(options: &Plain) -> String {
    let mut shown = String::new();
    if let Some(uid) = options.uid {
        shown += &format!(",uid={uid}");
    }
    if let Some(gid) = options.gid {
        shown += &format!(",gid={gid}");
    }
    shown += &format!(
        ",mode={:03o},ptmxmode={:03o}",
        options.mode, options.ptmxmode
    );
    if options.max < 1 << 20 {
        shown += &format!(",max={}", options.max);
    }
    shown
}

/// What a mount with this text has, up to the first option that is refused, and whether none was.
fn parse(text: &str) -> (Options, Plain, bool) {
    let mut options = Options::DEFAULT;
    let mut plain = Plain {
        uid: None,
        gid: None,
        mode: 0o600,
        ptmxmode: 0,
        max: 1 << 20,
    };
    for option in text.split(',') {
        let (key, text) = match option.split_once('=') {
            Some((key, text)) => (key, Some(text)),
            None => (option, None),
        };
        if key.is_empty() {
            continue;
        }
        let Some(value) = value(key, text) else {
            return (options, plain, false);
        };
        let taken = apply(&mut options, &value);
        assert_eq!(taken, apply_plainly(&mut plain, &value));
        check(&options, &plain);
        if !taken {
            return (options, plain, false);
        }
    }
    (options, plain, true)
}

fn check(options: &Options, plain: &Plain) {
    assert_eq!(options.uid(), plain.uid);
    assert_eq!(options.gid(), plain.gid);
    assert_eq!(u32::from(options.mode()), plain.mode);
    assert_eq!(u32::from(options.ptmxmode()), plain.ptmxmode);
    assert_eq!(i64::from(options.max()), i64::from(plain.max));
    // `ida_alloc_max(max - 1)`, where -1 is no limit; beyond the last minor there is no device number.
    let last = if plain.max == 0 {
        (1 << 20) - 1
    } else {
        plain.max - 1
    };
    assert_eq!(i64::from(index::highest(options.max())), i64::from(last));
}

/// Any text; what is no UTF-8 in it is in no name and no number.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (options, plain, _) = parse(&text);
    let shown = options.to_string();
    assert_eq!(shown, show(&plain));
    let (again, _, whole) = parse(&shown);
    assert!(whole, "{shown}");
    assert_eq!(again, options, "{shown}");
}
