# SPDX-License-Identifier: GPL-2.0
"""One boot of the stock kernel under QEMU.

The guest's root is a Debian root over virtiofs, read-only, with what the guest writes in its memory; a second share, /rdevpts in the guest, brings in what the
run needs and takes out what it leaves. No network, no disk image, no initramfs. Three channels come out: the console
(kernel log, into a file), the output of what runs (a virtio port, line by line), and its exit status (a file in the
share, absent when the guest did not live to write it).
"""

import contextlib
import os
import re
import selectors
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import host, paths
from .cache import remove_tree
from .fail import Fail
from .root import Root, environment
from .setup import Setup

GUEST = paths.REPO / "tests" / "vm" / "guest"

_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
_OOPS = re.compile(r"\b(BUG: .*|Oops: .*|WARNING: .*|kernel BUG at .*|general protection fault.*|INFO: task .*)")


def complaint(line: str) -> str | None:
    """What a line of the kernel's log complains of, if that is fatal."""
    found = _OOPS.search(line) or _PANIC.search(line)
    return found[1].strip() if found else None


@dataclass
class Outcome:
    """How one boot ended."""

    status: int | None = None
    """Exit status of what ran in the guest, if it ended."""
    panic: str | None = None
    """What the kernel said when it died, if it did."""
    timed_out: bool = False
    seconds: float = 0.0
    console: Path | None = None
    """The kernel log."""

    @property
    def ok(self) -> bool:
        """Whether it ran to its end with status 0."""
        return self.status == 0 and not self.panic and not self.timed_out

    def __str__(self) -> str:
        if self.panic:
            return f"the kernel died: {self.panic}"
        if self.timed_out:
            return f"not finished after {self.seconds:.0f} s"
        if self.status is None:
            return "the virtual machine ended early"
        return f"exit status {self.status}"


