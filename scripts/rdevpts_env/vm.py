# SPDX-License-Identifier: GPL-2.0
"""One boot under QEMU: of the stock kernel, unless another is named.

The guest's root is a Debian root over virtiofs, read-only, with what the guest writes in its memory; the share is another
such file system. No network, no disk image, no initramfs. What the job prints comes out of a virtio port.
"""

import os
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

from . import host
from .fail import Fail
from .guest import Guest
from .root import Root, environment
from .setup import Setup


@dataclass(kw_only=True)
class Machine(Guest):
    """What to boot, and how."""

    setup: Setup
    accel: str = "tcg"
    icount: bool = False
    """Whether the guest's time is made of its instructions, one a nanosecond: exact whatever else the host does, and blind
    to what instructions cost. That is emulation, whatever `accel` says."""
    root: Root | None = None
    """What the guest has as its root: none is that of the tool chain, where /usr and /etc cannot be written."""
    image: Path | None = None
    """Another kernel than the stock one; it has no modules but those in the share."""
    system: Path | None = None
    """A Debian that boots by its own means, with modules for `image`, as the guest's root. What the guest writes stays."""
    gdb: int = 0
    """A port of this machine where QEMU waits for gdb, and addresses are the same in every boot; none is 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._shown: list[tuple[Path, str]] = []

    def show(self, source: Path, name: str) -> None:
        """Let a directory be seen in the share, read-only, without a copy."""
        (self.share / name).mkdir()
        self._shown.append((source, name))

    def _command(self, interactive: bool) -> list[str]:
        kernel = self.setup.kernel
        view, share, sockets = Path("/vm/root"), Path("/vm/share"), "/run"
        # Where the host is too busy to let a timer tick in time, the kernel would take the timer for broken, and panic.
        append = f"no_timer_check console=ttyS0 root=root rootfstype=virtiofs panic=-1 oops=panic loglevel=5 {self.append} "
        append += "panic_on_warn=1 " if self.fatal else ""
        append += "nokaslr " if self.gdb else ""
        append += "rw" if self.system else 'ro init=/bin/sh -- -c "mount -t virtiofs share /rdevpts && exec /rdevpts/init"'
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
            *(["-gdb", f"tcp:127.0.0.1:{self.gdb}"] if self.gdb else []),
            "-kernel", "/vm/vmlinuz", "-append", append, "-serial", "chardev:console",
            "-chardev", f"stdio,id=console,signal={'off' if interactive else 'on'}",
            "-chardev", f"socket,id=root,path={sockets}/root", "-device", "vhost-user-fs-pci,chardev=root,tag=root",
            "-chardev", f"socket,id=share,path={sockets}/share", "-device", "vhost-user-fs-pci,chardev=share,tag=share",
            "-device", "virtio-serial-pci", "-chardev", "file,id=output,path=/vm/output",
            "-device", "virtserialport,chardev=output,name=output",
        ]
        # virtiofsd acts as the guest's users; in a namespace of one id those are all this user, but it wants the right.
        capabilities = ["--cap-add", "ALL"] if host.rootless() else []
        root = self.system or (self.root or self.setup.tools).path
        binds = [
            *capabilities,
            "--bind" if self.system else "--ro-bind", str(root), str(view),
            *(() if self.image else ("--ro-bind", str(kernel.modules), str(view / "usr/lib/modules"))),
            "--bind", str(self.share), str(share),
            *(word for source, name in self._shown for word in ("--ro-bind", str(source), str(share / name))),
            "--ro-bind", str(self.image or kernel.image), "/vm/vmlinuz",
            "--bind", str(self.output), "/vm/output",
        ]
        daemon = "/usr/libexec/virtiofsd --sandbox=none --log-level=error --cache=always --rlimit-nofile=0"
        # The root is bound read-only already; virtiofsd's own --readonly saves the guest from asking. An overlay cannot show
        # the modules' directory if it is announced as a mount.
        how = "" if self.system else "--readonly --no-announce-submounts" if self.root else "--readonly"
        script = f"""
            {daemon} {how} --socket-path={sockets}/root --shared-dir={view} &
            {daemon} --socket-path={sockets}/share --shared-dir={share} &
            until [ -S {sockets}/root ] && [ -S {sockets}/share ]; do sleep 0.02; done
            exec "$@"
        """
        return self.setup.tools.command(["sh", "-c", script, "sh", *qemu], extra=binds)

    def command(self) -> list[str]:
        """The virtiofs daemons and QEMU, in the root of the tool chain."""
        return self._command(False)

    def prepare(self) -> None:
        """The last before the boot."""
        self.env.setdefault("RELEASE", self.setup.kernel.choice.release)
        if self.root:
            self.env["WRITABLE"] = "1"
        super().prepare()

    def interact(self) -> int:
        """Boot with the console on this terminal."""
        if not sys.stdin.isatty():
            raise Fail("a shell in the virtual machine needs a terminal")
        self.prepare()
        size, term = os.get_terminal_size(), os.environ.get("TERM", "linux")
        with open(self.share / "env", "a", encoding="utf-8") as env:
            env.write(f"export INTERACTIVE=1 ROWS={size.lines} COLS={size.columns} TERM='{term}'\n")
        saved = termios.tcgetattr(sys.stdin)
        try:
            return subprocess.call(self._command(True), env=environment())
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
