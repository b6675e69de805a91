# SPDX-License-Identifier: GPL-2.0
"""`make test`: build, checks on the host, and the jobs in the virtual machine."""

import fnmatch
import re
import time
from functools import partial

from . import accel, jobs, lint, paths, setup
from .build import Builder
from .conformance import run as conformance
from .fail import Fail, explain
from .kernel import SERIES
from .platforms import Checked, Stock
from .tally import Tally, TapReader

# The kernel with checkers that is a part of this, with what can be done there in some minutes; `make test-debug` has the rest.
_FLAVOUR = "memory"
# For each target of the model's fuzzer.
_FUZZ_SECONDS = 10

_CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")


def step(tally: Tally, builder: Builder, name: str, argv: list[str]) -> bool:
    """One command that passes or fails as a whole."""
    log = paths.logs() / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.log"
    begin = time.monotonic()
    status, tail = builder.logged(argv, log)
    if status:
        for line in tail.splitlines()[-12:]:
            print(f"    # {line}")
        tally.bad(name, explain(tail) or f"see {jobs.shown(log)}")
    else:
        tally.good(f"{name} ({time.monotonic() - begin:.0f} s)")
    return status == 0


def _cargo_test(tally: Tally, builder: Builder, name: str, argv: list[str]) -> None:
    """Tests on the host; cargo's own counts are counted."""
    log = paths.logs() / f"{name.replace(' ', '-')}.log"
    target = ""
    seen = False

    def line(text: str) -> None:
        nonlocal target, seen
        running = re.match(r"\s+Running .*/deps/(.*)-[0-9a-f]+\)|\s+Doc-tests (.*)", text)
        if running:
            target = running[1] or f"{running[2]} (documentation)"
        result = _CARGO_RESULT.match(text)
        if result:
            seen = True
            passed, failed, ignored = map(int, result.groups())
            if passed:
                tally.good(f"{name}: {target}: {passed} tests", passed)
            tally.skipped += ignored
            for _ in range(failed):
                tally.bad(f"{name}: {target}", f"see {jobs.shown(log)}")

    status, tail = builder.logged(argv, log, line)
    if not seen or (status and not any(failure.startswith(name) for failure in tally.failures)):
        tally.bad(name, explain(tail) or f"cargo test ended with {status}: see {jobs.shown(log)}")


def tap(tally: Tally, builder: Builder, name: str, directory: str, *arguments: str) -> None:
    """Tests on the host whose runner, `run` in a directory below tests, prints TAP."""
    runner = paths.REPO / "tests" / directory / "run"
    if not runner.exists():
        tally.bad(name, f"{jobs.shown(runner)} is missing")
        return
    log = paths.logs() / f"{name.replace(' ', '-')}.log"
    reader = TapReader(tally, name)
    status, _ = builder.logged([str(runner), *arguments], log, reader.line)
    reader.end(f"exit status {status} (see {jobs.shown(log)})" if status else None)


def _checked(builder: Builder, chosen: list[jobs.Job], tally: Tally) -> None:
    """Jobs on the kernel with checkers, which is made first."""
    platform = Checked(builder, _FLAVOUR)
    try:
        tally.good(f"kernel with checkers: {platform.prepare()}")
    except Fail as fail:
        tally.bad("kernel with checkers", str(fail))
        return
    for job in chosen:
        jobs.run(job.on_rdevpts(), builder, platform, tally)


def run(pattern: str) -> int:
    """Everything, or the jobs in the virtual machine whose names fit the pattern."""
    begin = time.monotonic()
    tally = Tally()
    ready = setup.demo_setup()
    tally.good(f"set-up: {ready.kernel.choice.release} (Debian {ready.kernel.choice.version}), {ready.root.rustc()}")
    builder = Builder(ready)
    everything = pattern == "*"

    built = step(tally, builder, "build of the module, without a panic path", builder.make("modules"))
    step(tally, builder, "build of the samples", builder.make("racypts", "onepty"))
    step(tally, builder, "build of the host programs", ["cargo", "build", "--release", "--workspace", builder.jobs()])
    if everything:
        if ready.root is ready.tools:
            step(tally, builder, "clippy", builder.make("clippy"))
            step(tally, builder, "format", builder.make("fmt-check"))
        else:
            tally.skip("clippy and format", "other compilers have other opinions")
        lint.check(ready, tally)
        step(tally, builder, "tests of the environment",
             ["env", "PYTHONPATH=scripts", "python3", "-B", "-m", "unittest", "discover", "-s", "tests/environment"])
        _cargo_test(tally, builder, "host tests",
                    ["cargo", "test", "--workspace", "--no-fail-fast", "--", "--quiet"])
        # Another build of the same crate: with a directory of its own, neither makes the other stale.
        _cargo_test(tally, builder, "every order of threads",
                    ["env", "RUSTFLAGS=--cfg loom", "cargo", "test", "--release", "-p", "rdevpts-model", "--test", "loom",
                     "--target-dir", "build/loom"])
        # Programs that must not compile.
        tap(tally, builder, "compile-fail", "compile_fail")
        # The model of the directory, its lock and its readers: what must be found is, and nothing is where nothing must be.
        tap(tally, builder, "invariant", "invariant")
        tap(tally, builder, "fuzz of the model", "fuzz/model", str(_FUZZ_SECONDS))

    chosen = jobs.find(pattern, "stock")
    checked = [job for job in jobs.find(pattern, _FLAVOUR, "debug") if _FLAVOUR in job.list("test")]
    suites = fnmatch.fnmatchcase("conformance", pattern)
    if not chosen and not checked and not suites:
        tally.bad("jobs", f"none in {jobs.shown(jobs.DIRECTORY)} fits {pattern}")
    how = accel.choose(ready) if chosen or suites else "tcg"
    print(f"# virtual machine: {how}", flush=True)
    stock = Stock(builder, how)
    for job in chosen:
        if job.number("cpus", 2) > 1:
            jobs.run(job, builder, stock, tally)
    # What leaves a processor free has company.
    beside = [partial(jobs.run, job, builder, stock, tally) for job in chosen if job.number("cpus", 2) == 1]
    if checked and ready.root is not ready.tools:
        tally.skip("kernel with checkers", "it is made with the compilers of the tests' own kernel")
    elif checked and ready.kernel.choice.series != SERIES[0]:
        tally.skip("kernel with checkers", f"its configuration is one of {SERIES[0]}")
    elif checked:
        beside.append(partial(_checked, builder, checked, tally))
    setup.at_once(*beside)
    if suites:
        conformance.short(builder, how, tally)

    return end(tally, begin) if built else 1


def end(tally: Tally, begin: float) -> int:
    """The last lines of a run, and its status."""
    if tally.failures:
        print(f"\nfailed (logs in {jobs.shown(paths.LOGS)}):")
        for name in tally.failures:
            print(f"    {name}")
    print(f"\n# {time.monotonic() - begin:.0f} s")
    print(tally.summary(), flush=True)
    return 0 if tally.ok else 1
