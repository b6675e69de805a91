# SPDX-License-Identifier: GPL-2.0
"""Kernels from the stock kernel's source whose configuration is ours to choose; each is made when it is first asked for."""

import shutil
from pathlib import Path

from . import host, paths
from .build import Builder
from .cache import digest
from .fail import Fail
from .flavours import FLAVOURS
from .kdir import Tree
from .kernel import Kernel
from .root import Root

_VERSION = 2
_GIGABYTES = 3.0


class Custom(Tree):
    """A kernel of one flavour, and what modules for it are built against."""

    left_out = (
        "Documentation/*.*",
        "arch/[a-t]*/*.*",
        "arch/xtensa/*.*",
        "drivers/gpu/*.[ch]",
        "drivers/media/*.[ch]",
        "drivers/net/*/*.[ch]",
        "sound/*.[chS]",
        "tools/perf/*",
        "tools/testing/*",
    )

    def __init__(self, root: Root, kernel: Kernel, flavour: str) -> None:
        self.flavour = FLAVOURS[flavour]
        self.arch = self.flavour.arch
        self._settings = self.flavour.settings
        self._kernel = kernel
        self._label = f"{self.arch.kind}-{flavour}"
        key = digest(_VERSION, self.variables(), self._settings, self.left_out, root.entry.key, kernel.choice.version)
        super().__init__(self._label, root, kernel, key)
        self.title = f"{self.arch.title} {kernel.choice.version} ({flavour})"
        self.image = self.path / self.arch.image

    def require(self) -> None:
        """Make it unless it is there and whole. The cache is free for others meanwhile, but for the source's packages."""
        if self.entry.fault():
            host.need_space(paths.cache(), _GIGABYTES, self.title)
        self.entry.make(
            [("source", self._fetch_source), ("build", self._build)],
            lambda: [f"build/{name}" for name in (".config", "Module.symvers", self.arch.image,
                                                  "rust/libkernel.rmeta", "scripts/mod/modpost")],
        )

    def _fetch_source(self) -> None:
        with self._kernel.packages():
            self._kernel.fetch(source=True)
            self._unpack()

    def variables(self) -> list[str]:
        """What every `make` against this tree must be told."""
        compiler = [] if self.flavour.has("CC_IS_CLANG") else super().variables()
        return [*compiler, *self.flavour.variables]

    def _configure(self, log: Path) -> None:
        wanted = self.path / "wanted.config"
        wanted.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in self._settings.items()), encoding="utf-8")
        self._make([f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig"], log)
        lines = (self.path / ".config").read_text(encoding="utf-8").splitlines()
        have = dict(line.removeprefix("CONFIG_").split("=", 1) for line in lines if line.startswith("CONFIG_"))
        missing = [name for name, value in self._settings.items() if have.get(name, "n") != value]
        if missing:
            raise Fail(f"{self.title}: this source cannot be configured with {', '.join(missing)} (see {log})")

    def _allow_sanitizer(self) -> None:
        """Let rustc instrument for KCSAN: it refuses what the target does not list, and the kernel, which has no flags of its
        own for this, does not list it."""
        generator = self.source / "scripts/generate_rust_target.rs"
        text = generator.read_text(encoding="utf-8")
        listed = 'ts.push("supported-sanitizers", ["kcfi"'
        if '"thread"' in text:
            return
        if listed not in text:
            raise Fail(f"{self.title}: the list of sanitizers is not where it was in {generator}")
        generator.write_text(text.replace(listed, f'{listed}, "thread"'), encoding="utf-8")

    def _build(self) -> None:
        self.path.mkdir(exist_ok=True)
        log = paths.logs() / f"{self._label}.log"
        if self.flavour.has("KCSAN"):
            self._allow_sanitizer()
        with self._root.entry.in_use():
            self._configure(log)
            self._make([self.arch.target, "modules_prepare"], log)
        # A kernel without modules of its own has no list of what it exports, but for that of the whole.
        if not (self.path / "Module.symvers").exists():
            shutil.copy(self.path / "vmlinux.symvers", self.path / "Module.symvers")

    def module(self, builder: Builder) -> Path:
        """Build rdevpts for it."""
        out = paths.BUILD / self._label
        argv = ["make", f"KDIR={self.path}", f"OUT={out}", *self.variables(), "modules"]
        builder.step(f"the module for {self.title}", argv, [self.entry.path])
        return out / "rdevpts.ko"
