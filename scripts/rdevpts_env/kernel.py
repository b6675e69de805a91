# SPDX-License-Identifier: GPL-2.0
"""Which stock kernel to use, and its packages.

The archive moves: versions come, stay a while, and go. The choice follows a rule, is made once, and is kept until
`make update` or until the cache is gone.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import paths
from .apt import Apt, Package
from .cache import Entry, Lock, digest, remove_tree
from .fail import Fail
from .progress import Step
from .root import Root

# Series that this module is known to build for and run on, best first.
SERIES = ("7.3", "7.2")
FLAVOUR = "cloud-amd64"

# The suites that are looked through for a kernel, by what its name says of the distribution it was built for; the first are
# those that tests and demonstration use, on whatever host.
TRIXIE = ("trixie", "trixie-backports")
FORKY = ("forky",)
_SID = ("sid",)
SUITES = (TRIXIE, FORKY, _SID)
_BUILT_FOR = {"+deb13": (TRIXIE,), "+deb14": (FORKY, _SID)}

_VERSION = 1
_RELEASE = re.compile(r"^linux-headers-((\d+)\.(\d+)\.(\d+)[^-]*-((?:cloud-|rt-)?amd64))$")


@dataclass(frozen=True)
class Choice:
    """One stock kernel of the archive."""

    release: str
    version: str
    series: str
    gcc: str
    suites: tuple[str, ...]
    rustc: str
    """Debian's version of rustc in these suites: what the root was, or will be, made with."""

    @property
    def localversion(self) -> str:
        """What the release has after the upstream version."""
        return re.sub(r"^\d+\.\d+\.\d+", "", self.release)

    @property
    def flavour(self) -> str:
        """What the release ends in: `amd64`, with what it is for before that."""
        return self.release.partition("-")[2]


def _packages(index: list[Package], release: str, version: str, series: str) -> list[Package] | None:
    """The packages needed of one kernel, all of the same Debian version, or None if one is not there."""
    have = {(package.name, package.version): package for package in index}
    image = [f"linux-binary-{release}", f"linux-binary-unsigned-{release}", f"linux-image-{release}"]
    binary = next((have[name, version] for name in image if (name, version) in have), None)
    wanted = [have.get((name, version)) for name in
              (f"linux-headers-{release}", f"linux-modules-{release}", f"linux-source-{series}")]
    if not binary or not all(wanted):
        return None
    # The lists of built-in modules, which depmod reads.
    lists = have.get((f"linux-base-{release}", version))
    return [binary, *wanted, *([lists] if lists else [])]


def candidates(index: list[Package], suites: tuple[str, ...], rustc: str) -> list[Choice]:
    """Every complete stock kernel of the index, the newest of the best series first."""
    found = []
    for package in index:
        match = _RELEASE.match(package.name)
        if not match:
            continue
        release, major, minor, patch, _flavour = match.groups()
        series = f"{major}.{minor}"
        compiler = re.search(r"\bgcc-(\d+)\b", package.depends)
        if not compiler or not _packages(index, release, package.version, series):
            continue
        choice = Choice(release, package.version, series, f"gcc-{compiler[1]}", suites, rustc)
        revision = [int(number) for number in re.findall(r"\d+", package.version)]
        rank = -SERIES.index(series) if series in SERIES else -len(SERIES)
        found.append(((rank, int(major), int(minor), int(patch), revision), choice))
    return [choice for _rank, choice in sorted(found, key=lambda pair: pair[0], reverse=True)]


def suites_of(release: str) -> tuple[tuple[str, ...], ...]:
    """Where to look for a kernel of this name: suites that go together, the best first.

    Fails if it is no Debian kernel for this machine.
    """
    if not re.search(r"-(cloud-|rt-)?amd64$", release):
        raise Fail(f"{release} is not a Debian amd64 kernel: run one, or name its release with KERNEL=<release>")
    return next((suites for mark, suites in _BUILT_FOR.items() if f"{mark}-" in release), (_SID,))


def _record(wanted: str | None, suites: tuple[str, ...]) -> Path:
    return paths.cache() / "choice" / f"{wanted or FLAVOUR}-{suites[0]}.json"


