// SPDX-License-Identifier: GPL-2.0
//! One round: mounts, a crew that works on them for a while, and what must be left of it, which is nothing.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use nix::mount::{mount, umount2, MntFlags, MsFlags};

use crate::crew::{self, Plan};
use crate::shared::Shared;

/// How long a process may take to die, and what it leaves to go. A virtual machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the system had before.
pub struct Before {
    nr: u64,
    references: Option<u64>,
    limits: Vec<(String, String)>,
    counted: Vec<String>,
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

impl Before {
    /// Looks.
    pub fn new(plan: &Plan) -> Result<Self> {
        let limits = ["max", "reserve"].map(|name| format!("{}/{name}", plan.sysctl));
        let read = |path: String| {
            let limit = fs::read_to_string(&path).with_context(|| path.clone())?;
            Ok((path, limit))
        };
        Ok(Self {
            nr: nr(plan)?,
            references: references(plan),
            limits: limits.into_iter().map(read).collect::<Result<_>>()?,
            counted: counted(plan),
        })
    }

    fn restore(&self) -> Result<()> {
        for (path, limit) in &self.limits {
            fs::write(path, limit).with_context(|| path.clone())?;
        }
        Ok(())
    }
}

fn nr(plan: &Plan) -> Result<u64> {
    number(&format!("{}/nr", plan.sysctl)).context("the number of ptys is not known")
}

/// Which mounts have lines in debugfs, and which of their ptys.
fn counted(plan: &Plan) -> Vec<String> {
    let directory = format!("{}/debug/{}", plan.base, plan.fstype.to_string_lossy());
    // What the columns after these say changes.
    [("mounts", 1), ("ptys", 2)]
        .into_iter()
        .flat_map(|(file, columns)| {
            let text = fs::read_to_string(format!("{directory}/{file}")).unwrap_or_default();
            let begin = |line: &str| line.split(' ').take(columns).collect::<Vec<_>>().join(" ");
            text.lines().skip(1).map(begin).collect::<Vec<_>>()
        })
        .collect()
}

/// How often the module is used, if it is one.
fn references(plan: &Plan) -> Option<u64> {
    number(&format!(
        "/sys/module/{}/refcnt",
        plan.fstype.to_str().ok()?
    ))
}

/// Waits until it is so.
fn until(mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Mounts, lets the crew work, and looks at what is left.
pub fn run(plan: &'static Plan, shared: &'static Shared, before: &Before) -> Result<()> {
    let fstype = plan.fstype.to_str()?;
    for (name, options) in [
        ("a", "mode=620,gid=5,ptmxmode=666"),
        ("b", "mode=666,ptmxmode=666,max=24"),
    ] {
        let at = format!("{}/{name}", plan.base);
        mount(
            Some(fstype),
            at.as_str(),
            Some(fstype),
            MsFlags::empty(),
            Some(options),
        )
        .with_context(|| format!("mount {at}"))?;
    }

    let first = crew::spawn(plan, shared);
    ensure!(first > 0, "clone: {}", std::io::Error::last_os_error());
    for fd in plan.sockets {
        // What is on its way in them goes with the crew.
        // SAFETY: only the crew's copies are used.
        unsafe { libc::close(fd) };
    }
    let ended = supervise(plan, first as i32);
    let whole = ended.and_then(|()| left(plan, before));
    for pid in &shared.pids {
        pid.store(0, std::sync::atomic::Ordering::Relaxed);
    }
    whole.map_err(|error| {
        let doing: Vec<&str> = (0..plan.processes).map(|id| shared.doing(id)).collect();
        error.context(format!("last calls: {}{}", doing.join(", "), processes()))
    })
}

/// Waits for the crew; the memory that it may use changes all the time.
fn supervise(plan: &Plan, first: i32) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let end = Instant::now() + plan.time;
    while Instant::now() < end {
        if let Some(cgroup) = &plan.cgroup {
            let limit: u64 = rng.u64(24..128) << 20;
            let _ = fs::write(format!("{cgroup}/memory.max"), limit.to_string());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    let mut gone = || unsafe { libc::waitpid(first, &mut status, libc::WNOHANG) } == first;
    if until(&mut gone) {
        ensure!(status == 0, "the first process ended with {status:#x}");
        return Ok(());
    }
    // SAFETY: our own child, not waited for yet: nobody else has its id.
    unsafe { libc::kill(first, libc::SIGKILL) };
    ensure!(until(gone), "processes do not die when they are killed");
    anyhow::bail!("processes died only when their namespace did");
}

/// Nothing may be left: no node, no pty, no mount, no reference.
fn left(plan: &Plan, before: &Before) -> Result<()> {
    before.restore()?;
    for name in ["a", "b"] {
        let at = format!("{}/{name}", plan.base);
        let mut names = Vec::new();
        let empty = until(|| {
            names = fs::read_dir(&at)
                .map(|all| all.flatten().map(|entry| entry.file_name()).collect())
                .unwrap_or_default();
            names == ["ptmx"]
        });
        ensure!(empty, "{at} still has {names:?}");
        let free = until(|| umount2(at.as_str(), MntFlags::empty()).is_ok());
        ensure!(free, "{at} cannot be unmounted");
        let empty = fs::read_dir(&at).map(|mut all| all.next().is_none());
        ensure!(matches!(empty, Ok(true)), "{at} is still there");
    }
    let mut now = 0;
    let none = until(|| {
        now = nr(plan).unwrap_or(u64::MAX);
        now == before.nr
    });
    ensure!(none, "{now} ptys are counted, not {}", before.nr);
    let mut now = Vec::new();
    let none = until(|| {
        now = counted(plan);
        now == before.counted
    });
    ensure!(none, "in debugfs is {now:?}, not {:?}", before.counted);
    let mut now = None;
    let same = until(|| {
        now = references(plan);
        now == before.references
    });
    ensure!(
        same,
        "the module is used {now:?} times, not {:?}",
        before.references
    );
    Ok(())
}

/// A line for each process that is in a namespace below this one's, with where it is in the kernel.
fn processes() -> String {
    let mut lines = String::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.unwrap_or_default().to_string()
        };
        if field("NSpid:").split_whitespace().count() > 2 {
            let stack = read("stack").replace('\n', "\n    ");
            lines += &format!("\n{} {} in:\n    {stack}", field("Pid:"), field("State:"));
        }
    }
    lines
}
