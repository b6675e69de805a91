# SPDX-License-Identifier: GPL-2.0
"""What jobs run on: the stock kernel under QEMU, or kernels with checkers, on User Mode Linux or under QEMU."""

import os
from pathlib import Path
from typing import Protocol

from . import accel, paths, races
from .build import Builder
from .custom import Custom
from .fail import Fail
from .flavours import UML
from .guest import Guest, Outcome
from .root import Root
from .tally import Tally
from .uml import UmlMachine
from .vm import Machine


# How much longer a job may take under checkers.
_SLOWER = 8


class Platform(Protocol):
    """One kernel, with the module built for it, and what boots it."""

    name: str
    """What jobs call it, in their field `kernel`."""
    tag: str
    """What it is called in results and names of logs; empty for the one that needs no mention."""

    def supplies(self) -> dict[str, Path]:
        """Everything that a job can need: its name in the share, and where it was built."""

    def machine(self, label: str, root: Root | None, **options) -> Guest:
        """One boot. `root`: what the guest has as its root, if not that of the tool chain; the options are those of
        `Guest`."""

    def hear(self, name: str, job: str, fstype: str, outcome: Outcome) -> None:
        """Take what the kernel said without dying of it, when a boot of `job`, called `name` in results, is over."""


def _programs(builder: Builder) -> dict[str, Path]:
    """What is the same for all."""
    found = {"programs": paths.REPO / "tests" / "programs"}
    if builder.programs.is_dir():
        for path in sorted(builder.programs.iterdir()):
            if path.is_file() and os.access(path, os.X_OK):
                found[f"bin/{path.name}"] = path
    return found


class Stock:
    """The stock kernel."""

    name = "stock"

    def __init__(self, builder: Builder, accel: str, tag: str = "") -> None:
        self.tag = tag
        self._builder = builder
        self._accel = accel

    def supplies(self) -> dict[str, Path]:
        """Everything that a job can need."""
        products = self._builder.products
        return {
            "rdevpts.ko": products / "rdevpts.ko",
            "racypts.ko": products / "racypts" / "racypts.ko",
            "onepty.ko": products / "onepty" / "onepty.ko",
            **_programs(self._builder),
        }

    def machine(self, label: str, root: Root | None, **options) -> Guest:
        """One boot."""
        return Machine(label, setup=self._builder.setup, accel=self._accel, root=root, **options)

    def hear(self, name: str, job: str, fstype: str, outcome: Outcome) -> None:
        """It dies of everything."""


class Checked:
    """A kernel with checkers."""

    def __init__(self, builder: Builder, flavour: str) -> None:
        self.name = flavour
        self.tag = flavour
        self._builder = builder
        self._kernel = Custom(builder.setup.root, builder.setup.kernel, flavour)
        self._module: Path | None = None
        self._races = races.Judge(races.known()) if self._kernel.flavour.has("KCSAN") else None

    def prepare(self) -> str:
        """Make the kernel and the module for it; what it is."""
        self._kernel.require()
        self._module = self._kernel.module(self._builder)
        return self._kernel.title

    def supplies(self) -> dict[str, Path]:
        """Everything that a job can need."""
        module = {"rdevpts.ko": self._module} if self._module else {}
        return module | _programs(self._builder)

    def machine(self, label: str, root: Root | None, **options) -> Guest:
        """One boot. Checkers remember much, and take their time."""
        options["memory"] = max(options.get("memory", 0), 1536)
        options["timeout"] = _SLOWER * options.get("timeout", Guest.timeout)
        setup = self._builder.setup
        if root:
            raise Fail(f"{label}: the {self.name} kernel has no other root than that of the tool chain")
        if self._kernel.arch is UML:
            return UmlMachine(label, kernel=self._kernel, root=setup.root, **options)
        # It reports the stock kernel's own races as well: they are judged when it is over.
        fatal = options.pop("fatal", True) and not self._races
        env = options.pop("env", {}) | {"RELEASE": self._kernel.title}
        return Machine(label, setup=setup, accel=accel.choose(setup), image=self._kernel.image, fatal=fatal, env=env, **options)

    def hear(self, name: str, job: str, fstype: str, outcome: Outcome) -> None:
        """Races."""
        if self._races:
            self._races.hear(name, job, fstype, outcome.console)

    def open(self) -> set[str]:
        """The jobs that are to run on devpts again, before there is a verdict."""
        return self._races.open() if self._races else set()

    def verdict(self, tally: Tally) -> None:
        """What counts of all that was heard."""
        if self._races:
            self._races.verdict(tally)
