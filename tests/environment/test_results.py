# SPDX-License-Identifier: GPL-2.0
"""What the readers make of the suites' output: samples in each suite's own words."""

import tempfile
import unittest
from pathlib import Path

from rdevpts_env.conformance import results, suite
from rdevpts_env.conformance.results import FAIL, PASS, SKIP


def read(form: str, text: str) -> dict[str, str]:
    """The results in a text."""
    return results.read(form, text.strip("\n").splitlines())


class Parts(unittest.TestCase):
    """What every format has: parts, and how they end."""

    def test_a_part_without_results_is_judged_by_its_status(self):
        found = read("exit", """
== good: exit 9
== good
whatever it says
== good: exit 0
== bad
== bad: exit 1
== automake
== automake: exit 77
== kselftest
== kselftest: exit 4
== late
== late: exit 124
""")
        self.assertEqual(found, {"good": PASS, "bad": FAIL, "automake": SKIP, "kselftest": SKIP, "late": FAIL})

    def test_a_part_that_does_not_end_has_failed(self):
        self.assertEqual(read("exit", "== one\n== one: exit 0\n== two"), {"one": PASS, "two": FAIL})
        self.assertEqual(read("exit", "== one\n== two\n== two: exit 0"), {"one": PASS, "two": PASS})

    def test_a_status_that_the_results_do_not_explain(self):
        text = "== tap\n1..1\nok 1 - fine\n== tap: exit {}"
        self.assertEqual(read("tap", text.format(0)), {"tap: fine": PASS})
        self.assertEqual(read("tap", text.format(139)), {"tap: fine": PASS, "tap: exit status": FAIL})
        self.assertEqual(read("tap", "== tap\n1..1\nnot ok 1 - fine\n== tap: exit 1"), {"tap: fine": FAIL})

    def test_names_that_come_again(self):
        self.assertEqual(read("tap", "ok 1 - a\nnot ok 2 - a\nok 3 - b\n1..3"), {"a": PASS, "a (2)": FAIL, "b": PASS})

    def test_what_a_terminal_adds(self):
        self.assertEqual(read("exit", "== a\r\n\x1b[32m== a: exit 0\x1b[m\r"), {"a": PASS})


