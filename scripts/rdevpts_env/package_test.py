# SPDX-License-Identifier: GPL-2.0
"""`make test-package`: the Debian package in a Debian of its own, from its installation to its removal; `SUITE=` says which.

apt and DKMS run in the tree of that Debian as it lies on the disk, since compilers are slow in a virtual machine without KVM; the
virtual machine boots the same tree, with its own kernel, init and services, and what it writes stays in it.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from . import accel, host, jobs, kernel, package, paths, setup
from .apt import Apt
from .cache import remove_tree
from .fail import Fail
from .kernel import Choice
from .progress import Step, run_logged, say
from .root import Fresh, environment
from .tally import Tally, TapReader
from .testing import end
from .vm import Machine

_SCRIPTS = paths.REPO / "tests" / "package"
_TAP = paths.REPO / "tests" / "vm" / "guest" / "lib.sh"
_TREE = paths.BUILD / "package-test"
_FLAVOURS = (kernel.FLAVOUR, "amd64")
# For one boot, on a loaded machine without KVM: systemd would give up after 90 seconds without a device, or a service.
_TIMEOUT = 900.0
_PATIENCE = "systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600"
_GIGABYTES = 4.0

# Runs in namespaces of its own: $1 is the tree, $2 what goes to /tmp/package there.
_ENTER = """
    tree=$1 files=$2
    shift 2
    mount --rbind /dev "$tree/dev"
    mount -t proc proc "$tree/proc"
    mount -t tmpfs tmpfs "$tree/run"
    mount -t tmpfs tmpfs "$tree/tmp"
    mkdir "$tree/tmp/package"
    mount --bind "$files" "$tree/tmp/package"
    touch "$tree/etc/resolv.conf"
    mount --bind /etc/resolv.conf "$tree/etc/resolv.conf"
    [ -z "${SSL_CERT_FILE:-}" ] || mount --bind "$SSL_CERT_FILE" "$tree/etc/ssl/certs/ca-certificates.crt"
    exec env -u SSL_CERT_FILE chroot "$tree" "$@"
"""


def _kernels(apt: Apt) -> tuple[Choice, Choice]:
    """Two stock kernels of these suites: of two series, if there are two that are known; else of two flavours, if need be."""
    known = [choice for choice in kernel.available(apt) if choice.series in kernel.SERIES and choice.flavour in _FLAVOURS]
    # One flavour is enough where it has two kernels.
    known.sort(key=lambda choice: _FLAVOURS.index(choice.flavour))
    if len(known) < 2:
        raise Fail(f"{', '.join(apt.suites)}: not two stock kernels of series {' or '.join(kernel.SERIES)}")
    new, *others = known
    return next((choice for choice in others if choice.flavour == new.flavour and choice.series != new.series), others[0]), new


class System:
    """A Debian on the disk, to be changed and booted."""

    def __init__(self, tally: Tally, ready: setup.Setup, fresh: Fresh) -> None:
        self._tally = tally
        self._setup = ready
        self._accel = accel.choose(ready)
        self.tree = _TREE / "root"
        self._files = _TREE / "files"
        with Step("a fresh Debian"):
            remove_tree(_TREE)
            _TREE.mkdir(parents=True)
            subprocess.run(["cp", "-a", "--reflink=auto", str(fresh.path), str(self.tree)], check=True)
            shutil.copytree(_SCRIPTS, self._files)
            shutil.copy(_TAP, self._files / "tap.sh")
            # The root of the cache has no manual pages; this one is to be as Debian makes it.
            for part in (self.tree / "etc/dpkg/dpkg.cfg.d").iterdir():
                lines = part.read_text(encoding="utf-8").splitlines()
                part.write_text("".join(f"{line}\n" for line in lines if "path-exclude" not in line), encoding="utf-8")

    def _inside(self, argv: list[str]) -> list[str]:
        return ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-ec", _ENTER, "sh",
                str(self.tree), str(self._files), *argv]

    def _log(self, name: str) -> Path:
        return paths.logs() / f"package-{name}.log"

    def add(self, path: Path) -> str:
        """Let a file be seen by what runs inside; its name there is returned."""
        shutil.copy(path, self._files)
        return f"/tmp/package/{path.name}"

    def _inside_environment(self) -> dict[str, str]:
        certificates = os.environ.get("SSL_CERT_FILE", "")
        trusted = {"SSL_CERT_FILE": certificates} if os.path.isfile(certificates) else {}
        return environment(HOME="/root", DEBIAN_FRONTEND="noninteractive", **trusted)

    def must(self, what: str, script: str) -> None:
        """Change something that all that follows needs."""
        log = self._log(what.split()[0])
        with Step(what):
            status, tail = run_logged(self._inside(["sh", "-ec", script]), log, env=self._inside_environment())
        if status:
            print("\n".join(tail.splitlines()[-12:]))
            raise Fail(f"{what} failed: see {jobs.shown(log)}")

    def script(self, name: str, *arguments: str) -> None:
        """Run one of the scripts beside this test inside; its results are counted."""
        log = self._log(name)
        reader = TapReader(self._tally, name)
        status, _ = run_logged(self._inside(["sh", f"/tmp/package/{name}.sh", *arguments]), log, reader.line,
                               env=self._inside_environment())
        reader.end(f"exit status {status} (see {jobs.shown(log)})" if status else None)

    def boot(self, name: str, release: str, expected: str, state: str) -> None:
        """Boot it, and look at what is on /dev/pts."""
        machine = Machine(f"package-{name}", setup=self._setup, accel=self._accel, timeout=_TIMEOUT, system=self.tree,
                          image=self.tree / f"usr/lib/modules/{release}/vmlinuz", append=f"systemd.show_status=1 {_PATIENCE}",
                          env={"RELEASE": release, "EXPECTED": expected, "STATE": state})
        if not machine.image.exists():
            machine.image = self.tree / f"boot/vmlinuz-{release}"
        machine.script((_SCRIPTS / "boot.sh").read_text(encoding="utf-8"))
        reader = TapReader(self._tally, f"boot {name}")
        outcome = machine.run(on_line=reader.line)
        reader.end(None if outcome.ok else f"{outcome} (see {jobs.shown(outcome.console)})")
        self._tally.note(f"# {outcome.seconds:.0f} s")
        self._check_console(name, outcome.console)

    def _check_console(self, name: str, console: Path) -> None:
        what = f"boot {name}: the getty asks for a name"
        if "login:" in console.read_text(encoding="utf-8"):
            self._tally.good(what)
        else:
            self._tally.bad(what, f"see {jobs.shown(console)}")


# The kernel as the documentation says, where nothing of what the package needs is there yet.
_PREPARE = """
    systemd-machine-id-setup
    echo rdevpts-test >/etc/hostname
    mkdir -p -m 700 /root/.ssh
    ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
    cp /tmp/package/vm-job.service /etc/systemd/system/
    systemctl enable vm-job.service ssh.service
    apt-get -q update
    apt-get -q install -y --no-install-recommends "linux-image-$release/$suite" "linux-headers-$release/$suite"
    apt-get -q install -y --no-install-recommends $depends
    /tmp/package/files | sort >/tmp/package/before
