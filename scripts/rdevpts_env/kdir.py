# SPDX-License-Identifier: GPL-2.0
"""The KDIR: a build tree for modules in Rust, which Debian's headers packages are not.

They carry the configuration and Module.symvers, but no Rust metadata. It is regenerated from the kernel's source with
the same compilers; the result fits the unmodified kernel, since symbol hashes depend on crates, their metadata and the
compiler's version, not on paths. The tree is made at its final place, because it holds its own path.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import paths
from .cache import Entry, digest
from .fail import Fail, explain
from .kernel import Kernel
from .progress import Step, run_logged
from .root import Root, environment

_VERSION = 1
# How a source is unpacked and prepared; the Debian package has it, too.
_RECIPE = paths.REPO / "scripts" / "rust-metadata"

# Parts of the source that no build of a module reads (anchored at the top of the tree): they are most of it.
_LEFT_OUT = (
    "Documentation/*.*",
    "arch/[a-wyz]*/*.*",
    "arch/xtensa/*.*",
    "drivers/*.[cS]",
    "drivers/gpu/*.h",
    "drivers/media/*.h",
    "drivers/net/*.h",
    "fs/*.c",
    "net/*.c",
    "sound/*.[chS]",
    "tools/perf/*",
    "tools/testing/[!s]*",
    "tools/testing/selftests/[!fkt]*",
)
_ESSENTIAL = (
    "build/.config",
    "build/Module.symvers",
    "build/rust/libcore.rmeta",
    "build/rust/libkernel.rmeta",
    "build/rust/libmacros.so",
    "build/scripts/mod/modpost",
)


class Tree:
    """The source of one kernel, less what `left_out` says, and a build tree beside it."""

    title: str
    """What it is, for people."""
    left_out: tuple[str, ...]

    def __init__(self, kind: str, root: Root, kernel: Kernel, key: str) -> None:
        self._root = root
        self._kernel = kernel
        self.entry = Entry(kind, f"{kernel.choice.suites[0]}-{kernel.choice.release}", key)
        self.source = self.entry.path / "source"
        self.path = self.entry.path / "build"

    def _run(self, what: str, argv: Sequence[str], log: Path, detail=None, readable: Sequence[Path] = ()) -> None:
        command = self._root.command(argv, [self.entry.path], [paths.REPO, *readable])
        status, tail = run_logged(command, log, detail, env=environment())
        if status:
            raise Fail(f"{what}: {explain(tail) or f'failed, see {log}'}")

    def _unpack(self) -> None:
        deb = self._kernel.deb(f"linux-source-{self._kernel.choice.series}")
        with Step(f"source of {self._kernel.choice.release}"):
            self._run("unpacking the kernel's source", [str(_RECIPE), "unpack", str(deb), str(self.source), *self.left_out],
                      paths.logs() / "source.log", readable=[self._kernel.debs])

    def variables(self) -> list[str]:
        """What every `make` against this tree must be told."""
        return [f"CC={self._kernel.compiler}"]

    def _watched(self, argv: Sequence[str], log: Path) -> None:
        """Run what makes the tree, with what it is at on the screen."""
        with Step(self.title) as step:

            def detail(line: str) -> None:
                words = line.split()
                if line.startswith("  ") and len(words) >= 2:
                    step.detail = f"({words[0]} {words[-1].removeprefix(str(self.path) + '/')})"

            self._run(f"preparing the {self.title}", argv, log, detail)

    def _make(self, targets: Sequence[str], log: Path) -> None:
        jobs = os.cpu_count() or 1
        self._watched(["make", "-C", str(self.source), f"O={self.path}", f"-j{jobs}", *self.variables(), *targets], log)


class Kdir(Tree):
    """The prepared build tree of one kernel."""

    left_out = _LEFT_OUT

    def __init__(self, root: Root, kernel: Kernel) -> None:
        super().__init__("kdir", root, kernel, digest(_VERSION, _LEFT_OUT, root.entry.key, kernel.choice.version))
        self.title = f"KDIR of {kernel.choice.release} (Rust metadata)"

    def prepare(self) -> None:
        """Make the tree unless it is there and whole."""
        self.entry.make([("source", self._unpack), ("build", self._build)], lambda: list(_ESSENTIAL))

    def variables(self) -> list[str]:
        """What every `make` against this tree must be told."""
        return [*super().variables(), f"LOCALVERSION={self._kernel.choice.localversion}"]

    def _build(self) -> None:
        self.path.mkdir(exist_ok=True)
        shutil.copy(self._kernel.config, self.path / ".config")
        log = paths.logs() / "kdir.log"
        self._watched([str(_RECIPE), "prepare", str(self.source), str(self.path), *self.variables()], log)
        release = (self.path / "include/config/kernel.release").read_text(encoding="utf-8").strip()
        if release != self._kernel.choice.release:
            raise Fail(f"the KDIR came out as {release}, not {self._kernel.choice.release}: see {log}")
        shutil.copy(self._kernel.symvers, self.path / "Module.symvers")