@dataclass
class Machine:
    """What to boot, and with what in the share."""

    setup: Setup
    name: str
    accel: str = "tcg"
    cpus: int = 2
    memory: int = 1024
    timeout: float = 120.0
    icount: bool = False
    """Whether the guest's time is made of its instructions, one a nanosecond: exact whatever else the host does, and blind
    to what instructions cost. That is emulation, whatever `accel` says."""
    fatal: bool = True
    """Whether any oops or WARN kills the kernel; an oops does in any case."""
    append: str = ""
    root: Root | None = None
    """What the guest has as its root: none is that of the tool chain, where /usr and /etc cannot be written."""
    env: dict[str, str] = field(default_factory=dict)
    """What the guest finds in the environment."""

    def __post_init__(self) -> None:
        self.share = paths.BUILD / "vm" / self.name
        remove_tree(self.share)
        (self.share / "out").mkdir(parents=True)
        shutil.copytree(GUEST, self.share, dirs_exist_ok=True)
        self._shown: list[tuple[Path, str]] = []

    def put(self, source: Path, name: str) -> None:
        """Put a file or a directory into the share."""
        target = self.share / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def show(self, source: Path, name: str) -> None:
        """Let a directory be seen in the share, read-only, without a copy."""
        (self.share / name).mkdir()
        self._shown.append((source, name))

    def write(self, name: str, text: str) -> None:
        """Put a file with this text into the share."""
        (self.share / name).write_text(text, encoding="utf-8")

    def script(self, text: str) -> None:
        """Run this shell script."""
        self.write("job", f"#!/bin/sh\n. /rdevpts/lib.sh\n{text}")
        (self.share / "job").chmod(0o755)

    def _command(self, interactive: bool) -> list[str]:
        kernel = self.setup.kernel
        view, share, sockets = Path("/vm/root"), Path("/vm/share"), "/run"
        append = f"console=ttyS0 root=root rootfstype=virtiofs ro panic=-1 oops=panic loglevel=5 {self.append} "
        append += "panic_on_warn=1 " if self.fatal else ""
        append += 'init=/bin/sh -- -c "mount -t virtiofs share /rdevpts && exec /rdevpts/init"'
        if self.icount:
            accel = ["-accel", "tcg,thread=single", "-icount", "shift=0", "-cpu", "max"]
        elif self.accel == "kvm":
            accel = ["-accel", "kvm", "-cpu", "host"]
        else:
            accel = ["-accel", "tcg,thread=multi", "-cpu", "max"]
        qemu = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", *accel,
            "-smp", str(self.cpus), "-m", str(self.memory),
            "-object", f"memory-backend-memfd,id=mem,size={self.memory}M,share=on", "-machine", "pc,memory-backend=mem",
            "-kernel", "/vm/vmlinuz", "-append", append, "-serial", "chardev:console",
            "-chardev", f"stdio,id=console,signal={'off' if interactive else 'on'}",
            "-chardev", f"socket,id=root,path={sockets}/root", "-device", "vhost-user-fs-pci,chardev=root,tag=root",
            "-chardev", f"socket,id=share,path={sockets}/share", "-device", "vhost-user-fs-pci,chardev=share,tag=share",
            "-device", "virtio-serial-pci", "-chardev", "file,id=output,path=/vm/output",
            "-device", "virtserialport,chardev=output,name=output",
        ]
        # virtiofsd acts as the guest's users; in a namespace of one id those are all this user, but it wants the right.
        capabilities = ["--cap-add", "ALL"] if host.rootless() else []
        binds = [
            *capabilities,
            "--ro-bind", str((self.root or self.setup.root).path), str(view),
            "--ro-bind", str(kernel.modules), str(view / "usr/lib/modules"),
            "--bind", str(self.share), str(share),
            *(word for source, name in self._shown for word in ("--ro-bind", str(source), str(share / name))),
            "--ro-bind", str(kernel.image), "/vm/vmlinuz",
            "--bind", str(self._output), "/vm/output",
        ]
        daemon = "/usr/libexec/virtiofsd --sandbox=none --log-level=error --cache=always --rlimit-nofile=0"
        # The root is bound read-only already; virtiofsd's own --readonly saves the guest from asking. An overlay cannot show
        # the modules' directory if it is announced as a mount.
        whole = "--no-announce-submounts" if self.root else ""
        script = f"""
            {daemon} --readonly {whole} --socket-path={sockets}/root --shared-dir={view} &
            {daemon} --socket-path={sockets}/share --shared-dir={share} &
            until [ -S {sockets}/root ] && [ -S {sockets}/share ]; do sleep 0.02; done
            exec "$@"
        """
        return self.setup.root.command(["sh", "-c", script, "sh", *qemu], extra=binds)

    @property
    def _output(self) -> Path:
        return self.share / "out" / "output"

    def _prepare(self) -> None:
        env = {"RELEASE": self.setup.kernel.choice.release, **self.env}
        if self.root:
            env["WRITABLE"] = "1"
        self.write("env", "".join(f"export {name}='{value}'\n" for name, value in env.items()))
        self._output.touch()

    def run(self, on_line: Callable[[str], None] | None = None) -> Outcome:
        """Boot, run `/rdevpts/job`, power off."""
        self._prepare()
        outcome = Outcome(console=paths.logs() / f"{self.name}.console")
        begin = time.monotonic()
        child = subprocess.Popen(self._command(False), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, env=environment())
        reader = _Tail(self._output, on_line)
        try:
            with open(outcome.console, "w", encoding="utf-8") as console, selectors.DefaultSelector() as ready:
                ready.register(child.stdout, selectors.EVENT_READ)
                console_line = _Lines(lambda line: _note(line, outcome, console, begin))
                while True:
                    reader.poll()
                    if ready.select(0.1):
                        chunk = os.read(child.stdout.fileno(), 65536)
                        if not chunk:
                            break
                        console_line.feed(chunk)
                    if time.monotonic() - begin > self.timeout:
                        outcome.timed_out = True
                        break
                console_line.end()
        finally:
            child.kill()
            child.wait()
            reader.poll()
            reader.end()
        outcome.seconds = time.monotonic() - begin
        with contextlib.suppress(OSError, ValueError):
            outcome.status = int((self.share / "out" / "status").read_text(encoding="utf-8"))
        return outcome

    def interact(self) -> int:
        """Boot with the console on this terminal."""
        if not sys.stdin.isatty():
            raise Fail("a shell in the virtual machine needs a terminal")
        self._prepare()
        size, term = os.get_terminal_size(), os.environ.get("TERM", "linux")
        with open(self.share / "env", "a", encoding="utf-8") as env:
            env.write(f"export INTERACTIVE=1 ROWS={size.lines} COLS={size.columns} TERM='{term}'\n")
        saved = termios.tcgetattr(sys.stdin)
        try:
            return subprocess.call(self._command(True), env=environment())
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def _note(line: str, outcome: Outcome, console, begin: float) -> None:
    console.write(f"{time.monotonic() - begin:8.2f}  {line}\n")
    console.flush()
    # The first complaint is the cause; the panic after it is the consequence.
    outcome.panic = outcome.panic or complaint(line)


class _Lines:
    """Bytes in, whole lines out."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the stream."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        """Give out what has no newline."""
        if self._rest:
            self._on_line(self._rest.decode("utf-8", "replace").rstrip("\r"))
            self._rest = b""


class _Tail:
    """Follow a file that grows."""

    def __init__(self, path: Path, on_line: Callable[[str], None] | None) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed in end()
        self._lines = _Lines(on_line or (lambda line: None))

    def poll(self) -> None:
        """Give out what is new."""
        chunk = self._file.read()
        if chunk:
            self._lines.feed(chunk)

    def end(self) -> None:
        """No more will come."""
        self._lines.end()
        self._file.close()
