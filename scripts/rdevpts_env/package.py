# SPDX-License-Identifier: GPL-2.0
"""`make deb`: the Debian package, built and checked in a root that has what this takes."""

import re
import shutil
import subprocess
from pathlib import Path

from . import host, paths
from .apt import Apt
from .cache import remove_tree
from .fail import Fail, explain
from .kernel import TRIXIE
from .progress import Step, run_logged, say
from .root import Packaging, environment

RESULT = paths.BUILD / "deb"


def version() -> str:
    """The version of everything here."""
    return re.search(r'^version = "(.*)"$', (paths.REPO / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]


def _sources(root: Packaging) -> list[str]:
    """What is part of the sources: what git has or would take, or all but what is built where this is no checkout."""
    if (paths.REPO / ".git").exists():
        # The root's git: this machine may have none.
        command, env = root.over_sources(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        listed = subprocess.run(command, capture_output=True, text=True, env=env)
        if listed.returncode:
            raise Fail(f"git does not list the sources: {listed.stderr.strip()[-200:]}")
        return sorted(name for name in set(listed.stdout.split("\0")) - {""} if (paths.REPO / name).is_file())
    tops = [item for item in paths.REPO.iterdir() if item.name not in ("build", "target")]
    files = [file for top in tops for file in (top.rglob("*") if top.is_dir() else [top]) if file.is_file()]
    return sorted(str(file.relative_to(paths.REPO)) for file in files)


def _unpack(root: Packaging, tree: Path) -> None:
    for name in _sources(root):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(paths.REPO / name, target)


def build(root: Packaging) -> Path:
    """Build source and binary package, and check both; the binary one is returned."""
    root.require()
    remove_tree(RESULT)
    tree = RESULT / f"rdevpts-{version()}"
    _unpack(root, tree)

    def run(what: str, argv: list[str]) -> None:
        log = paths.logs() / f"deb-{argv[0]}.log"
        with Step(what):
            status, tail = run_logged(root.command(argv, [RESULT], cwd=tree), log, env=environment())
        if status:
            print("\n".join(tail.splitlines()[-15:]))
            raise Fail(f"{what}: {explain(tail) or f'failed, see {log}'}")

    # Without a check that build-essential is there: nothing is compiled.
    run("build of the Debian package", ["dpkg-buildpackage", "-us", "-uc", "-d"])
    changes = next(RESULT.glob("*.changes"))
    run("lintian", ["lintian", "--display-info", "--pedantic", "--fail-on=error,warning,info,pedantic", str(changes)])
    remove_tree(tree)
    return next(RESULT.glob("rdevpts-dkms_*.deb"))


def run() -> int:
    """Build it, and say where it is."""
    host.ensure_packages()
    say(f"ready: {build(Packaging(Apt(TRIXIE))).relative_to(paths.REPO)}")
    return 0