def kept(wanted: str | None, suites: tuple[str, ...]) -> Choice | None:
    """The choice that `keep` was called with, if any."""
    try:
        fields = json.loads(_record(wanted, suites).read_text(encoding="utf-8"))
        return Choice(**(fields | {"suites": tuple(fields["suites"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_kept(release: str) -> bool:
    """Whether `keep` was called for the kernel of this name."""
    return any(kept(release, suites) for suites in suites_of(release))


def forget(release: str) -> None:
    """The opposite of `keep`."""
    for suites in suites_of(release):
        _record(release, suites).unlink(missing_ok=True)


def _records(suites: tuple[str, ...]) -> Iterator[tuple[Path, Choice]]:
    for record in sorted(_record(None, suites).parent.glob(f"*-{suites[0]}.json"), reverse=True):
        known = kept(record.name.removesuffix(f"-{suites[0]}.json"), suites)
        if known:
            yield record, known


def keep(choice: Choice, wanted: str | None) -> None:
    """Remember a choice that has proved good. All kernels of the same suites share the root of that compiler: what was chosen
    with another is chosen anew."""
    if kept(wanted, choice.suites) == choice:
        return
    with Lock("choices"):
        for other, known in _records(choice.suites):
            if known.rustc != choice.rustc:
                other.unlink()
        record = _record(wanted, choice.suites)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(asdict(choice)), encoding="utf-8")


def available(apt: Apt, fresh: bool = False) -> list[Choice]:
    """Every complete stock kernel that these suites have now, the newest of the best series first.

    They are for the compiler of a kernel that `keep` was called with, if there is one and unless `fresh`: one root does for all.
    """
    with apt.lock():
        with Step(f"package lists ({', '.join(apt.suites)})"):
            apt.update()
        rustc = " ".join(sorted({package.version for package in apt.index("rustc") if package.name == "rustc"}))
        known = None if fresh else next((choice for _record, choice in _records(apt.suites)), None)
        return candidates(apt.index("linux-"), apt.suites, known.rustc if known else rustc)


def choose(apt: Apt, wanted: str | None, fresh: bool) -> list[Choice]:
    """The kernels to try, best first: `wanted`, a release, alone; or by rule the newest of the known series.

    Unless `fresh`, the one that `keep` was called with is the choice.
    """
    known = None if fresh else kept(wanted, apt.suites)
    if known:
        return [known]
    every = available(apt, fresh)
    stock = [choice for choice in every if choice.series in SERIES and choice.release.endswith(f"-{FLAVOUR}")]
    if wanted:
        fitting = [choice for choice in every if choice.release == wanted]
        if not fitting:
            names = ", ".join(choice.release for choice in stock) or "none"
            raise Absent(f"kernel {wanted} is not complete in the archive (headers, modules, image and source of one "
                         f"version); there are: {names}")
        return fitting[:1]
    if not stock:
        raise Fail(f"no stock kernel of series {' or '.join(SERIES)} ({FLAVOUR}) in {', '.join(apt.suites)}: "
                   "name another with KERNEL=<release>")
    return stock


class Unfit(Fail):
    """A kernel that this module cannot be built for."""


class Absent(Fail):
    """A kernel that the archive does not have."""


class Kernel:
    """The unpacked packages of one stock kernel: image, modules, configuration; the source stays packed."""

    def __init__(self, apt: Apt, choice: Choice) -> None:
        self._apt = apt
        self.choice = choice
        self.entry = Entry("kernel", choice.release, digest(_VERSION, choice.version))
        self.path = self.entry.path
        self.debs = paths.cache() / "debs" / f"{choice.release}_{choice.version}"
        self.image = self.path / "vmlinuz"
        self.config = self.path / "config"
        self.symvers = self.path / "Module.symvers"
        self.modules = self.path / "modules"  # as /lib/modules

    def fetch(self, source: bool) -> None:
        """Fetch the packages that are still to be unpacked, with that of the source or without."""
        with self._apt.lock():
            packages = _packages(self._apt.index("linux-"), self.choice.release, self.choice.version, self.choice.series)
            if not packages:
                raise Fail(f"kernel {self.choice.release} ({self.choice.version}) is no longer in the archive: make update")
            whole = self.entry.fault() is None
            wanted = [p for p in packages if (source if p.name.startswith("linux-source-") else not whole)]
            if wanted:
                with Step(f"kernel packages of {self.choice.release} ({sum(p.size for p in wanted) / 1e6:.0f} MB)"):
                    self._apt.download(wanted, self.debs)

    def deb(self, name: str) -> Path:
        """A fetched package."""
        return next(self.debs.glob(f"{name}_*.deb"))

    @contextlib.contextmanager
    def packages(self) -> Iterator[None]:
        """To be held while its packages are fetched and unpacked; they are removed in the end."""
        with Lock(f"packages of {self.choice.release}"):
            yield
            remove_tree(self.debs)

    def prepare(self, root: Root) -> None:
        """Unpack image, modules and configuration unless they are there and whole."""
        self.entry.make([("unpack", lambda: self._unpack(root))], lambda: ["vmlinuz", "config", "Module.symvers"])

    def _unpack(self, root: Root) -> None:
        tree = self.path / "unpacked"
        remove_tree(tree)
        for deb in sorted(self.debs.glob("*.deb")):
            if not deb.name.startswith("linux-source-"):
                subprocess.run(["dpkg-deb", "-x", str(deb), str(tree)], check=True)
        release = self.choice.release
        headers = tree / "usr/src" / f"linux-headers-{release}"
        images = [tree / "usr/lib/modules" / release / "vmlinuz", tree / "boot" / f"vmlinuz-{release}"]
        shutil.copy(next(image for image in images if image.exists()), self.image)
        shutil.copy(headers / ".config", self.config)
        shutil.copy(headers / "Module.symvers", self.symvers)
        base = tree if (tree / "lib/modules").exists() else tree / "usr"
        root.output(["depmod", "-b", str(base), release], [self.path])
        remove_tree(self.modules)
        os.rename(base / "lib/modules", self.modules)
        remove_tree(tree)

    def setting(self, name: str) -> str:
        """The value of a configuration setting; empty if it is not set."""
        found = re.search(rf"^{name}=(.*)$", self.config.read_text(encoding="utf-8"), re.M)
        return found[1].strip('"') if found else ""

    def check_rust(self, rustc: str) -> None:
        """Refuse a kernel without Rust, or one made by another compiler than the root has."""
        if self.setting("CONFIG_RUST") != "y":
            raise Unfit(f"kernel {self.choice.release} has no CONFIG_RUST=y: choose another with KERNEL=<release>")
        wanted = self.setting("CONFIG_RUSTC_VERSION_TEXT")
        if wanted != rustc:
            raise Unfit(f"kernel {self.choice.release} was built by '{wanted}', the Debian root has '{rustc}': "
                       "make update, or choose another with KERNEL=<release>")

    @property
    def compiler(self) -> str:
        """The C compiler that the kernel was built with."""
        return self.setting("CONFIG_CC_VERSION_TEXT").split(" ")[0] or self.choice.gcc
