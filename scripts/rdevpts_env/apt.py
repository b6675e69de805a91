# SPDX-License-Identifier: GPL-2.0
"""A private apt: lists and packages of a Debian suite, beside the host's own configuration and never touching it.

Signatures are checked by apt as always. It needs no rights, and runs beside the making of the root.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from . import host, paths
from .cache import Lock
from .fail import Fail, explain
from .progress import run_logged


@dataclass(frozen=True)
class Package:
    """One version of one package in the archive's index."""

    name: str
    version: str
    depends: str
    size: int


class Apt:
    """The archive, as seen with the suites of one Debian release."""

    _updated: ClassVar[set[Path]] = set()

    def __init__(self, suites: tuple[str, ...], kind: str = "deb") -> None:
        """`kind` is deb, for binary packages, or deb-src, for source packages."""
        self.suites = suites
        self._kind = kind
        self._dir = paths.cache() / "apt" / (suites[0] if kind == "deb" else f"{suites[0]}-{kind}")
        self._log = paths.logs() / "apt.log"

    def lock(self) -> Lock:
        """To be held by who uses it."""
        return Lock(f"apt {self._dir.name}")

    @property
    def mirror(self) -> str:
        """The archive's address."""
        return host.mirror()

    def sources(self) -> list[str]:
        """The sources in apt's one-line format."""
        return [f"{self._kind} {self.mirror} {suite} main" for suite in self.suites]

    def _environment(self) -> dict[str, str]:
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self._dir / sub).mkdir(parents=True, exist_ok=True)
        signed = [line.replace(" ", f" [arch=amd64 signed-by={host.KEYRING}] ", 1) for line in self.sources()]
        (self._dir / "sources.list").write_text("\n".join(signed) + "\n", encoding="utf-8")
        (self._dir / "status").touch()
        options = {
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourcelist": self._dir / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": self._dir / "state",
            "Dir::State::status": self._dir / "status",
            "Dir::Cache": self._dir / "cache",
        }
        lines = [f'{name} "{value}";' for name, value in options.items()] + host.apt_options()
        config = self._dir / "apt.conf"
        config.write_text("\n".join(lines) + '\nAPT::Architectures { "amd64"; };\n', encoding="utf-8")
        return dict(os.environ, APT_CONFIG=str(config), LC_ALL="C.UTF-8")

    def _apt_get(self, what: str, *arguments: str, cwd: Path | None = None) -> None:
        status, tail = run_logged(["apt-get", "-q", *arguments], self._log, append=True, env=self._environment(), cwd=cwd)
        # apt-get update ends 0 when it could fetch nothing.
        if status or re.search(r"^(E:|W: Failed to fetch|Err:)", tail, re.M):
            raise Fail(f"{what} ({self.mirror}): {explain(tail) or f'apt-get failed, see {self._log}'}")

    def update(self) -> None:
        """Fetch the lists anew; once in a run will do."""
        if self._dir not in self._updated:
            self._apt_get("fetching the package lists", "update")
            self._updated.add(self._dir)

    def index(self, prefix: str) -> list[Package]:
        """Every version of every package whose name starts with `prefix`, in the newest of the suites that has them."""
        env = self._environment()
        targets = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"],
            env=env, capture_output=True, text=True,
        ).stdout.split()
        found = []
        for target in targets:
            text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", target], env=env, capture_output=True,
                                  text=True).stdout
            for block in text.split("\n\n"):
                if not block.startswith(f"Package: {prefix}"):
                    continue
                fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " ")
                found.append(Package(fields["Package"], fields["Version"], fields.get("Depends", ""),
                                     int(fields.get("Size", "0"))))
        return found

    def download(self, packages: list[Package], into: Path) -> None:
        """Fetch packages, verified, into a directory. What is there already is not fetched again."""
        into.mkdir(parents=True, exist_ok=True)
        names = [f"{package.name}={package.version}" for package in packages]
        self._apt_get("fetching the kernel packages", "download", *names, cwd=into)

    def fetch_source(self, name: str, part: str, into: Path) -> None:
        """Fetch one part of a source package (`--tar-only`: upstream's, `--diff-only`: Debian's), verified, into a
        directory."""
        if not any((self._dir / "state/lists").glob("*_Sources*")):
            self.update()
        into.mkdir(parents=True, exist_ok=True)
        self._apt_get(f"fetching the source of {name}", "source", "--download-only", part, name, cwd=into)
