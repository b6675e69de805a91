# SPDX-License-Identifier: GPL-2.0
"""The Debian roots: the tool chain with QEMU and a small user space for the virtual machine, and the larger user space that
jobs with real programs want; both apart from the host's own.

A root is entered read-only with bubblewrap, at the paths that the sources and the cache have on the host, so that what a
tool prints or records means the same inside and outside.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import host, paths
from .apt import Apt
from .cache import Entry, as_root_of_own, digest
from .fail import Fail, explain
from .progress import Step, run_logged

# Raise this to have every root made again.
_VERSION = 1

# What kernel-space Rust, the module and the host programs are built with; and spin, for the model in tests/invariant.
_TOOLCHAIN = """
    bc bindgen bison build-essential ca-certificates cargo clang cpio flex kmod libdw-dev libelf-dev libssl-dev lld llvm
    pahole python3 rust-clippy rust-src rustc rustfmt spin xz-utils
""".split()
# What runs the virtual machine, and what runs in it.
_GUEST = """
    bsdutils busybox-static inotify-tools iproute2 openssh-client openssh-server procps qemu-system-x86 tmux util-linux
    virtiofsd
""".split()
# What runs in the virtual machine for jobs that say `# root: guest`; and, from `bc` on, what other projects' suites want there
# or are built with (see conformance).
_PROGRAMS = """
    bash bsdextrautils bsdutils busybox-static crun expect iproute2 kmod login openssh-client openssh-server passwd podman
    procps python3 python3-pexpect runc screen socat stress-ng libpython3.13-testsuite sudo systemd systemd-container tcl
    tmux util-linux uidmap vim-tiny
    bc build-essential libcap-dev libexpect-perl libio-pty-perl libncurses-dev perl pkg-config python3-ptyprocess
    python3-pytest ruby strace zsh
""".split()
# What the compilers of another suite than that of the rest are not wanted for.
_NOT_FOR_MODULES = {"clang", "lld", "llvm", "spin"}
# What draws the plots of `make bench`.
_PLOTS = ["fonts-dejavu-core", "python3", "python3-matplotlib"]
# What the Debian package is built and checked with, and what checks the pages, the manual and the licences.
_PACKAGING = """
    debhelper dh-dkms dpkg-dev git graphviz lintian make mandoc python3 python3-sphinx reuse shellcheck
""".split()
# What the package is tried on: a Debian that boots, with what one logs in by. What the package needs is for apt to find.
_FRESH = """
    bsdutils ca-certificates dbus initramfs-tools iproute2 kmod login mount openssh-client openssh-server passwd procps systemd
    systemd-sysv tmux util-linux
