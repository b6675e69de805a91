// SPDX-License-Identifier: GPL-2.0

//! The results of `ui_test` as TAP.

use std::{
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex,
    },
};
use ui_test::{
    status_emitter::{RevisionStyle, StatusEmitter, Summary, TestStatus},
    test_result::{TestOk, TestResult},
};

/// Prints a line for each case as it ends, and the plan when all have.
#[derive(Default)]
pub struct Tap(Arc<Counter>);

#[derive(Default)]
struct Counter {
    seen: AtomicUsize,
    /// Cases end on several threads; what one prints stays together.
    output: Mutex<()>,
}

impl StatusEmitter for Tap {
    fn register_test(&self, path: PathBuf) -> Box<dyn TestStatus> {
        Box::new(Case {
            path,
            revision: String::new(),
            counter: self.0.clone(),
        })
    }

    fn finalize(&self, _: usize, _: usize, _: usize, _: usize, _: bool) -> Box<dyn Summary> {
        println!("1..{}", self.0.seen.load(Ordering::SeqCst));
        Box::new(())
    }
}

struct Case {
    path: PathBuf,
    revision: String,
    counter: Arc<Counter>,
}

impl Case {
    fn with(&self, path: &Path, revision: &str) -> Box<dyn TestStatus> {
        Box::new(Case {
            path: path.into(),
            revision: revision.into(),
            counter: self.counter.clone(),
        })
    }
}

impl TestStatus for Case {
    fn for_revision(&self, revision: &str, _: RevisionStyle) -> Box<dyn TestStatus> {
        self.with(&self.path, revision)
    }

    fn for_path(&self, path: &Path) -> Box<dyn TestStatus> {
        self.with(path, &self.revision)
    }

    fn failed_test<'a>(
        &'a self,
        _: &'a str,
        _: &'a [u8],
        _: &'a [u8],
    ) -> Box<dyn std::fmt::Debug + 'a> {
        // Told in `done`.
        Box::new(())
    }

    fn done(&self, result: &TestResult, _aborted: bool) {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.replace('_', " ");
        let _together = self.counter.output.lock();
        let number = self.counter.seen.fetch_add(1, Ordering::SeqCst) + 1;
        match result {
            Ok(TestOk::Ok) => println!("ok {number} - {name}"),
            Ok(TestOk::Ignored) => println!("ok {number} - {name} # SKIP ignored"),
            Err(errored) => {
                println!("not ok {number} - {name}");
                for line in format!("{}\n{errored:?}", self.path.display()).lines() {
                    println!("# {line}");
                }
            }
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn revision(&self) -> &str {
        &self.revision
    }
}
