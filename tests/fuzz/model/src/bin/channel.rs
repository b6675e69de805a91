// SPDX-License-Identifier: GPL-2.0

//! Feeds `rdevpts_oracle::channel`.

#![no_main]

use rdevpts_oracle::channel::{run, Op};

libfuzzer_sys::fuzz_target!(|ops: Vec<Op>| run(&ops));
