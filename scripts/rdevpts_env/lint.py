# SPDX-License-Identifier: GPL-2.0
"""What no compiler looks at: the pages, the manual and the Debian package are made without a warning, shell scripts are sound,
every file has a licence. In a Debian root of its own."""

from collections.abc import Sequence
from pathlib import Path

from . import package, paths
from .fail import Fail, explain
from .progress import Step, run_logged
from .setup import Setup, demo_setup
from .tally import Tally

_PAGES = paths.REPO / "Documentation"
HTML = paths.BUILD / "html"

CHECKS: dict[str, list[str]] = {
    "Documentation as pages": ["sphinx-build", "-q", "-W", "--keep-going", "-d", "/tmp/doctrees", str(_PAGES), str(HTML)],
    # Below a warning it says that pages of others are not here.
    "manual pages": ["mandoc", "-T", "lint", "-W", "warning", *map(str, sorted(_PAGES.glob("man/*.[1-9]")))],
    "shell scripts": ["sh", "-c", "{ git grep -lE '^#!/bin/sh'; git ls-files '*.sh'; } | sort -u | xargs shellcheck -s sh"],
    "licences": ["reuse", "lint"],
    # REUSE.toml speaks for all; the line in each file is for people, and for the kernel's tools. What programs write has none, nor
    # have files of Debian's that have no comments.
    "licence lines": ["sh", "-c", "without=$(git grep -L 'SPDX-License-Identifier: GPL-2.0' -- . "
                      "':!*Cargo.lock' ':!*.svg' ':!LICENSES' ':!src/proptest-regressions' ':!tools/lspts/tests/golden' "
                      "':!debian/changelog' ':!debian/copyright' ':!debian/source/format'); status=$?; "
                      "echo \"$without\"; test $status -le 1 && test -z \"$without\""],
}
"""What is run, and must end with 0."""


def _run(ready: Setup, argv: Sequence[str], log: Path) -> tuple[int, str]:
    paths.BUILD.mkdir(exist_ok=True)
    command, env = ready.packaging.over_sources(argv)
    return run_logged(command, log, env=env)


def check(ready: Setup, tally: Tally) -> None:
    """All checks, as a part of `make test`."""
    ready.packaging.require()
    for name, argv in CHECKS.items():
        status, tail = _run(ready, argv, paths.logs() / f"{name.lower().replace(' ', '-')}.log")
        if status:
            for line in tail.splitlines()[-12:]:
                print(f"    # {line}")
            tally.bad(name, explain(tail) or f"{argv[0]} ended with {status}")
        else:
            tally.good(name)
    try:
        tally.good(f"Debian package, without a word of lintian's: {package.build(ready.packaging).name}")
    except Fail as fail:
        tally.bad("Debian package", str(fail))


def htmldocs() -> int:
    """`make htmldocs`."""
    ready = demo_setup()
    ready.packaging.require()
    name = "Documentation as pages"
    with Step(name):
        status, tail = _run(ready, CHECKS[name], paths.logs() / "htmldocs.log")
    if status:
        print("\n".join(tail.splitlines()[-15:]))
        raise Fail(f"{name}: {explain(tail) or f'sphinx-build ended with {status}'}")
    print(HTML / "index.html")
    return 0
