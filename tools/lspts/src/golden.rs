// SPDX-License-Identifier: GPL-2.0

//! The whole program on machines that are made up, against what it must print: the files in `tests/golden`. With
//! `LSPTS_GOLDEN=write` they are written; git then shows what has changed.

use crate::device::Device;
use crate::options::Options;
use crate::system::{Names, System, Warnings};
use clap::Parser;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000;

/// The files in debugfs; `HERE` is the mount that has a path.
const MOUNTS: &str = "\
mount ptys opened slaves_opened output output_stalls input later
HERE 3 17 16 2000000 3 1000 4
7:1 1 2 - 0 0 0 4
7:2 0 0 0 0 0 0 4
";

const PTYS: &str = "\
mount index uid gid mode opens pgrp session output output_queued output_stalls input input_queued ring flags later
HERE 0 4001 5 0620 2 100 99 123456 10240 3 78 4 65536 - 1
HERE 2 4001 4005 0600 0 0 0 0 0 0 0 0 0 locked,packet 2
HERE 7 4002 5 0620 1 9999 9999 5 0 0 1 0 4096 - 3
7:1 12 4001 - - - - - - - - - - - - -
7:6 3 - - - 1 0 0 9 9 0 0 0 4096 stopped 5
";

/// Names that do not depend on the machine: `alice` is who runs the test, and so has its files.
struct People {
    uid: u32,
    gid: u32,
}

impl Names for People {
    fn user(&self, uid: u32) -> Option<String> {
        match uid {
            4001 => Some("carol".into()),
            uid if uid == self.uid => Some("alice".into()),
            _ => None,
        }
    }

    fn group(&self, gid: u32) -> Option<String> {
        (gid == self.gid).then(|| "tty".into())
    }
}

/// A machine in a directory: `proc`, `sys`, and `pts`, which is where a mount of rdevpts is said to be.
struct Machine {
    top: TempDir,
    device: Device,
    people: (u32, u32),
}