""".split()
# Made in the root so that the guest, which sees it read-only, finds a place to mount something.
_MOUNT_POINTS = ("rdevpts", "usr/lib/modules")


class Root:
    """One Debian root: packages of the suites, under a name of its own in the cache."""

    essential: tuple[str, ...]
    """Files that are checked by content before the root is used."""
    size: float
    """What it takes on the disk while it is made, in GB."""

    def __init__(self, apt: Apt, name: str, packages: list[str], *inputs: str) -> None:
        self._apt = apt
        self._packages = sorted(set(packages))
        key = digest(_VERSION, self._packages, apt.suites, *inputs, _MOUNT_POINTS)
        self.entry = Entry("root", f"{apt.suites[0]}-{name}", key)
        self.path = self.entry.path / "root"

    def prepare(self) -> None:
        """Make the root unless it is there and whole."""
        self.entry.make(
            [("mmdebstrap", self._mmdebstrap), ("own", self._own)],
            lambda: [f"root/{name}" for name in self.essential],
            self._info,
        )

    def require(self) -> None:
        """Make the root unless it is there and whole, or say what it takes."""
        if self.entry.fault():
            host.need_space(paths.cache(), self.size, f"the Debian root {self.entry.path.name}")
        self.prepare()

    def _info(self) -> dict[str, str]:
        """What is remembered of the finished root."""
        return {}

    def _mmdebstrap(self) -> None:
        log = paths.logs() / f"root-{self.entry.path.name}.log"
        mounts = " ".join(f'"$1"/{name}' for name in _MOUNT_POINTS)
        # Namespaces of its own, so that nothing of it outlives this process, neither a process nor a mount. Without
        # rights they begin with one of users, in which this user is root.
        command = [
            *as_root_of_own(),
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "mmdebstrap",
            "--variant=apt",
            "--mode=root",
            "--format=directory",
            f"--include={','.join(self._packages)}",
            # What is not whole is made again.
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            *(f"--aptopt={option}" for option in host.apt_options()),
            f"--customize-hook=mkdir -p {mounts}",
            self._apt.suites[0],
            str(self.path),
            *self._apt.sources(),
        ]
        # The sbin directories are not in every user's path.
        env = dict(os.environ, PATH=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
        with Step(f"Debian root ({self.entry.path.name}, mmdebstrap)") as step:

            def detail(line: str) -> None:
                if line.startswith("I: "):
                    step.detail = f"({line[3:].rstrip('.')})"

            status, tail = run_logged(command, log, detail, env=env)
        if status:
            raise Fail(f"Debian root from {self._apt.mirror}: {explain(tail) or f'mmdebstrap failed, see {log}'}")

    def _own(self) -> None:
        """Without rights, only this user is there when the root is entered: every file must be this user's."""
        if host.rootless():
            # To change the owner takes the set-user-ID bits away.
            script = """
                find "$1" -xdev -type f -perm /6000 -printf '%m %p\\0' >"$1.modes"
                chown -hR 0:0 "$1"
                xargs -0 -a "$1.modes" -I{} sh -c 'chmod "${1%% *}" "${1#* }"' sh {}
                rm "$1.modes"
            """
            subprocess.run([*as_root_of_own(), "sh", "-ec", script, "sh", str(self.path)], check=True)

    def output(self, argv: Sequence[str], writable: Sequence[Path] = ()) -> str:
        """Run a command inside and return what it prints."""
        done = subprocess.run(self.command(argv, writable), capture_output=True, text=True, env=environment())
        if done.returncode:
            raise Fail(f"{argv[0]} does not run in the Debian root: {done.stderr.strip()[-200:]}")
        return done.stdout.strip()

    def command(
        self,
        argv: Sequence[str],
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        extra: Sequence[str] = (),
        cwd: Path | None = None,
    ) -> list[str]:
        """The bubblewrap command line that runs `argv` inside, with these paths of the host at their own names."""
        shown = [*writable, *readable]
        bwrap = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc"]
        if host.rootless():
            bwrap += ["--unshare-user", "--uid", "0", "--gid", "0"]
        bwrap += _binds(self.path, Path("/"), shown)
        bwrap += ["--dev-bind", "/dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs", "/tmp"]
        bwrap += ["--tmpfs", "/run", "--dir", "/home/build"]
        certificates = "/etc/ssl/certs/ca-certificates.crt"
        for name, source in (
            ("/etc/resolv.conf", "/etc/resolv.conf"),
            ("/etc/hosts", "/etc/hosts"),
            (certificates, os.environ.get("SSL_CERT_FILE") or certificates),
        ):
            if os.path.isfile(source) and (self.path / name[1:]).exists():
                bwrap += ["--ro-bind", os.path.realpath(source), name]
        for path in readable:
            bwrap += ["--ro-bind", str(path), str(path)]
        for path in writable:
            bwrap += ["--bind", str(path), str(path)]
        bwrap += [*extra, "--chdir", str(cwd or "/")]
        return [*bwrap, "--", *argv]


