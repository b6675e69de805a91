# SPDX-License-Identifier: GPL-2.0
"""The machine this runs on: its packages, its apt configuration, its disk."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import paths
from .fail import Fail, explain
from .progress import Step, run_logged

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRIXIE_KEY = Path("/usr/share/keyrings/debian-archive-trixie-stable.gpg")


def rootless() -> bool:
    """Whether this runs without root's rights."""
    return os.geteuid() != 0


def _missing() -> list[str]:
    wanted = {
        "mmdebstrap": shutil.which("mmdebstrap"),
        "bubblewrap": shutil.which("bwrap"),
        # An old keyring cannot verify a newer suite.
        "debian-archive-keyring": KEYRING.exists() and (TRIXIE_KEY.exists() or TRIXIE_KEY.with_suffix(".pgp").exists()),
    }
    if rootless():
        wanted["uidmap"] = shutil.which("newuidmap")
    return [name for name, there in wanted.items() if not there]


def ensure_packages() -> None:
    """Install what this project needs on the host, or say what is missing."""
    missing = _missing()
    if missing:
        if not shutil.which("apt-get"):
            raise Fail(f"missing on this machine: {' '.join(missing)} (no apt-get here to install them)")
        if rootless():
            raise Fail(f"missing on this machine: as root, apt-get install {' '.join(missing)}")
        log = paths.logs() / "host-packages.log"
        with Step(f"host packages: {' '.join(missing)}"):
            _apt_install(missing, log)
        missing = _missing()
        if missing:
            raise Fail(f"apt-get install {' '.join(missing)} did not bring what is needed: see {log}")
    _check_namespaces()


def _apt_install(packages: list[str], log: Path) -> None:
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages]
    # The lists may be fresh enough; when they are not, refresh them and try again.
    status, _ = run_logged(install, log, outlives=True, env=env)
    if status:
        run_logged(["apt-get", "-q", "update"], log, append=True, outlives=True, env=env)
        status, tail = run_logged(install, log, append=True, outlives=True, env=env)
        if status:
            raise Fail(f"apt-get install {' '.join(packages)}: {explain(tail) or f'failed, see {log}'}")


def _check_namespaces() -> None:
    probe = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--unshare-pid", "true"],
        capture_output=True,
        text=True,
    )
    if probe.returncode:
        why = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
        mend = "allow user namespaces (sysctl user.max_user_namespaces), or give the container CAP_SYS_ADMIN"
        if "Failed to make / slave" in why:
            mend = "/ is no mount here, as in a chroot: bind its directory on itself before the chroot (mount --bind DIR DIR)"
        raise Fail(f"bubblewrap cannot make a namespace here ({why}): {mend}")
    if rootless():
        name = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        for table in ("/etc/subuid", "/etc/subgid"):
            try:
                lines = Path(table).read_text(encoding="utf-8").splitlines()
            except OSError:
                lines = []
            if not any(line.split(":")[0] in (name, str(os.getuid())) for line in lines):
                raise Fail(f"user {name} has no range in {table}: as root, usermod --add-subuids 100000-165535 "
                           f"--add-subgids 100000-165535 {name}")


def os_release() -> dict[str, str]:
    """What /etc/os-release says."""
    fields = {}
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        fields[name] = value.strip('"')
    return fields


def apt_options() -> list[str]:
    """The host's own settings of how apt reaches the archive (proxies, certificates, retries, checks of dates)."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    wanted = re.compile(r'^Acquire::(https?|Check-|Retries|ForceIPv|Proxy)[^ ]* "[^"]+";$')
    return [line for line in dump.splitlines() if wanted.match(line)]


def _stanzas(text: str):
    for block in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                fields[last] = fields.get(last, "") + " " + line.strip()
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if fields:
            yield fields


def _sources():
    """Yield (types, URI, suites, components) of every source apt has here."""
    base = Path("/etc/apt")
    parts = sorted((base / "sources.list.d").glob("*")) if (base / "sources.list.d").is_dir() else []
    for path in [base / "sources.list", *parts]:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if path.suffix == ".sources":
            for fields in _stanzas(text):
                if fields.get("enabled", "yes").lower() in ("no", "false"):
                    continue
                for uri in fields.get("uris", "").split():
                    yield (fields.get("types", "").split(), uri, fields.get("suites", "").split(),
                           fields.get("components", "").split())
        elif path.suffix == ".list":
            for line in text.splitlines():
                words = re.sub(r"\[[^]]*\]", " ", line.split("#")[0]).split()
                if len(words) >= 4:
                    yield [words[0]], words[1], [words[2]], words[3:]


def mirror() -> str:
    """The Debian archive this host uses, from its own apt configuration; `MIRROR=` overrides it."""
    given = os.environ.get("MIRROR")
    if given:
        return given.rstrip("/")
    codename = os_release().get("VERSION_CODENAME", "")
    names = {codename, "bookworm", "trixie", "forky", "stable", "testing", "sid", "unstable"} - {""}
    for types, uri, suites, components in _sources():
        if "deb" not in types or "main" not in components or not names.intersection(suites):
            continue
        for prefix in ("mirror+file:", "mirror:"):
            if uri.startswith(prefix):
                listed = Path("/" + uri[len(prefix):].lstrip("/"))
                try:
                    first = [line.split()[0] for line in listed.read_text(encoding="utf-8").splitlines()
                             if line.strip() and not line.startswith("#")]
                except OSError:
                    first = []
                uri = first[0] if first else ""
        if uri.startswith(("http://", "https://", "file:")):
            return uri.rstrip("/")
    raise Fail("no Debian archive in this machine's apt sources: give one with MIRROR=<URL>")


def need_space(where: Path, gigabytes: float, what: str) -> None:
    """Refuse to start what would fill the disk."""
    place = where
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < gigabytes:
        raise Fail(f"{place}: {free:.1f} GB free, {gigabytes:.1f} GB needed for {what}: free some, or set "
                   "XDG_CACHE_HOME to a larger disk")
