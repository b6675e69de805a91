# SPDX-License-Identifier: GPL-2.0
"""The sources of the suites, as the archive has them, and what is built from them: an entry of the cache for each suite."""

import hashlib
from pathlib import Path

from .. import paths
from ..apt import Apt
from ..cache import Entry, digest, remove_tree
from ..fail import Fail, explain
from ..kernel import TRIXIE
from ..progress import Step, run_logged
from ..root import environment
from ..setup import Setup
from .suite import Suite

# Raise this to have everything fetched and built again.
_VERSION = 1


class Source:
    """What one suite finds in $SUITE."""

    def __init__(self, setup: Setup, suite: Suite) -> None:
        self._setup = setup
        self._suite = suite
        self._apt = Apt(TRIXIE[:1], "deb-src")
        self._log = paths.logs() / f"conformance-{suite.name}-build.log"
        inputs = [suite.list("source"), suite.list("debian"), suite.build]
        if suite.build:
            inputs.append(setup.guest.entry.key)
        if "linux" in suite.list("source"):
            inputs.append(setup.kdir.entry.key)
        self.entry = Entry("suite", suite.name, digest(_VERSION, *inputs))
        self.path = self.entry.path / "suite"

    def prepare(self) -> None:
        """Fetch and build unless all is there and whole."""
        if self.entry.fault() is None:
            return
        steps = [("fetch", self._fetch), ("unpack", self._unpack), ("build", self._build)]
        self.entry.make(steps, list, lambda: {"sources": self._sources()})
        remove_tree(self._archives)

    def sources(self) -> dict[str, str]:
        """The archives that this was made from, and their digests."""
        return self.entry.info().get("sources", {})

    @property
    def _archives(self) -> Path:
        return paths.cache() / "suite" / f"{self._suite.name}.archives"

    def _sources(self) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(self._archives.glob("*/*"))}

    def _fetch(self) -> None:
        parts = [(name, "--tar-only") for name in self._suite.list("source") if name != "linux"]
        parts += [(name, "--diff-only") for name in self._suite.list("debian")]
        remove_tree(self._archives)
        self._archives.mkdir(parents=True)
        for name, part in parts:
            with Step(f"source of {name}{' (what Debian adds)' if part == '--diff-only' else ''}"):
                self._apt.fetch_source(name, part, self._archives / f"{name}{part}")

    def _unpack(self) -> None:
        script = """
            for archive in "$2"/*/*.tar.*; do
                [ -f "$archive" ] || continue
                name=$(basename "$(dirname "$archive")")
                case $name in
                *--tar-only) tree=$1/${name%--tar-only}; strip=1 ;;
                *) tree=$1/${name%--diff-only}; strip=0 ;;
                esac
                mkdir -p "$tree"
                tar -xf "$archive" -C "$tree" --strip-components=$strip --no-same-owner
            done
        """
        remove_tree(self.path)
        self.path.mkdir(parents=True)
        self._run("unpacking", ["sh", "-ec", script, "sh", str(self.path), str(self._archives)], [self._archives])

    def _build(self) -> None:
        if not self._suite.build:
            return
        script = f'{self._suite.build}\nset -e\ncd "$1"\nKERNEL_SOURCE=$2\nbuild'
        with Step(f"build of {self._suite.name}"):
            self._run("building", ["sh", "-c", script, "sh", str(self.path), str(self._setup.kdir.source)],
                      [self._setup.kdir.entry.path])

    def _run(self, what: str, argv: list[str], readable: list[Path]) -> None:
        command = self._setup.guest.command(argv, [self.entry.path], readable)
        status, tail = run_logged(command, self._log, append=True, env=environment())
        if status:
            raise Fail(f"{what} {self._suite.name}: {explain(tail) or f'failed, see {self._log}'}")