class Compilers(Root):
    """What builds modules for the kernels of one suite."""

    essential = ("usr/bin/rustc", "usr/bin/make", "usr/bin/bindgen")
    size = 2.5

    def __init__(self, apt: Apt, gcc: str, rustc: str) -> None:
        super().__init__(apt, gcc, [*self.packages(), gcc], rustc)

    def packages(self) -> list[str]:
        """What it has beside the C compiler."""
        return [name for name in _TOOLCHAIN if name not in _NOT_FOR_MODULES]

    def _info(self) -> dict[str, str]:
        return {"rustc": self.output(["rustc", "--version"])}

    def rustc(self) -> str:
        """What the root's `rustc --version` says."""
        return self.entry.info().get("rustc", "")


class Toolchain(Compilers):
    """What builds everything and runs the virtual machine, for one choice of compilers."""

    essential = ("usr/bin/rustc", "usr/bin/make", "usr/bin/qemu-system-x86_64", "usr/libexec/virtiofsd")
    size = 3.0

    def packages(self) -> list[str]:
        """What it has beside the C compiler."""
        return [*_TOOLCHAIN, *_GUEST]


class Extra(Root):
    """A root that not everything needs; made when it is first wanted."""


class Guest(Extra):
    """The larger user space for the virtual machine."""

    essential = ("usr/bin/bash", "usr/bin/python3", "usr/sbin/sshd", "usr/bin/podman")
    size = 2.0

    def __init__(self, apt: Apt) -> None:
        super().__init__(apt, "guest", _PROGRAMS)


class Plots(Extra):
    """A plotting library."""

    essential = ("usr/bin/python3", "usr/lib/python3/dist-packages/matplotlib/pyplot.py")
    size = 1.0

    def __init__(self, apt: Apt) -> None:
        super().__init__(apt, "plots", _PLOTS)


class Packaging(Extra):
    """What builds the Debian package, and lints of what is not code."""

    essential = ("usr/bin/dh", "usr/bin/lintian", "usr/bin/mandoc", "usr/bin/reuse")
    size = 1.0

    def __init__(self, apt: Apt) -> None:
        super().__init__(apt, "packaging", _PACKAGING)

    def over_sources(self, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """The command line, and its environment, that run `argv` inside, in the sources, and let git work there."""
        command = self.command(argv, [paths.REPO], _git(), cwd=paths.REPO)
        # git does not look into the checkout of another user otherwise, and reuse goes by what git ignores.
        git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        return command, environment(**git)


class Fresh(Extra):
    """A Debian that boots by itself. What is to be written to is a copy of it."""

    essential = ("usr/bin/dpkg", "usr/bin/tmux", "usr/sbin/sshd", "usr/lib/systemd/systemd")
    size = 1.0

    def __init__(self, apt: Apt) -> None:
        super().__init__(apt, "fresh", _FRESH)


def _git() -> list[Path]:
    """Where git keeps what it knows of this checkout, if that is elsewhere: in a work tree beside another checkout."""
    pointer = paths.REPO / ".git"
    if not pointer.is_file():
        return []
    return [Path(pointer.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).parents[1]]


def _binds(root: Path, at: Path, shown: Sequence[Path]) -> list[str]:
    """Bind the root's tree read-only, directory by directory where one of the shown paths lies inside, so that
    bubblewrap can make its mount point there."""
    binds: list[str] = []
    for item in sorted((root / at.relative_to("/")).iterdir()):
        inside = at / item.name
        if inside in (Path("/dev"), Path("/proc"), Path("/sys"), Path("/tmp"), Path("/run"), Path("/home")):
            continue
        if item.is_symlink():
            binds += ["--symlink", os.readlink(item), str(inside)]
        elif item.is_dir() and any(inside == path or inside in path.parents for path in shown):
            binds += _binds(root, inside, shown)
        elif os.access(item, os.R_OK):
            binds += ["--ro-bind", str(item), str(inside)]
    return binds


def environment(**more: str) -> dict[str, str]:
    """The environment for commands in the root: a clean one, plus how to reach the network from here."""
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/build",
        "LC_ALL": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
    }
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CI"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env | more
