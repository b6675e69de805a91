# SPDX-License-Identifier: GPL-2.0
"""What counts as a difference, and what explains it."""

import tempfile
import unittest
from pathlib import Path

from rdevpts_env.conformance import compare
from rdevpts_env.conformance.compare import DIFFERENT, SAME, UNSTEADY, Comparison, Known, judge
from rdevpts_env.conformance.results import FAIL, PASS, SKIP
from rdevpts_env.fail import Fail


def compared(devpts: list[str], rdevpts: list[str]) -> Comparison:
    """One test in several rounds."""
    return Comparison("s", {"devpts": [{"t": how} for how in devpts], "rdevpts": [{"t": how} for how in rdevpts]})


def entry(**seen: str) -> Known:
    """What is known of that test."""
    return Known("s", "t*", "a reason", seen)


class Judging(unittest.TestCase):
    """Two lists of results, one verdict."""

    def test_the_same(self):
        for how in (PASS, FAIL, SKIP):
            self.assertEqual(judge([how, how], [how, how]), SAME)

    def test_worse_is_different(self):
        self.assertEqual(judge([PASS], [FAIL]), DIFFERENT)
        self.assertEqual(judge([PASS], [SKIP]), DIFFERENT)
        self.assertEqual(judge([PASS, PASS, PASS], [PASS, PASS, FAIL]), DIFFERENT)

    def test_better_is_different_too(self):
        self.assertEqual(judge([FAIL], [PASS]), DIFFERENT)
        self.assertEqual(judge([FAIL, FAIL], [FAIL, PASS]), DIFFERENT)

    def test_unsteady_on_the_reference(self):
        self.assertEqual(judge([PASS, FAIL, PASS], [PASS, PASS, PASS]), UNSTEADY)
        self.assertEqual(judge([PASS, FAIL, PASS], [FAIL, PASS, FAIL]), UNSTEADY)
        # It can pass, and never does on ours.
        self.assertEqual(judge([PASS, FAIL, PASS], [FAIL, FAIL, FAIL]), DIFFERENT)


class Counting(unittest.TestCase):
    """How many tests gave what."""

    def test_the_round_where_most_did(self):
        # What is unsteady may fail in the first.
        unsteady = compared([FAIL, PASS], [PASS, PASS])
        self.assertEqual((unsteady.count("devpts", PASS), unsteady.most("devpts", PASS)), (0, 1))
        self.assertEqual(Comparison("s").most("devpts", PASS), 0)


class Lines(unittest.TestCase):
    """Which tests need a word, and which of them have it."""

    def test_nothing_to_say(self):
        self.assertEqual(compared([FAIL], [FAIL]).lines([]), [])
        self.assertEqual(compared([FAIL], [FAIL]).failed_on_both(), ["t"])

    def test_a_difference_without_a_reason(self):
        [line] = compared([PASS], [FAIL]).lines([])
        self.assertFalse(line.explained)

    def test_a_test_that_is_not_there(self):
        one = Comparison("s", {"devpts": [{"t": PASS}], "rdevpts": [{}]})
        [line] = one.lines([])
        self.assertEqual(line.seen, {"devpts": [PASS], "rdevpts": ["missing"]})
        self.assertFalse(line.explained)

    def test_a_reason_is_for_what_it_names(self):
        [line] = compared([PASS], [FAIL]).lines([entry(devpts=PASS, rdevpts=FAIL)])
        self.assertTrue(line.explained)
        for seen in ({"devpts": PASS, "rdevpts": SKIP}, {"devpts": FAIL, "rdevpts": PASS}):
            [line] = compared([PASS], [FAIL]).lines([entry(**seen)])
            self.assertFalse(line.explained)
        [line] = compared([PASS, PASS], [FAIL, PASS]).lines([entry(devpts=PASS, rdevpts=FAIL)])
        self.assertFalse(line.explained)

    def test_a_test_that_is_known_to_be_unsteady(self):
        [line] = compared([PASS, PASS], [FAIL, PASS]).lines([entry()])
        self.assertTrue(line.explained)
        # Known or not: it has to pass once.
        [line] = compared([PASS, PASS], [FAIL, FAIL]).lines([entry()])
        self.assertFalse(line.explained)

    def test_a_reason_that_nothing_needs(self):
        known = [entry(devpts=PASS, rdevpts=FAIL)]
        compared([PASS], [PASS]).lines(known)
        self.assertEqual(len(compare.unused(known, ["s"])), 1)
        self.assertEqual(compare.unused(known, ["another"]), [])
        known = [entry()]
        compared([PASS], [PASS]).lines(known)
        self.assertEqual(compare.unused(known, ["s"]), [])


class File(unittest.TestCase):
    """tests/conformance/known.toml, and others like it."""

    def test_ours_can_be_read(self):
        compare.known()

    def test_half_an_entry_is_a_mistake(self):
        head = '[[known]]\nsuite = "s"\ntest = "t"\n'
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "known.toml")
            for rest in ("", 'reason = "r"\ndevpts = "pass"\n', 'reason = "r"\ndevpts = "pass"\nrdevpts = "bad"\n'):
                path.write_text(head + rest, encoding="utf-8")
                self.assertRaises(Fail, compare.known, path)
            path.write_text(head + 'reason = "r"\n', encoding="utf-8")
            self.assertEqual(len(compare.known(path)), 1)


if __name__ == "__main__":
    unittest.main()
