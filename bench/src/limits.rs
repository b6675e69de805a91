// SPDX-License-Identifier: GPL-2.0

//! The system's limits, out of the way while the program runs: thousands of ptys are held open at a time.

use nix::sys::resource::{getrlimit, setrlimit, Resource};
use std::path::{Path, PathBuf};

/// Both file systems' numbers of ptys; those of mounts like ours must leave a reserve.
const FILES: [&str; 2] = ["/proc/sys/kernel/pty/max", "/proc/sys/kernel/rdevpts/max"];
const PTYS: u64 = 16384;

/// Open files; two for each pty.
const OPEN_FILES: u64 = 16384;

/// What is put back when it is dropped.
#[must_use]
pub struct Raised(Vec<(PathBuf, u64)>);

/// Raises the limits of ptys, as far as the system lets us, and of this process's open files.
///
/// Workloads that want more than what there is are left out, and say so.
pub fn raise() -> nix::Result<Raised> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if hard >= OPEN_FILES || setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let files = FILES.iter().map(Path::new);
    Ok(Raised(
        files
            .filter_map(|file| Some((file.into(), raise_file(file)?)))
            .collect(),
    ))
}

/// What there was before, if that was changed.
fn raise_file(file: &Path) -> Option<u64> {
    let was = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    if was >= PTYS {
        return None;
    }
    std::fs::write(file, PTYS.to_string()).ok()?;
    Some(was)
}

impl Drop for Raised {
    fn drop(&mut self) {
        for (file, was) in &self.0 {
            if let Err(error) = std::fs::write(file, was.to_string()) {
                eprintln!(
                    "rdevpts-bench: {}: not put back to {was}: {error}",
                    file.display()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let [low, high, none] = ["low", "high", "none"].map(|name| dir.path().join(name));
        std::fs::write(&low, "4096\n").unwrap();
        std::fs::write(&high, "99999\n").unwrap();
        let read = |file: &PathBuf| std::fs::read_to_string(file).unwrap();

        assert_eq!(raise_file(&low), Some(4096));
        assert_eq!(raise_file(&high), None);
        assert_eq!(raise_file(&none), None);
        assert_eq!((&*read(&low), &*read(&high)), ("16384", "99999\n"));
        drop(Raised(vec![(low.clone(), 4096)]));
        assert_eq!(read(&low), "4096");
    }
}
