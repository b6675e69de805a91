# SPDX-License-Identifier: GPL-2.0
"""From nothing to a root, a kernel and its KDIR; at once when all is there and whole."""

import os
import platform
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import host, kernel, paths
from .apt import Apt
from .cache import Lock
from .fail import Fail
from .kdir import Kdir
from .kernel import Choice, Kernel
from .progress import say
from .root import Guest, Packaging, Plots, Toolchain

# The suites the tests and the demonstration use, on whatever host.
SUITES = ("trixie", "trixie-backports")


@dataclass(frozen=True)
class Setup:
    """What everything else stands on."""

    root: Toolchain
    guest: Guest
    plots: Plots
    packaging: Packaging
    """These three are not made yet: `require()` before use."""
    kernel: Kernel
    kdir: Kdir


def at_once(*work: Callable[[], object]) -> None:
    """Run pieces of work side by side; the first failure is raised when all have ended."""
    failed: list[BaseException] = []

    def guard(piece) -> None:
        try:
            piece()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    threads = [threading.Thread(target=guard, args=(piece,), daemon=True) for piece in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _need_space(root: Toolchain, kern: Kernel, kdir: Kdir) -> None:
    """Check up front that what is to be made will fit, with the packages it is made from."""
    wanted = [(root, root.size, "the Debian root"), (kern, 0.5, "the kernel"), (kdir, 1.0, "its KDIR")]
    missing = [(size, what) for part, size, what in wanted if part.entry.fault()]
    if missing:
        host.need_space(paths.cache(), sum(size for size, _ in missing), ", ".join(what for _, what in missing))
    if not paths.BUILD.exists():
        host.need_space(paths.REPO, 1.5, "the build")


def _prepare_one(apt: Apt, choice: Choice) -> Setup:
    root = Toolchain(apt, choice.gcc, choice.rustc)
    kern = Kernel(apt, choice)
    kdir = Kdir(root, kern)
    _need_space(root, kern, kdir)
    lacks_source = kdir.entry.needs("source")
    if kern.entry.fault() or lacks_source:
        at_once(root.prepare, lambda: kern.fetch(lacks_source))
    else:
        root.prepare()
    kern.prepare(root)
    kern.check_rust(root.rustc())
    kdir.prepare()
    kern.drop_debs()
    return Setup(root, Guest(apt), Plots(apt), Packaging(apt), kern, kdir)


def prepare(wanted: str | None = None, suites: tuple[str, ...] = SUITES, fresh: bool = False) -> Setup:
    """Prepare root, kernel and KDIR: for the release `wanted`, or for the best that the archive has."""
    if platform.machine() != "x86_64":
        raise Fail(f"this is a {platform.machine()} machine: only x86_64 is supported")
    host.ensure_packages()
    with Lock():
        apt = Apt(suites)
        choices = kernel.choose(apt, wanted, fresh)
        for number, choice in enumerate(choices):
            try:
                setup = _prepare_one(apt, choice)
            except kernel.Unfit as unfit:
                if number + 1 == len(choices):
                    raise
                say(f"{unfit}; trying {choices[number + 1].release}")
                continue
            kernel.keep(choice, wanted)
            return setup
    raise Fail("no kernel to choose from: make update")


def demo_setup(fresh: bool = False) -> Setup:
    """The set-up of demo, test, shell and build: `KERNEL=` names a release, else the rule chooses."""
    return prepare(os.environ.get("KERNEL") or None, fresh=fresh)


def _running_suites(release: str) -> tuple[str, ...]:
    """The suites that a Debian kernel of this name comes from."""
    if not re.search(r"-(cloud-|rt-)?amd64$", release):
        raise Fail(f"{release} is not a Debian amd64 kernel: run one, or name its release with KERNEL=<release>")
    if "+deb13-" in release:
        return SUITES
    codename = host.os_release().get("VERSION_CODENAME", "sid")
    return ("sid",) if codename in ("bookworm", "trixie") else (codename,)


def running_setup() -> Setup:
    """The set-up for the Debian kernel that runs here; `KERNEL=` names another."""
    release = os.environ.get("KERNEL") or os.uname().release
    return prepare(release, _running_suites(release))


def build_setup() -> Setup:
    """The set-up to build with: that of the running kernel if `make kdir` was run for it, else that of the tests."""
    release = os.environ.get("KERNEL") or os.uname().release
    try:
        suites = _running_suites(release)
    except Fail:
        return demo_setup()
    return prepare(release, suites) if kernel.kept(release, suites) else demo_setup()


def installed_kdir() -> Path | None:
    """A build tree with Rust metadata that the running kernel's own packages brought."""
    build = Path("/lib/modules") / os.uname().release / "build"
    return build if (build / "rust/libkernel.rmeta").exists() else None
