// SPDX-License-Identifier: GPL-2.0
//! What a case is, and what it is told about the file system under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

/// How a case ends: an error is a failure, and its text the reason.
pub type Outcome = Result<()>;

/// What else may run, and where, while a case does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Beside other cases, in a mount namespace of its own.
    Parallel,
    /// By itself, since it reads or writes what is global; in a mount namespace of its own.
    Alone,
    /// By itself, in the mount namespace that the suite was started in.
    AloneInCallerNs,
}

/// One named behaviour.
pub struct Case {
    /// The module that it belongs to.
    pub theme: &'static str,
    /// Its name within the theme.
    pub name: &'static str,
    /// The behaviour, in a line.
    pub about: &'static str,
    /// The code that checks it.
    pub run: fn(&Ctx) -> Outcome,
    /// How it may be scheduled.
    pub mode: Mode,
}

impl Case {
    /// A case that may run beside others.
    pub const fn new(
        theme: &'static str,
        name: &'static str,
        about: &'static str,
        run: fn(&Ctx) -> Outcome,
    ) -> Self {
        Self {
            theme,
            name,
            about,
            run,
            mode: Mode::Parallel,
        }
    }

    /// The same case, run by itself.
    pub const fn alone(mut self) -> Self {
        self.mode = Mode::Alone;
        self
    }

    /// The same case, run by itself in the caller's mount namespace.
    pub const fn in_caller_ns(mut self) -> Self {
        self.mode = Mode::AloneInCallerNs;
        self
    }

    /// `theme.name`, which is what `--filter` looks at.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.theme, self.name)
    }
}

/// Declares a module's `CASES`: `function => "what it checks"`, with `[alone]` or `[in_caller_ns]` after the function where
/// the case needs it.
macro_rules! cases {
    ($theme:literal: $($run:ident $([$mode:ident])? => $about:literal),+ $(,)?) => {
        /// The cases of this theme.
        pub const CASES: &[$crate::case::Case] = &[
            $($crate::case::Case::new($theme, stringify!($run), $about, $run)$(.$mode())?),+
        ];
    };
}
pub(crate) use cases;

/// What differs between the file systems by name and number, and by nothing else.
#[derive(Clone)]
pub struct Target {
    /// The name given to mount(2).
    pub fstype: &'static str,
    /// The directory of the limits.
    pub sysctl: &'static str,
    /// How the drivers' names in /proc/tty/drivers begin, before `_slave` and `_master`.
    pub driver: &'static str,
    /// How much of a write(2) is taken at a time, in bytes.
    pub write_chunk: usize,
    /// Whether a master takes `RWF_NOWAIT`.
    pub nowait: bool,
    /// Whether fdinfo and debugfs have figures of ptys.
    pub figures: bool,
}

impl Target {
    /// The kernel's own file system.
    pub fn devpts() -> Self {
        Self {
            fstype: "devpts",
            sysctl: "/proc/sys/kernel/pty",
            driver: "pty",
            write_chunk: 2048,
            nowait: false,
            figures: false,
        }
    }

    /// This project's file system.
    pub fn rdevpts() -> Self {
        Self {
            fstype: "rdevpts",
            sysctl: "/proc/sys/kernel/rdevpts",
            driver: "rdevpts",
            write_chunk: 65536,
            nowait: true,
            figures: true,
        }
    }

    /// Fails unless the kernel knows the file system.
    pub fn check_present(&self) -> Result<()> {
        let known = fs::read_to_string("/proc/filesystems").context("/proc/filesystems")?;
        if !known
            .lines()
            .any(|l| l.split_whitespace().last() == Some(self.fstype))
        {
            bail!(
                "the kernel has no file system {}: is the module loaded?",
                self.fstype
            );
        }
        Ok(())
    }

    /// The line of /proc/tty/drivers for one side (`slave` or `master`) of the driver, in fields.
    pub fn driver_line(&self, side: &str) -> Result<Vec<String>> {
        let drivers = fs::read_to_string("/proc/tty/drivers").context("/proc/tty/drivers")?;
        let kind = format!("pty:{side}");
        drivers
            .lines()
            .map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter(|f| f.len() == 5 && f[4] == kind)
            .find(|f| f[0] == format!("{}_{side}", self.driver))
            .with_context(|| {
                format!(
                    "no {side} driver {} in /proc/tty/drivers:\n{drivers}",
                    self.driver
                )
            })
    }

    /// The major number that the driver of slaves (`slave`) or of masters (`master`) is registered with.
    pub fn major(&self, side: &str) -> Result<u32> {
        self.driver_line(side)?[2].parse().context("major number")
    }
}

/// What every case is given.
pub struct Ctx {
    /// The file system under test.
    pub target: Target,
    /// A writable directory: a tmpfs of the case's own, or a directory of its own in the caller's mount namespace.
    pub work: PathBuf,
}

impl Ctx {
    /// Makes and names a directory below the working directory.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        fs::create_dir_all(&path).with_context(|| format!("mkdir {}", path.display()))?;
        Ok(path)
    }

    /// Writes a limit of the file system under test.
    pub fn set_sysctl(&self, name: &str, value: impl ToString) -> std::io::Result<()> {
        fs::write(Path::new(self.target.sysctl).join(name), value.to_string())
    }

    /// Reads a limit of the file system under test.
    pub fn sysctl(&self, name: &str) -> Result<i64> {
        let path = Path::new(self.target.sysctl).join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.trim()
            .parse()
            .with_context(|| format!("{}: {text:?}", path.display()))
    }
}

/// An error that means "not run", not "failed".
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}
