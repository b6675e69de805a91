# SPDX-License-Identifier: GPL-2.0
"""What a suite printed, as one result per test.

A reader takes the lines of one part of a suite and yields a name and a status for each test. A part without any result is a
test by itself, judged by its exit status; a part that ends badly although no test of it failed has failed as a whole.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path

PASS, FAIL, SKIP = "pass", "fail", "skip"

Found = Iterator[tuple[str, str]]

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\(B)|\r")
_BEGIN = re.compile(r"^== (\S+)$")
_END = re.compile(r"^== (\S+): exit (\d+)$")
# What exit statuses say: 77 is automake's "skipped", 4 that of the kernel's selftests.
_EXIT = {0: PASS, 4: SKIP, 77: SKIP}


def _tap(lines: Iterable[str]) -> Found:
    """The Test Anything Protocol; a test that is marked TODO may fail."""
    planned, seen = None, 0
    for line in lines:
        if plan := re.match(r"^1\.\.(\d+)", line):
            planned = int(plan[1])
        if result := re.match(r"^(ok|not ok)\b\s*(\d*)\s*-?\s*([^#]*)(#\s*(?:skip|todo)\b)?", line, re.I):
            seen += 1
            name = result[3].strip() or f"test {result[2] or seen}"
            status = SKIP if result[4] else PASS if result[1] == "ok" else FAIL
            yield name, status
    if planned is not None and seen != planned:
        yield "plan", FAIL


def _tcltest(lines: Iterable[str]) -> Found:
    """tcltest with `-verbose "pass skip error body"`: `++++ name PASSED`, `==== name FAILED`."""
    for line in lines:
        # What a test prints without a newline is in front.
        if good := re.search(r"\+\+\+\+ (\S+) (PASSED|SKIPPED)", line):
            yield good[1], PASS if good[2] == "PASSED" else SKIP
        elif bad := re.match(r"^==== (\S+) FAILED$", line):
            yield bad[1], FAIL


def _util_linux(lines: Iterable[str]) -> Found:
    """util-linux's run.sh with `--parsable`: `script: options: [01] append ...OK`."""
    for line in lines:
        result = re.match(r"^\s*([\w-]+): (.+?)\s*\.\.\. (OK|SKIPPED|FAILED|KNOWN FAILED)\b", line)
        if result:
            # A test that its authors know to fail is not judged.
            status = {"OK": PASS, "FAILED": FAIL}.get(result[3], SKIP)
            yield f"{result[1]}: {re.sub(r' +', ' ', result[2])}", status


def _stress_ng(lines: Iterable[str]) -> Found:
    """stress-ng's last words: `passed: 4: pty (2) dir (2)`."""
    words = {"passed": PASS, "failed": FAIL, "skipped": SKIP}
    for line in lines:
        result = re.search(r"\b(passed|failed|skipped): +\d+: (.*)$", line)
        if result:
            for name in re.findall(r"([\w-]+) \(\d+\)", result[2]):
                yield name, words[result[1]]


def _socat(lines: Iterable[str]) -> Found:
    """socat's test.sh: `test 12 NAME: what it is about... OK`."""
    for line in lines:
        result = re.match(r"^test +\d+ (\w+): .*?\.\.\.\s*(.*)$", line)
        if result:
            word = result[2].lstrip()
            yield result[1], PASS if word.startswith("OK") else FAIL if word.startswith("FAILED") else SKIP


def _ruby(lines: Iterable[str]) -> Found:
    """Ruby's test runner with `-v`: `[ 1/44] TestPTY#test_open = 0.00 s`, and what failed again below."""
    tests, bad = [], {}
    for line in lines:
        if result := re.match(r"^(?:\[\s*\d+/\d+\] )?(\w+#\S+) = [\d.]+ s", line):
            tests.append(result[1])
        elif result := re.match(r"^\s*\d+\) (Failure|Error|Skipped):", line):
            bad[None] = SKIP if result[1] == "Skipped" else FAIL
        elif None in bad and (result := re.match(r"^(\w+#\S+?)(?: \[|:?$)", line)):
            bad[result[1]] = bad.pop(None)
    for name in tests:
        yield name, bad.get(name, PASS)


def _zsh(lines: Iterable[str]) -> Found:
    """zsh's ztst.zsh with ZTST_verbose=1: `Running test: what`, then how it went."""
    running = None
    for line in lines:
        if begin := re.match(r"^Running test: (.*)$", line):
            if running:
                yield running, FAIL
            running = begin[1]
        elif running and re.match(r"^(Test successful|Test failed, as expected)\.", line):
            yield running, PASS
            running = None
        elif running and line.startswith("Test case skipped:"):
            yield running, SKIP
            running = None
    if running:
        yield running, FAIL


def _pytest(lines: Iterable[str]) -> Found:
    """pytest with `-v`: `tests/test_echo.py::PtyEchoTestCase::test_waitnoecho PASSED [  7%]`."""
    words = {"PASSED": PASS, "FAILED": FAIL, "ERROR": FAIL, "SKIPPED": SKIP, "XFAIL": SKIP, "XPASS": PASS}
    for line in lines:
        result = re.match(rf"^(?:\S*/)?(\w+\.py(?:::\S+)+)(?: <- \S+)? ({'|'.join(words)})\b", line)
        if result:
            yield result[1], words[result[2]]


def _junit(text: str) -> Found:
    """JUnit's XML, as CPython's test runner writes it."""
    for case in ElementTree.fromstring(text).iter("testcase"):
        inside = {child.tag for child in case}
        status = FAIL if inside & {"failure", "error"} else SKIP if "skipped" in inside else PASS
        if case.get("result") == "skipped":
            status = SKIP
        yield case.get("name", "").removeprefix("test."), status


def _none(_lines: Iterable[str]) -> Found:
    """Every part is one test."""
    return iter(())


READERS = {"tap": _tap, "tcltest": _tcltest, "util-linux": _util_linux, "stress-ng": _stress_ng, "socat": _socat,
           "ruby": _ruby, "zsh": _zsh, "pytest": _pytest, "exit": _none, "junit": _none}


class _Results(dict[str, str]):
    """Names to statuses; a name that comes again gets a number."""

    def note(self, name: str, status: str) -> None:
        number, unique = 1, name
        while unique in self:
            number += 1
            unique = f"{name} ({number})"
        self[unique] = status


def read(form: str, lines: Iterable[str], out: Path | None = None) -> dict[str, str]:
    """The results of one run: from the lines that it printed, or from the files that it left in `out`."""
    found = _Results()
    part, inside = "", []

    def end(status: int) -> None:
        results = list(READERS[form](inside))
        for name, how in results:
            found.note(f"{part}: {name}" if part else name, how)
        if part and not results:
            found.note(part, _EXIT.get(status, FAIL))
        elif part and status not in _EXIT and all(how != FAIL for _name, how in results):
            found.note(f"{part}: exit status", FAIL)

    for line in lines:
        line = _ESCAPES.sub("", line)
        if begin := _BEGIN.match(line):
            end(0)
            part, inside = begin[1], []
        elif (over := _END.match(line)) and over[1] == part:
            end(int(over[2]))
            part, inside = "", []
        else:
            inside.append(line)
    # A part without its end did not get to it.
    end(255 if part else 0)
    if form == "junit" and out:
        for path in sorted(out.glob("*.xml")):
            for name, how in _junit(path.read_text(encoding="utf-8")):
                found.note(name, how)
    return dict(found)