class Formats(unittest.TestCase):
    """One sample each."""

    def test_tap(self):
        found = read("tap", """
TAP version 13
1..7
# Starting 7 tests
ok 1 tty.basic.test
not ok 2 - restricted
ok 3 # SKIP not here
ok 4 - no root # skip rights
not ok 5 - later # TODO known
    not ok 1 - of a subtest
ok 6
""")
        self.assertEqual(found, {"tty.basic.test": PASS, "restricted": FAIL, "test 3": SKIP, "no root": SKIP, "later": SKIP,
                                 "test 6": PASS, "plan": FAIL})

    def test_tcltest(self):
        found = read("tcltest", """
send.test
++++ send-1.1 PASSED
sent without a newline++++ send-1.2 PASSED
++++ send-1.3 SKIPPED: unixOnly

==== send-1.4 what it is about FAILED
==== Contents of test case:
---- Result was:
0
==== send-1.4 FAILED
all.tcl:	Total	4	Passed	2	Skipped	1	Failed	1
""")
        self.assertEqual(found, {"send-1.1": PASS, "send-1.2": PASS, "send-1.3": SKIP, "send-1.4": FAIL})

    def test_util_linux(self):
        found = read("util-linux", """
      options: --parsable
       script: race conditions                               ... KNOWN FAILED (script/race)
       script: options: [01] append                          ... OK
       script: options: [02] force                           ... FAILED (script/options-force)
         misc: line                                          ... SKIPPED (missing in PATH: line)
  All 4 tests PASSED
""")
        self.assertEqual(found, {"script: race conditions": SKIP, "script: options: [01] append": PASS,
                                 "script: options: [02] force": FAIL, "misc: line": SKIP})

    def test_stress_ng(self):
        found = read("stress-ng", """
stress-ng: info:  [7] dispatching hogs: 2 pty, 2 dir, 2 quota, 2 dup
stress-ng: info:  [7] skipped: 2: quota (2)
stress-ng: info:  [7] passed: 4: pty (2) bad-ioctl (2)
stress-ng: info:  [7] failed: 2: dup (2)
stress-ng: info:  [7] metrics untrustworthy: 0
""")
        self.assertEqual(found, {"quota": SKIP, "pty": PASS, "bad-ioctl": PASS, "dup": FAIL})

    def test_socat(self):
        found = read("socat", """
test   12 EXECPTY: simple echo via exec of cat with pty... OK
test   13 OPENPTY: test of the openpty() option... \x1b[31mFAILED\x1b[m: /usr/bin/socat:
test   14 READLINE: readline with password... \x1b[33mREADLINE not available\x1b[m
Used temp directory /tmp/x - you might want to remove it after analysis
""")
        self.assertEqual(found, {"EXECPTY": PASS, "OPENPTY": FAIL, "READLINE": SKIP})

    def test_ruby(self):
        found = read("ruby", """
[ 1/4] TestPTY#test_open = 0.00 s
[ 2/4] TestPTY#test_spawn = 0.10 s
[ 3/4] TestPTY#test_argv0 = 0.10 s
[ 4/4] TestPTY#test_close = 0.10 s

  1) Failure:
TestPTY#test_spawn [/x/test_pty.rb:5]:
Expected "a" to be nil.

  2) Skipped:
TestPTY#test_argv0 [/x/test_pty.rb:9]:
not here

  3) Error:
TestPTY#test_close:
IOError: closed

4 tests, 9 assertions, 1 failures, 1 errors, 1 skips
""")
        self.assertEqual(found, {"TestPTY#test_open": PASS, "TestPTY#test_spawn": FAIL, "TestPTY#test_argv0": SKIP,
                                 "TestPTY#test_close": FAIL})

    def test_zsh(self):
        found = read("zsh", """
./W02jobs.ztst: starting.
Running test: a job
Test successful.
Running test: another job
Test ./W02jobs.ztst failed: output differs from expected as shown above for:
Was testing: another job
Running test: one that needs more
Test case skipped: no more
Running test: one that must fail
Test failed, as expected.
Running test: the last one
""")
        self.assertEqual(found, {"a job": PASS, "another job": FAIL, "one that needs more": SKIP, "one that must fail": PASS,
                                 "the last one": FAIL})

    def test_pytest(self):
        found = read("pytest", """
collected 4 items
tests/test_echo.py::Echo::test_wait PASSED                               [ 25%]
tests/test_echo.py::Echo::test_fail FAILED                               [ 50%]
tests/test_echo.py::Echo::test_skip SKIPPED (no sleep)                   [ 75%]
tests/test_echo.py::test_plain[a-b] PASSED                               [100%]
FAILED tests/test_echo.py::Echo::test_fail - AssertionError
""")
        self.assertEqual(found, {"test_echo.py::Echo::test_wait": PASS, "test_echo.py::Echo::test_fail": FAIL,
                                 "test_echo.py::Echo::test_skip": SKIP, "test_echo.py::test_plain[a-b]": PASS})

    def test_junit(self):
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "a.xml").write_text("""<testsuites tests="4"><testsuite>
                <testcase name="test.test_pty.PtyTest.test_fork" result="completed" />
                <testcase name="test.test_pty.PtyTest.test_bad"><failure>no</failure></testcase>
                <testcase name="test.test_pty.PtyTest.test_worse"><error>no</error></testcase>
                <testcase name="test.test_pty.PtyTest.test_not"><skipped>no</skipped></testcase>
                </testsuite></testsuites>""", encoding="utf-8")
            found = results.read("junit", ["whatever it says"], Path(directory))
        self.assertEqual(found, {"test_pty.PtyTest.test_fork": PASS, "test_pty.PtyTest.test_bad": FAIL,
                                 "test_pty.PtyTest.test_worse": FAIL, "test_pty.PtyTest.test_not": SKIP})


class Suites(unittest.TestCase):
    """The scripts in tests/conformance/suites."""

    def test_every_suite_is_whole(self):
        found = suite.find()
        self.assertGreater(len(found), 10)
        for one in found:
            with self.subTest(one.name):
                self.assertIn(one.wants["format"], results.READERS)
                self.assertGreater(one.number("passes", 0), 0)
                self.assertRegex(one.text, r"(?m)^run\(\) \{$")
                self.assertEqual(bool(one.build), "\nbuild()" in one.text)
                self.assertTrue(one.list("source") or one.list("debian") or one.list("package"))


if __name__ == "__main__":
    unittest.main()
