# SPDX-License-Identifier: GPL-2.0
"""Which of KCSAN's reports count."""

import tempfile
import unittest
from pathlib import Path

from rdevpts_env.fail import Fail
from rdevpts_env.races import Judge, known, read

_N_TTY = ("n_tty_poll", "n_tty_receive_buf_common")


def console(*stacks: tuple[str, ...], caller: str = "T7") -> list[str]:
    """One report as it comes out of a kernel: for each access its functions, the innermost first."""
    title = " / ".join(sorted(stack[0] for stack in stacks))
    lines = ["=" * 66, f"BUG: KCSAN: data-race in {title}", ""]
    unknown = "race at unknown origin, with " if len(stacks) == 1 else ""
    for number, stack in enumerate(stacks):
        lines += [f"{unknown}read-write to 0xffff888003a51000 of 8 bytes by task 6{number} on cpu {number}:"]
        for function in stack:
            name, _, module = function.partition(" ")
            lines += [f" {name}+0x2d/0x180{' ' if module else ''}{module}"]
        lines += [""]
    lines += ["value changed: 0x00 -> 0x01", "", "Reported by Kernel Concurrency Sanitizer on:", "=" * 66]
    return [f"  19.02  [   18.{number:06}][{caller:>5}] {line}\n" for number, line in enumerate(lines)]


def counting(judge: Judge, fstype: str, *stacks: tuple[str, ...]) -> bool:
    """Whether this race, in a job on that file system, is one that counts."""
    found, others = judge.sort(fstype, read(console(*stacks)))
    assert len(found) + others.total() == 1
    return bool(found)


class Reading(unittest.TestCase):
    """A log, the reports in it."""

    def test_both_accesses(self):
        (report,) = read(console(("b", "vfs_read"), ("a [rdevpts]", "vfs_write")))
        self.assertEqual(report.functions, ("a [rdevpts]", "b"))
        self.assertEqual(report.stacks, [["b", "vfs_read"], ["a [rdevpts]", "vfs_write"]])
        self.assertTrue(report.ours)
        self.assertFalse(report.elsewhere)

    def test_an_unknown_origin(self):
        (report,) = read(console(("a", "vfs_read")))
        self.assertEqual(report.functions, ("a",))
        self.assertFalse(report.ours)

    def test_two_at_once(self):
        one, other = console(("a", "c"), ("b",), caller="T7"), console(("x [rdevpts]",), ("y",), caller="C1")
        mixed = [line for pair in zip(one, other, strict=False) for line in pair] + one[len(other):]
        self.assertEqual([report.functions for report in read(mixed)], [("a", "b"), ("x [rdevpts]", "y")])

    def test_the_machine_ended_in_the_middle(self):
        (report,) = read(console(("a [rdevpts]",), ("b",))[:3])
        self.assertEqual(report.functions, ())
        self.assertTrue(report.ours)

    def test_nobody_is_named(self):
        lines = [line.replace("[   T7]", "") for line in console(("a [rdevpts]",), ("b",))]
        self.assertEqual([report.functions for report in read(lines)], [("a [rdevpts]", "b")])

    def test_what_else_is_said(self):
        self.assertEqual(read(["   0.92  [    0.377723][    T1] kcsan: non-strict mode configured\n", "no line of the kernel\n"]), [])


class Judging(unittest.TestCase):
    """Whose a race is."""

    def test_the_kernels(self):
        self.assertFalse(counting(Judge({}), "rdevpts", ("a", "vfs_read"), ("b",)))

    def test_ours(self):
        self.assertTrue(counting(Judge({}), "rdevpts", ("a [rdevpts]",), ("a [rdevpts]",)))
        self.assertTrue(counting(Judge({}), "rdevpts", ("a [rdevpts]",), ("b",)))
        self.assertTrue(counting(Judge({}), "rdevpts", ("a [rdevpts]",)))
        found, _ = Judge({}).sort("rdevpts", read(console(("a [rdevpts]",), ("b",))[:3]))
        self.assertEqual(len(found), 1)

    def test_in_a_call_of_ours(self):
        stacks = (("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_poll", "vfs_poll"))
        self.assertTrue(counting(Judge({}), "rdevpts", *stacks))
        self.assertFalse(counting(Judge({_N_TTY: "a reason"}), "rdevpts", *stacks))

    def test_seen_on_devpts(self):
        judge = Judge({})
        self.assertFalse(counting(judge, "devpts", ("n_tty_receive_buf_common", "flush_to_ldisc"), ("n_tty_poll",)))
        self.assertFalse(counting(judge, "rdevpts", ("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_poll",)))
        self.assertTrue(counting(judge, "rdevpts", ("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_read",)))

    def test_nothing_excuses_an_access_of_ours(self):
        judge = Judge({("a [rdevpts]", "b"): "a reason"})
        self.assertTrue(counting(judge, "rdevpts", ("a [rdevpts]",), ("b",)))


class Known(unittest.TestCase):
    """The file."""

    def test_as_it_is(self):
        self.assertTrue(all(known().values()))

    def test_what_it_may_not_have(self):
        for entry in ('functions = ["a", "b"]', 'reason = "r"\nfunctions = []', 'reason = "r"\nfunctions = ["a [rdevpts]"]'):
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / "races.toml"
                path.write_text(f"[[known]]\n{entry}\n", encoding="utf-8")
                self.assertRaises(Fail, known, path)
