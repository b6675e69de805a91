# SPDX-License-Identifier: GPL-2.0
"""Building in the Debian root: the modules by the Makefile, the host programs by cargo."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import paths
from .fail import Fail, explain
from .progress import Step, run_logged
from .root import environment
from .setup import Setup


class Builder:
    """Builds for one set-up. Sources are writable inside for Cargo.lock alone; products go to build/."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.products = paths.BUILD / setup.kernel.choice.release
        self.programs = paths.BUILD / "cargo" / "release"

    def _env(self) -> dict[str, str]:
        cargo = paths.cache() / "cargo"
        cargo.mkdir(parents=True, exist_ok=True)
        return environment(CARGO_HOME=str(cargo), CARGO_TARGET_DIR=str(paths.BUILD / "cargo"), CARGO_TERM_COLOR="never",
                           KDIR=str(self.setup.kdir.path))

    def inside(self, argv: list[str], readable: Sequence[Path] = ()) -> list[str]:
        """The command line that runs `argv` in the sources, with the KDIR and what else it reads at hand: `make`, which
        builds for the kernel, in the root of the kernel's compilers, all else in that of the tools."""
        cargo = paths.cache() / "cargo"
        cargo.mkdir(parents=True, exist_ok=True)
        root = self.setup.root if argv[0] == "make" else self.setup.tools
        return root.command(argv, [paths.REPO, cargo], [self.setup.kdir.entry.path, *readable],
                                       cwd=paths.REPO)

    def make(self, *targets: str) -> list[str]:
        """The command line of the Makefile's own targets against the KDIR."""
        return ["make", f"KDIR={self.setup.kdir.path}", *self.setup.kdir.variables(), *targets]

    def call(self, argv: list[str]) -> int:
        """Run with the output on this terminal."""
        return subprocess.call(self.inside(argv), env=self._env())

    def logged(self, argv: list[str], log: Path, on_line: Callable[[str], None] | None = None,
               readable: Sequence[Path] = ()) -> tuple[int, str]:
        """Run with the output in a file."""
        return run_logged(self.inside(argv, readable), log, on_line, env=self._env())

    def step(self, what: str, argv: list[str], readable: Sequence[Path] = ()) -> None:
        """Run one step of a build whose failure ends everything, with its last lines on the screen then."""
        log = paths.logs() / f"build-of-{re.sub(r'[^a-z0-9]+', '-', what.lower())}.log"
        with Step(f"build of {what}"):
            status, tail = self.logged(argv, log, readable=readable)
        if status:
            print("\n".join(tail.splitlines()[-15:]))
            raise Fail(f"build of {what}: {explain(tail) or f'failed, see {os.path.relpath(log, paths.REPO)}'}")

    def require(self, *programs: str) -> None:
        """Build the module for the stock kernel, and these of the host programs."""
        self.step("the module", self.make("modules"))
        for program in programs:
            self.step(program, ["cargo", "build", "--release", "-p", program, self.jobs()])

    def jobs(self) -> str:
        """As many processes as there are processors."""
        return f"-j{os.cpu_count() or 1}"
