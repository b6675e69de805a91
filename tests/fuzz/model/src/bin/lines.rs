// SPDX-License-Identifier: GPL-2.0

//! Feeds `rdevpts_oracle::lines`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rdevpts_oracle::lines::run(data));
