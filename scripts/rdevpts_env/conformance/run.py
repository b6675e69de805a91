# SPDX-License-Identifier: GPL-2.0
"""Running the suites, and telling how they went."""

import json
import time

from .. import accel, jobs, paths, setup
from ..build import Builder
from ..cache import Lock
from ..fail import Fail
from ..progress import Step, say
from ..tally import Tally
from ..vm import Machine
from . import results, suite as suites
from .compare import OURS, REFERENCE, Comparison, Known, Line, known, unused
from .results import FAIL, PASS, SKIP
from .source import Source
from .suite import Suite

ROUNDS = 3
RESULTS = paths.BUILD / "conformance" / "results.json"
LIBRARY = suites.DIRECTORY.parent / "lib.sh"

_JOB = """#!/bin/sh
. /rdevpts/lib.sh
. /rdevpts/conformance.sh
. /rdevpts/suite.sh
mkdir /tmp/work
cd /tmp/work
run
"""


class Runner:
    """Runs suites in virtual machines of one set-up."""

    def __init__(self, builder: Builder, how: str) -> None:
        self._builder = builder
        self._how = how
        self.kernel = builder.setup.kernel.choice
        self.seconds: dict[str, dict[str, list[float]]] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.sources: dict[str, dict[str, str]] = {}

    def _boot(self, suite: Suite, source: Source, fstype: str, compared: Comparison) -> None:
        number = len(compared.rounds[fstype]) + 1
        label = f"conformance-{suite.name}-{fstype}"
        machine = Machine(label, setup=self._builder.setup, accel=self._how, memory=suite.number("memory", 2048),
                          timeout=suite.number("timeout", 1800), root=self._builder.setup.guest,
                          env={"FSTYPE": fstype, "SUITE": "/rdevpts/suite"})
        if fstype == OURS:
            machine.put(self._builder.products / "rdevpts.ko", "rdevpts.ko")
        machine.put(suite.path, "suite.sh")
        machine.put(LIBRARY, "conformance.sh")
        machine.show(source.path, "suite")
        machine.write("job", _JOB)
        (machine.share / "job").chmod(0o755)
        log = paths.logs() / f"{label}-{number}.log"
        lines: list[str] = []
        with open(log, "w", encoding="utf-8") as out:

            def line(text: str) -> None:
                out.write(text + "\n")
                out.flush()
                lines.append(text)

            outcome = machine.run(line)
        # The status of a suite says whether all its tests passed, which is not asked here; the end of the machine is.
        if outcome.panic or outcome.timed_out or outcome.status is None:
            compared.troubles.append(f"{suite.name} on {fstype}: {outcome} (output {jobs.shown(log)}, kernel log "
                                     f"{jobs.shown(outcome.console)})")
        found = results.read(suite.wants["format"], lines, machine.share / "out")
        compared.rounds[fstype].append(found)
        self.seconds.setdefault(suite.name, {}).setdefault(fstype, []).append(round(outcome.seconds, 1))
        passed = sum(how == PASS for how in found.values())
        say(f"{suite.name} on {fstype}: {passed} of {len(found)} pass, {outcome.seconds:.0f} s")

    def run(self, suite: Suite, entries: list[Known], rounds: int) -> Comparison:
        """Both file systems in turn; again while there is something to tell apart."""
        source = Source(self._builder.setup, suite)
        with Lock():
            source.prepare()
        self.sources[suite.name] = source.sources()
        self.versions[suite.name] = self._versions(suite)
        compared = Comparison(suite.name)
        for _ in range(rounds):
            for fstype in (REFERENCE, OURS):
                self._boot(suite, source, fstype, compared)
            if compared.troubles or all(line.explained for line in compared.lines(entries)):
                break
        floor, passed = suite.number("passes", 1), compared.most(REFERENCE, PASS)
        if passed < floor and not compared.troubles:
            compared.troubles.append(f"{suite.name} on {REFERENCE}: {passed} tests pass, there should be {floor} at least")
        return compared

    def _versions(self, suite: Suite) -> dict[str, str]:
        packages = suite.list("package")
        if not packages:
            return {}
        said = self._builder.setup.guest.output(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages])
        return dict(line.split() for line in said.splitlines())


