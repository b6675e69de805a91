# SPDX-License-Identifier: GPL-2.0
"""Entries of the cache: each is made in steps, sealed with a manifest, and checked before it is used.

One run at a time makes an entry. It counts only when its manifest, which is written last, names the wanted key and every
file has the size that it had when the entry was sealed. What was interrupted goes on at its first unfinished step; what was
damaged, or made from other inputs, is thrown away and made again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from . import paths
from .fail import Fail
from .progress import say


def digest(*inputs: object) -> str:
    """A key that changes when any of the inputs does."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_root_of_own() -> list[str]:
    """Prefix for a command that deals with files of all the ids that this user has."""
    if not os.geteuid():
        return []
    # To enter a namespace of users clears the signal that tells of the parent's death.
    return ["unshare", "--user", "--map-root-user", "--map-auto", "setpriv", "--pdeathsig", "KILL", "--"]


def remove_tree(path: Path) -> None:
    """Remove a tree, also one with directories that this user may not write or, half made, does not own yet."""
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        subprocess.run([*as_root_of_own(), "rm", "-rf", "--one-file-system", "--", str(path)], check=True)


def _sizes(tree: Path) -> list[tuple[str, int]]:
    found = []
    stack = [str(tree)]
    start = len(str(tree)) + 1
    while stack:
        with os.scandir(stack.pop()) as listing:
            for item in listing:
                if item.is_dir(follow_symlinks=False):
                    stack.append(item.path)
                elif item.is_file(follow_symlinks=False):
                    found.append((item.path[start:], item.stat(follow_symlinks=False).st_size))
    return sorted(found)


class Lock:
    """One run at a time works on the cache; or on one thing in it, that goes by the name `thing`, which several may share."""

    def __init__(self, thing: str = "", shared: bool = False, wait: bool = True) -> None:
        self._file = paths.cache() / "locks" / thing if thing else paths.cache() / "lock"
        self._what = thing or "the cache"
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._wait = wait
        self.fd = -1

    def __enter__(self) -> "Lock":
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.fd, self._how | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self._wait:
                os.close(self.fd)
                raise Fail(f"another run is at work on {self._what}") from None
            say(f"another run is at work on {self._what}: waiting for it")
            fcntl.flock(self.fd, self._how)
        return self

    def __exit__(self, kind, value, trace) -> None:
        os.close(self.fd)


def forget() -> None:
    """Remove all but the locks; fails if any of them is held for a part of it."""
    with Lock(), contextlib.ExitStack() as held:
        for lock in sorted((paths.cache() / "locks").glob("*")):
            held.enter_context(Lock(lock.name, wait=False))
        for item in paths.cache().iterdir():
            if item.name == "locks":
                continue
            if item.is_dir():
                remove_tree(item)
            elif item.name != "lock":
                item.unlink()


class Entry:
    """One directory of the cache, made from inputs that `key` stands for."""

    def __init__(self, kind: str, name: str, key: str) -> None:
        self.path = paths.cache() / kind / name
        self.title = f"{kind} {name}"
        self.key = key
        self._state = self.path.parent / f"{name}.state"
        self._looked = False
        self._fault: str | None = None

    @property
    def _manifest(self) -> Path:
        return self._state / "manifest.json"

    @property
    def _steps(self) -> Path:
        return self._state / "steps.json"

    def _read(self, path: Path) -> dict:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _write(self, path: Path, content: dict) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(content), encoding="utf-8")
        os.replace(partial, path)

    def fault(self) -> str | None:
        """Why this entry cannot be used as it is, or None. Looks once, which takes a second or two."""
        if not self._looked:
            self._looked = True
            self._fault = self._look()
        return self._fault

    def _look(self) -> str | None:
        manifest = self._read(self._manifest)
        if not manifest:
            return "not made yet"
        if manifest.get("key") != self.key:
            return "made from other inputs"
        try:
            for name, size in manifest["files"]:
                if os.lstat(self.path / name).st_size != size:
                    return f"{name} has another size than when it was made"
            for name, wanted in manifest["essential"].items():
                if _sha256(self.path / name) != wanted:
                    return f"{name} has changed"
        except OSError as error:
            return f"{os.path.relpath(error.filename, self.path)} is missing"
        return None

    def needs(self, step: str) -> bool:
        """Whether `make` would take this step."""
        if self.fault() is None:
            return False
        unfinished = self._read(self._steps)
        resumes = unfinished.get("key") == self.key and not self._manifest.exists()
        return not (resumes and step in unfinished.get("done", []))

    def info(self) -> dict:
        """What `seal` was told to remember."""
        return self._read(self._manifest).get("info", {})

    def in_use(self) -> Lock:
        """To be held by who uses it while the cache may change: no other run makes it again meanwhile."""
        return Lock(self.title, shared=True)

    def make(self, steps: Iterable[tuple[str, Callable[[], None]]], essential: Callable[[], list[str]],
             info: Callable[[], dict] = dict) -> None:
        """Make the entry unless it is there and whole. `essential` names files that are checked by content."""
        if self.fault() is None:
            return
        with Lock(self.title):
            # Another run may have made it, or some steps of it, before this one had the lock.
            self._fault = self._look()
            if self._fault is not None:
                self._make(self._fault, steps, essential, info)

    def _make(self, fault: str, steps: Iterable[tuple[str, Callable[[], None]]], essential: Callable[[], list[str]],
              info: Callable[[], dict]) -> None:
        unfinished = self._read(self._steps)
        if self._manifest.exists():
            say(f"{self.title}: {fault}; making it again")
            self.discard()
            unfinished = {}
        done = unfinished.get("done", []) if unfinished.get("key") == self.key else []
        if not done:
            self.discard()
        self.path.mkdir(parents=True, exist_ok=True)
        for name, work in steps:
            if name in done:
                continue
            work()
            done.append(name)
            self._write(self._steps, {"key": self.key, "done": done})
        self._write(self._manifest, {
            "key": self.key,
            "info": info(),
            "essential": {name: _sha256(self.path / name) for name in essential()},
            "files": _sizes(self.path),
        })
        self._steps.unlink(missing_ok=True)
        self._fault = None

    def discard(self) -> None:
        """Forget the entry: first its manifest, so that no half of it is ever taken for the whole."""
        self._manifest.unlink(missing_ok=True)
        self._steps.unlink(missing_ok=True)
        remove_tree(self.path)