"""


def _depends(deb: Path) -> str:
    """What the package needs, so that only its own files tell the Debian before from the Debian after."""
    fields = subprocess.run(["dpkg-deb", "-f", str(deb), "Depends"], capture_output=True, text=True, check=True).stdout
    return " ".join(part.split()[0] for part in fields.split(","))


def run(suite: str) -> int:
    """Install, boot, upgrade, boot, break, boot, remove, boot."""
    begin = time.monotonic()
    suites = next((suites for suites in kernel.SUITES if suites[0] == suite), None)
    if not suites:
        raise Fail(f"SUITE={suite}: there are {', '.join(suites[0] for suites in kernel.SUITES)}")
    if host.rootless():
        raise Fail("this runs a package manager in a tree of its own: it must be run as root")
    host.need_space(paths.REPO, _GIGABYTES, "a Debian to try the package on")
    tally = Tally()
    ready = setup.demo_setup()
    deb = package.build(ready.packaging)
    tally.good(f"build of {deb.name}, without a complaint of lintian")
    fresh = Fresh(Apt(suites))
    fresh.require()
    old, new = _kernels(Apt(suites))
    say(f"kernels: {old.release}, then {new.release}")
    system = System(tally, ready, fresh)
    name = system.add(deb)
    system.must("preparing the Debian", f"release={old.release}\nsuite={suites[-1]}\ndepends='{_depends(deb)}'\n{_PREPARE}")
    system.script("failures", old.release, name)
    system.must("enabling the unit", "systemctl enable rdevpts.service")
    system.boot("installed", old.release, "rdevpts", "active")
    system.script("upgrade", new.release, old.release, suites[-1])
    system.boot("upgraded", new.release, "rdevpts", "active")
    module = next((system.tree / f"usr/lib/modules/{new.release}").rglob("rdevpts.ko*"), None)
    if module:
        os.rename(module, module.with_name("away"))
        system.boot("without-module", new.release, "devpts", "failed")
        os.rename(module.with_name("away"), module)
    system.script("purge", "/tmp/package/before")
    system.boot("purged", new.release, "devpts", "none")
    if tally.ok:
        remove_tree(_TREE)
    return end(tally, begin)
