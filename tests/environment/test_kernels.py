# SPDX-License-Identifier: GPL-2.0
"""Which kernels are chosen, and from where."""

import unittest

from rdevpts_env import kernel, matrix
from rdevpts_env.apt import Package
from rdevpts_env.fail import Fail


def _packages(release: str, version: str, gcc: str) -> list[Package]:
    series = ".".join(release.split(".")[:2])
    names = [f"linux-headers-{release}", f"linux-modules-{release}", f"linux-binary-{release}", f"linux-source-{series}"]
    return [Package(name, version, f"{gcc}, kmod", 1) for name in names]


class Suites(unittest.TestCase):
    def test_by_the_name(self):
        self.assertEqual(kernel.suites_of("7.3.4+deb13-rt-amd64"), (("trixie", "trixie-backports"),))
        self.assertEqual(kernel.suites_of("7.2.12+deb14-amd64"), (("forky",), ("sid",)))
        self.assertEqual(kernel.suites_of("7.5.1-cloud-amd64"), (("sid",),))

    def test_other_machines(self):
        for name in ("6.1.0-18-arm64", "7.3.4", "7.3.4-generic"):
            with self.assertRaises(Fail):
                kernel.suites_of(name)


class Rule(unittest.TestCase):
    def choose(self, *releases: str) -> list[str]:
        index = [package for release in releases for package in _packages(release, f"{release.split('-')[0]}-1", "gcc-14")]
        return [choice.release for choice in matrix.rule(kernel.candidates(index, kernel.TRIXIE, "1.85"))]

    def test_newest_series_in_all_flavours_and_older_in_one(self):
        self.assertEqual(
            self.choose("7.2.9-cloud-amd64", "7.2.12-amd64", "7.2.12-cloud-amd64", "7.3.4-rt-amd64", "7.3.4-amd64",
                        "7.3.3-cloud-amd64", "7.3.4-cloud-amd64"),
            ["7.3.4-cloud-amd64", "7.3.4-amd64", "7.3.4-rt-amd64", "7.2.12-cloud-amd64"])

    def test_unknown_series_are_left_out(self):
        self.assertEqual(self.choose("6.12.3-amd64", "7.2.1-amd64"), ["7.2.1-amd64"])
        self.assertEqual(self.choose("6.12.3-amd64"), [])

    def test_incomplete_kernels_are_left_out(self):
        index = _packages("7.3.4-amd64", "7.3.4-1", "gcc-14")[:-1]
        self.assertEqual(kernel.candidates(index, kernel.TRIXIE, "1.85"), [])


if __name__ == "__main__":
    unittest.main()