def _record(runner: Runner, every: list[Comparison], entries: list[Known]) -> None:
    """Everything, for other programs to read."""
    document = {
        "kernel": {"release": runner.kernel.release, "version": runner.kernel.version},
        "suites": [{
            "name": compared.suite,
            "packages": runner.versions[compared.suite],
            "sources": runner.sources[compared.suite],
            "seconds": runner.seconds.get(compared.suite, {}),
            "troubles": compared.troubles,
            "tests": compared.tests(),
            "differences": [{"test": line.test, "verdict": line.verdict, "reason": line.reason}
                            for line in compared.lines(entries)],
        } for compared in every],
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _table(every: list[Comparison]) -> list[str]:
    """The table, as reStructuredText."""
    rule = f"{'=' * 16} {'=' * 6} {'=' * 6} {'=' * 6} {'=' * 6} {'=' * 6} {'=' * 6}"
    lines = [
        f"{'':16} {'C devpts':^20} {'rdevpts':^20}",
        f"{'-' * 16} {'-' * 20} {'-' * 20}",
        f"{'suite':16} {'passed':6} {'failed':6} {'skip':6} {'passed':6} {'failed':6} {'skip':6}".rstrip(),
    ]
    for compared in every:
        numbers = [compared.count(fstype, status) for fstype in (REFERENCE, OURS) for status in (PASS, FAIL, SKIP)]
        lines.append(f"{compared.suite:16} " + " ".join(f"{number:6}" for number in numbers))
    return [rule, *lines[:3], rule, *lines[3:], rule]


def _tell(heading: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{heading}:")
        for line in lines:
            print(f"    {line}")


def conformance(pattern: str, rounds: int = ROUNDS) -> int:
    """The command: every suite whose name fits, the table, and what differs."""
    begin = time.monotonic()
    ready = setup.demo_setup()
    chosen = suites.find(pattern)
    if not chosen:
        raise Fail(f"no suite in {jobs.shown(suites.DIRECTORY)} fits {pattern}")
    entries = known()
    builder = Builder(ready)
    log = paths.logs() / "conformance-module.log"
    with Step("build of the module"):
        status, _ = builder.logged(builder.make("modules"), log)
    if status:
        raise Fail(f"the module does not build: see {log}")
    ready.guest.require()
    runner = Runner(builder, accel.choose(ready))
    every = []
    for suite in chosen:
        every.append(runner.run(suite, entries, rounds))
        _record(runner, every, entries)

    print(f"\nstock kernel {runner.kernel.release} (Debian {runner.kernel.version}); the same suites, unmodified, on each\n")
    print("\n".join(_table(every)))
    both = [f"{compared.suite}: {name}" for compared in every for name in compared.failed_on_both()]
    _tell("failed on both alike", both)
    differing = [(compared.suite, line) for compared in every for line in compared.lines(entries)]
    _tell("different", [f"{name}: {line}" for name, line in differing])
    problems = [trouble for compared in every for trouble in compared.troubles]
    problems += unused(entries, [suite.name for suite in chosen])
    _tell("went wrong", problems)
    unexplained = [line for _name, line in differing if not line.explained]
    total = sum(compared.count(OURS, PASS) for compared in every)
    print(f"\n# {time.monotonic() - begin:.0f} s; every result: {jobs.shown(RESULTS)}")
    print(f"{total} passed on rdevpts; {len(differing)} differ from devpts, {len(unexplained)} of them without a reason; "
          f"{len(problems)} went wrong")
    return 1 if unexplained or problems else 0


def short(builder: Builder, how: str, tally: Tally) -> None:
    """The suites that belong to `make test`, counted there."""
    builder.setup.guest.require()
    entries = known()
    runner = Runner(builder, how)
    for suite in suites.find(short=True):
        compared = runner.run(suite, entries, ROUNDS)
        differing: list[Line] = compared.lines(entries)
        tally.good(f"conformance: {suite.name}: {compared.count(OURS, PASS)} tests of it pass", compared.count(OURS, PASS))
        tally.skipped += compared.count(OURS, SKIP)
        for line in differing:
            if not line.explained:
                tally.bad(f"conformance: {suite.name}: {line.test}", str(line))
        for trouble in compared.troubles:
            tally.bad(f"conformance: {suite.name}", trouble)
