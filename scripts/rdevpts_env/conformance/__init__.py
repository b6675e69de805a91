# SPDX-License-Identifier: GPL-2.0
"""`make conformance`: other people's test suites, unmodified, on C devpts and on rdevpts, side by side.

One file in tests/conformance/suites describes each suite (see `suite`). Its source comes from the archive and is built once
(`source`); each run boots once per file system (`run`); what the suite prints becomes one result per test (`results`); and
the two file systems are compared, with the reasons of known differences in tests/conformance/known.toml (`compare`).
"""
