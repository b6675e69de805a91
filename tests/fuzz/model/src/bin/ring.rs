// SPDX-License-Identifier: GPL-2.0

//! Feeds `rdevpts_oracle::ring`.

#![no_main]

use rdevpts_oracle::ring::{run, Op};

libfuzzer_sys::fuzz_target!(|ops: Vec<Op>| run(&ops));
