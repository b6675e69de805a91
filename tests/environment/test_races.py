# SPDX-License-Identifier: GPL-2.0
"""Which of KCSAN's reports count."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from rdevpts_env.fail import Fail
from rdevpts_env.races import Judge, known, read
from rdevpts_env.tally import Tally

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


class Run:
    """The jobs of a run, one report each."""

    def __init__(self, known: dict[tuple[str, ...], str] | None = None) -> None:
        self.judge = Judge(known or {})

    def job(self, fstype: str, *stacks: tuple[str, ...], name: str = "a job", lines: int | None = None) -> "Run":
        """A job on that file system, in which there was this race."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".console") as log:
            log.writelines(console(*stacks)[:lines])
            log.flush()
            self.judge.hear(f"{name} on {fstype}", name, fstype, Path(log.name))
        return self

    def counting(self) -> list[str]:
        """The jobs with one that counts."""
        tally = Tally(quiet=True)
        with contextlib.redirect_stdout(io.StringIO()):
            self.judge.verdict(tally)
        return [failure.partition(":")[0] for failure in tally.failures]


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
        self.assertFalse(Run().job("rdevpts", ("a", "vfs_read"), ("b",)).counting())

    def test_ours(self):
        for stacks in ((("a [rdevpts]",), ("a [rdevpts]",)), (("a [rdevpts]",), ("b",)), (("a [rdevpts]",),)):
            self.assertTrue(Run().job("rdevpts", *stacks).counting())
        self.assertTrue(Run().job("rdevpts", ("a [rdevpts]",), ("b",), lines=3).counting())

    def test_in_a_call_of_ours(self):
        stacks = (("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_poll", "vfs_poll"))
        self.assertTrue(Run().job("rdevpts", *stacks).counting())
        self.assertFalse(Run({_N_TTY: "a reason"}).job("rdevpts", *stacks).counting())

    def test_seen_on_devpts(self):
        ours = ("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_poll",)
        devpts = ("n_tty_receive_buf_common", "flush_to_ldisc"), ("n_tty_poll",)
        self.assertFalse(Run().job("devpts", *devpts).job("rdevpts", *ours).counting())
        self.assertFalse(Run().job("rdevpts", *ours).job("devpts", *devpts).counting())
        other = ("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_read",)
        self.assertEqual(Run().job("devpts", *devpts).job("rdevpts", *other).counting(), ["a job on rdevpts"])

    def test_nothing_excuses_an_access_of_ours(self):
        run = Run({("a [rdevpts]", "b"): "a reason"}).job("devpts", ("a [rdevpts]",), ("b",)).job("rdevpts", ("a [rdevpts]",), ("b",))
        self.assertIn("a job on rdevpts", run.counting())

    def test_what_may_yet_be_seen_on_devpts(self):
        stacks = ("n_tty_receive_buf_common", "feed [rdevpts]"), ("n_tty_poll",)
        run = Run().job("rdevpts", ("a", "vfs_read"), ("b",), name="kernels").job("rdevpts", *stacks, name="calls")
        run.job("rdevpts", ("a [rdevpts]",), ("b",), name="ours").job("rdevpts", ("a [rdevpts]",), ("b",), name="short", lines=3)
        self.assertEqual(run.judge.open(), {"calls"})
        run.job("devpts", ("n_tty_receive_buf_common", "flush_to_ldisc"), ("n_tty_poll",), name="calls")
        self.assertEqual(run.judge.open(), set())
        self.assertEqual(run.counting(), ["ours on rdevpts", "short on rdevpts"])


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
