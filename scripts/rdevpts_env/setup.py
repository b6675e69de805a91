# SPDX-License-Identifier: GPL-2.0
"""From nothing to a root, a kernel and its KDIR; at once when all is there and whole."""

import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import host, kernel, paths
from .apt import Apt
from .fail import Fail
from .kdir import Kdir
from .kernel import TRIXIE, Choice, Kernel
from .progress import say
from .root import Compilers, Guest, Packaging, Plots, Toolchain


@dataclass(frozen=True)
class Setup:
    """What everything else stands on."""

    root: Compilers
    """The compilers of the kernel."""
    tools: Toolchain
    """What host programs are built with, runs the virtual machine, and is its user space: always of the same suites, so that
    programs fit it whatever the kernel. The same as `root` where the kernel is of these suites."""
    guest: Guest
    plots: Plots
    packaging: Packaging
    """These four are not made yet, unless `tools` is `root`: `require()` before use."""
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


def _need_space(root: Compilers, kern: Kernel, kdir: Kdir) -> None:
    """Check up front that what is to be made will fit, with the packages it is made from."""
    wanted = [(root, root.size, "the Debian root"), (kern, 0.5, "the kernel"), (kdir, 1.0, "its KDIR")]
    missing = [(size, what) for part, size, what in wanted if part.entry.fault()]
    if missing:
        host.need_space(paths.cache(), sum(size for size, _ in missing), ", ".join(what for _, what in missing))
    if not paths.BUILD.exists():
        host.need_space(paths.REPO, 1.5, "the build")


def _tools() -> Toolchain:
    """The root for everything but a kernel of other suites and its modules."""
    choice = kernel.choose(Apt(TRIXIE), None, False)[0]
    return Toolchain(Apt(TRIXIE), choice.gcc, choice.rustc)


def _prepare_one(apt: Apt, choice: Choice) -> Setup:
    if choice.suites == TRIXIE:
        root = tools = Toolchain(apt, choice.gcc, choice.rustc)
    else:
        root, tools = Compilers(apt, choice.gcc, choice.rustc), _tools()
    kern = Kernel(apt, choice)
    kdir = Kdir(root, kern)
    _need_space(root, kern, kdir)
    with kern.packages():
        lacks_source = kdir.entry.needs("source")
        if kern.entry.fault() or lacks_source:
            at_once(root.prepare, lambda: kern.fetch(lacks_source))
        else:
            root.prepare()
        kern.prepare(root)
        kern.check_rust(root.rustc())
        kdir.prepare()
    trixie = Apt(TRIXIE)
    return Setup(root, tools, Guest(trixie), Plots(trixie), Packaging(trixie), kern, kdir)


def prepare(wanted: str | None = None, suites: tuple[str, ...] = TRIXIE, fresh: bool = False) -> Setup:
    """Prepare root, kernel and KDIR: for the release `wanted`, or for the best that the archive has."""
    if platform.machine() != "x86_64":
        raise Fail(f"this is a {platform.machine()} machine: only x86_64 is supported")
    host.ensure_packages()
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


def prepare_release(release: str, fresh: bool = False) -> Setup:
    """The same for the kernel of this name, of whatever suites."""
    places = kernel.suites_of(release)
    kept = [suites for suites in places if kernel.kept(release, suites)]
    *others, last = kept or places
    for suites in others:
        try:
            return prepare(release, suites, fresh)
        except kernel.Absent as absent:
            say(f"{absent}; looking in {', '.join(last)}")
    return prepare(release, last, fresh)


def demo_setup(fresh: bool = False) -> Setup:
    """The set-up of demo, test, shell: `KERNEL=` names a release, else the rule chooses."""
    release = os.environ.get("KERNEL")
    ready = prepare_release(release, fresh) if release else prepare(fresh=fresh)
    ready.tools.require()
    return ready


def running_setup() -> Setup:
    """The set-up for the Debian kernel that runs here; `KERNEL=` names another."""
    return prepare_release(os.environ.get("KERNEL") or os.uname().release)


def build_setup() -> Setup:
    """The set-up to build with: that of the running kernel if `make kdir` was run for it, else that of the tests."""
    release = os.environ.get("KERNEL") or os.uname().release
    try:
        known = kernel.is_kept(release)
    except Fail:
        known = False
    return prepare_release(release) if known else demo_setup()


def installed_kdir() -> Path | None:
    """A build tree with Rust metadata that the running kernel's own packages brought."""
    build = Path("/lib/modules") / os.uname().release / "build"
    return build if (build / "rust/libkernel.rmeta").exists() else None
