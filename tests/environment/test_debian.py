# SPDX-License-Identifier: GPL-2.0
"""What the Debian package says twice agrees with what the rest says."""

import re
import unittest

from rdevpts_env import kernel, package, paths

_DEBIAN = paths.REPO / "debian"


class Debian(unittest.TestCase):
    """The files in `debian`."""

    def test_version(self) -> None:
        """The version is that of Cargo.toml; so is the package's name in the README."""
        changelog = (_DEBIAN / "changelog").read_text(encoding="utf-8")
        self.assertEqual(re.match(r"rdevpts \((.*?)\)", changelog)[1], package.version())
        readme = (paths.REPO / "README.md").read_text(encoding="utf-8")
        self.assertIn(f"build/deb/rdevpts-dkms_{package.version()}_all.deb", readme)

    def test_series(self) -> None:
        """DKMS is asked for the series that are known, and for no other."""
        text = (_DEBIAN / "rdevpts-dkms.dkms").read_text(encoding="utf-8")
        wanted = re.compile(re.search(r'^BUILD_EXCLUSIVE_KERNEL="(.*)"$', text, re.M)[1])
        known = [f"{major}.{minor}" for major in range(6, 10) for minor in range(20) if wanted.search(f"{major}.{minor}.1-amd64")]
        self.assertEqual(sorted(known), sorted(kernel.SERIES))

    def test_series_of_the_module(self) -> None:
        """The module loads on these series, and on no other."""
        text = (paths.REPO / "src" / "bindings" / "compat.h").read_text(encoding="utf-8")
        first, after = (tuple(map(int, re.search(rf"#define RDEVPTS_SERIES_{name}\s+KERNEL_VERSION\((\d+), (\d+), 0\)", text).groups()))
                        for name in ("FIRST", "AFTER"))
        known = [f"{major}.{minor}" for major in range(6, 10) for minor in range(20) if first <= (major, minor) < after]
        self.assertEqual(sorted(known), sorted(kernel.SERIES))
        self.assertIn(f'#define RDEVPTS_SERIES\t\t"{" and ".join(sorted(known))}"', text)


if __name__ == "__main__":
    unittest.main()