impl Machine {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("pts")).unwrap();
        fs::create_dir_all(top.path().join("bound")).unwrap();
        let stat = fs::metadata(top.path()).unwrap();
        let machine = Self {
            device: Device::of(stat.dev()),
            people: (stat.uid(), stat.gid()),
            top,
        };
        machine.file(
            "proc/self/mountinfo",
            "22 1 0:20 / /proc rw - proc proc rw\n",
        );
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Two paths of one mount, one of a node of it, and a mount below another.
    fn mounts(&self) {
        let (device, top) = (self.device, self.top.path().display());
        let text = format!(
            "22 1 0:20 / /proc rw - proc proc rw\n\
             31 1 {device} / {top}/pts rw,nosuid shared:3 - rdevpts none rw,gid=5,mode=620\n\
             32 1 {device} / {top}/bound rw - rdevpts none rw,gid=5,mode=620\n\
             33 1 {device} /ptmx {top}/ptmx rw - rdevpts none rw,gid=5,mode=620\n\
             34 1 7:3 / {top}/pts rw - rdevpts none rw\n"
        );
        self.file("proc/self/mountinfo", text);
    }

    /// A slave that was last read some time ago.
    fn node(&self, index: u32, mode: u32, idle: u64) {
        let name = format!("pts/{index}");
        self.file(&name, "");
        let file = File::options().write(true).open(self.path(&name)).unwrap();
        file.set_permissions(fs::Permissions::from_mode(mode))
            .unwrap();
        let then = UNIX_EPOCH + Duration::from_secs(NOW - idle);
        file.set_times(FileTimes::new().set_accessed(then).set_modified(UNIX_EPOCH))
            .unwrap();
    }

    fn process(&self, pid: u32, command: &str, cmdline: &str, pgrp: u32) {
        self.file(
            &format!("proc/{pid}/stat"),
            format!("{pid} ({command}) S 1 {pgrp} {pgrp} 0 -1\n"),
        );
        self.file(&format!("proc/{pid}/cmdline"), cmdline);
    }

    fn open(&self, pid: u32, fd: u32, link: &str, info: &str) {
        self.file(
            &format!("proc/{pid}/fdinfo/{fd}"),
            format!("pos:\t0\nflags:\t0100002\n{info}"),
        );
        let link_path = self.path(&format!("proc/{pid}/fd/{fd}"));
        fs::create_dir_all(link_path.parent().unwrap()).unwrap();
        symlink(link, link_path).unwrap();
    }

    fn master(&self, pid: u32, fd: u32, mount: &str, index: u32, rest: &str) {
        let text =
            format!("tty-index:\t{index}\nrdevpts-end:\tmaster\nrdevpts-mount:\t{mount}\n{rest}");
        self.open(pid, fd, "/dev/pts/ptmx", &text);
    }

    /// A file in debugfs.
    fn debugfs(&self, name: &str, text: &str) {
        let text = text.replace("HERE", &self.device.to_string());
        self.file(&format!("sys/kernel/debug/rdevpts/{name}"), text);
    }

    /// What a usual machine has for everybody.
    fn inhabited() -> Self {
        let machine = Self::new();
        machine.mounts();
        machine.node(0, 0o620, 5);
        machine.node(1, 0o600, 3 * 3600);
        machine.file("pts/ptmx", "");
        // The leader of the group is gone; a name that means harm to terminals.
        machine.process(101, "vim", "vim\0my notes\x1b[2J\0", 100);
        machine.process(102, "cat", "cat\0", 100);
        machine.process(200, "bash) S 1 7", "", 200);
        machine.process(50, "tmux: server", "tmux\0", 50);
        machine.process(60, "sshd", "sshd: alice@pts/1\0\0\0", 60);
        machine.process(61, "sshd", "sshd: alice\0", 60);
        machine.file("proc/uptime", "1 1\n");
        machine.open(
            200,
            0,
            "socket:[4]",
            "tty-index:\t0\nrdevpts-end:\tmaster\nrdevpts-mount:\t7:1\n",
        );
        let device = machine.device.to_string();
        let slave = format!(
            "tty-index:\t1\nrdevpts-end:\tslave\nrdevpts-mount:\t{device}\nrdevpts-opens:\t3\n"
        );
        machine.open(200, 1, "/dev/pts/1", &slave);
        machine
    }

    /// What debugfs and the processes of others show to the superuser.
    fn for_root(self) -> Self {
        let device = self.device.to_string();
        self.master(
            50,
            9,
            &device,
            0,
            "rdevpts-output:\t1\nrdevpts-ring:\t65536\n",
        );
        let numbers = "rdevpts-opens:\t3\nrdevpts-pgrp:\t200\nrdevpts-session:\t199\nrdevpts-output:\t1048576\n\
                       rdevpts-output-queued:\t0\nrdevpts-output-stalls:\t0\nrdevpts-input:\t5\n\
                       rdevpts-input-queued:\t2\nrdevpts-ring:\t4096\n";
        self.master(60, 4, &device, 1, numbers);
        self.master(61, 4, &device, 1, numbers);
        for (name, text) in [("mounts", MOUNTS), ("ptys", PTYS)] {
            self.debugfs(name, text);
        }
        self
    }

    /// What is printed, and the warnings; as if the mount were 0:45 and everything at the root of the machine.
    fn lspts(&self, options: &[&str], width: Option<u16>) -> (anyhow::Result<String>, Vec<String>) {
        let (uid, gid) = self.people;
        let system = System {
            proc: self.path("proc"),
            sys: self.path("sys"),
            names: Box::new(People { uid, gid }),
            now: NOW.try_into().unwrap(),
        };
        let options = Options::try_parse_from(["lspts"].iter().chain(options)).unwrap();
        let (mut warnings, mut out) = (Warnings::default(), Vec::new());
        let result = crate::run(&options, &system, width, &mut warnings, &mut out);
        let show = |text: String| {
            text.replace(&self.top.path().display().to_string(), "")
                .replace(&format!("({})", self.device), "(0:45)")
                .replace(&format!("\"{}\"", self.device), "\"0:45\"")
                .replace(&format!("\"uid\": {uid},"), "\"uid\": 1000,")
                .replace(&format!("\"gid\": {gid},"), "\"gid\": 5,")
        };
        let shown = result.map(|()| show(String::from_utf8(out).unwrap()));
        (shown, warnings.0.into_iter().map(show).collect())
    }

    /// Holds what is printed against the file of that name.
    fn prints(&self, golden: &str, options: &[&str], width: Option<u16>) {
        let (shown, warnings) = self.lspts(options, width);
        let shown = shown.unwrap();
        assert_eq!(warnings, [""; 0]);
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(golden);
        if std::env::var_os("LSPTS_GOLDEN").is_some_and(|what| what == "write") {
            fs::write(&path, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{golden}");
    }
}

#[test]
fn the_superuser_sees_all() {
    let machine = Machine::inhabited().for_root();
    machine.prints("root", &[], None);
    machine.prints("root.json", &["--json"], Some(20));
}

#[test]
fn others_see_what_they_may() {
    let machine = Machine::inhabited();
    // A master of the user's own, which tells of processes as well.
    machine.node(2, 0o620, 60);
    let numbers =
        "rdevpts-opens:\t2\nrdevpts-pgrp:\t200\nrdevpts-session:\t199\nrdevpts-output:\t4096\n";
    machine.master(102, 3, &machine.device.to_string(), 2, numbers);
    machine.prints("user", &[], None);
    machine.prints("user.json", &["-J"], None);
}

#[test]
fn columns_can_be_chosen() {
    let machine = Machine::inhabited().for_root();
    let columns = "owner,group,mode,opens,pgrp,session,mpid,in,inq,ring,flags";
    machine.prints("columns", &["--bytes", "-o", columns], None);
    machine.prints("bare", &["-n", "-b", "-o", "PTY,COMMAND,OUT"], None);
    let (paths, _) = machine.lspts(&["-n", "-o", "PATH"], None);
    assert_eq!(paths.unwrap(), "/pts/0\n/pts/1\n-\n-\n-\n-\n");
    let (mounts, _) = machine.lspts(&["-n", "-o", "mount", "-m", "7:1"], None);
    assert_eq!(mounts.unwrap(), "7:1\n");
}

#[test]
fn command_lines_are_cut_where_there_is_no_room() {
    let machine = Machine::inhabited().for_root();
    machine.process(
        101,
        "vim",
        "vim\0a name that is longer than the terminal is wide\0",
        100,
    );
    machine.prints("narrow", &[], Some(66));
    let (shown, _) = machine.lspts(&[], Some(66));
    assert!(shown.unwrap().lines().all(|line| line.len() <= 66));
}

#[test]
fn one_mount_can_be_chosen() {
    let machine = Machine::inhabited().for_root();
    let path = machine.path("bound");
    let by_path = machine
        .lspts(&["-m", path.to_str().unwrap()], None)
        .0
        .unwrap();
    let by_device = machine
        .lspts(&["--mount", &machine.device.to_string()], None)
        .0
        .unwrap();
    assert!(
        by_path.starts_with("/pts /bound (0:45): 4 ptys\n"),
        "{by_path}"
    );
    assert_eq!(by_path.matches("ptys\n").count(), 1, "{by_path}");
    assert_eq!(by_path, by_device);
    assert!(machine
        .lspts(&["-m", "7:1"], None)
        .0
        .unwrap()
        .starts_with("7:1: 1 pty\n"));

    let error = |mount: &str| format!("{:#}", machine.lspts(&["-m", mount], None).0.unwrap_err());
    assert_eq!(error("7:9"), "7:9: no mount of rdevpts");
    assert_eq!(error("/proc"), "/proc: no mount of rdevpts");
    assert!(error("/nowhere").starts_with("/nowhere: No such file"));
}

#[test]
fn nothing_is_mounted() {
    let machine = Machine::new();
    assert_eq!(machine.lspts(&[], None).0.unwrap(), "");
    assert_eq!(
        machine.lspts(&["-J"], None).0.unwrap(),
        "{\n  \"mounts\": []\n}\n"
    );
}

#[test]
fn what_is_broken_is_told_and_the_rest_goes_on() {
    let machine = Machine::inhabited().for_root();
    let good = machine.lspts(&["-J"], None).0.unwrap();
    let mut mountinfo = fs::read(machine.path("proc/self/mountinfo")).unwrap();
    mountinfo.extend(b"garbage\n");
    machine.file("proc/self/mountinfo", mountinfo);
    machine.file("proc/300/stat", "garbage");
    machine.file("proc/301/fd", "no directory");
    machine.process(301, "x", "x", 301);
    machine.debugfs("mounts", &format!("{MOUNTS}garbage 1\n"));
    machine.debugfs("ptys", &format!("{PTYS}7:1 garbage\n"));
    machine.debugfs("version", "1\n");
    let (shown, mut warnings) = machine.lspts(&["-J"], None);
    warnings.sort();
    let expected = [
        "/proc/300/stat: is strange",
        "/proc/301/fd: Not a directory (os error 20)",
        "/proc/self/mountinfo: lines that are strange: 1",
        "/sys/kernel/debug/rdevpts/mounts: line 5 is strange",
        "/sys/kernel/debug/rdevpts/ptys: line 7 is strange",
    ];
    assert_eq!(warnings, expected);
    assert_eq!(json(&shown.unwrap()), json(&good));
}

#[test]
fn without_one_file_of_debugfs_the_other_is_told() {
    let devices = |list: &serde_json::Value| -> Vec<(String, bool, usize)> {
        let mounts = list["mounts"].as_array().unwrap().iter();
        let told = mounts.map(|mount| {
            let device = mount["device"].as_str().unwrap().to_owned();
            let ptys = mount["ptys"].as_array().unwrap().len();
            (device, mount["counters"].is_object(), ptys)
        });
        told.collect()
    };
    let told = |expected: &[(&str, bool, usize)]| -> Vec<(String, bool, usize)> {
        let expected = expected.iter();
        expected
            .map(|(device, counted, ptys)| ((*device).to_owned(), *counted, *ptys))
            .collect()
    };

    let machine = Machine::inhabited().for_root();
    let ptys = machine.path("sys/kernel/debug/rdevpts/ptys");
    fs::remove_file(&ptys).unwrap();
    fs::create_dir(&ptys).unwrap();
    let (shown, warnings) = machine.lspts(&["-J"], None);
    assert_eq!(
        warnings,
        ["/sys/kernel/debug/rdevpts/ptys: Is a directory (os error 21)"]
    );
    let expected = [
        ("0:45", true, 2),
        ("7:3", false, 0),
        ("7:1", true, 0),
        ("7:2", true, 0),
    ];
    assert_eq!(devices(&json(&shown.unwrap())), told(&expected));

    let machine = Machine::inhabited().for_root();
    machine.debugfs("mounts", "garbage\n");
    let (shown, warnings) = machine.lspts(&["-J"], None);
    assert_eq!(
        warnings,
        ["/sys/kernel/debug/rdevpts/mounts: no column mount"]
    );
    let expected = [
        ("0:45", false, 4),
        ("7:3", false, 0),
        ("7:1", false, 1),
        ("7:6", false, 1),
    ];
    assert_eq!(devices(&json(&shown.unwrap())), told(&expected));
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn without_proc_nothing_is_known() {
    let machine = Machine::new();
    fs::remove_file(machine.path("proc/self/mountinfo")).unwrap();
    let error = format!("{:#}", machine.lspts(&[], None).0.unwrap_err());
    assert!(
        error.ends_with("proc/self/mountinfo: No such file or directory (os error 2)"),
        "{error}"
    );
}
