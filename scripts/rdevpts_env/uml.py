# SPDX-License-Identifier: GPL-2.0
"""One boot of User Mode Linux, which runs as a process: no processor is emulated, so that it is many times faster than QEMU
without KVM. Its root is the Debian root of the tool chain, and the share a part of that, by hostfs.
"""

from dataclasses import dataclass

from .custom import Custom
from .guest import Guest
from .root import Root


@dataclass(kw_only=True)
class UmlMachine(Guest):
    """What to boot, and how."""

    kernel: Custom
    root: Root

    def __post_init__(self) -> None:
        super().__post_init__()
        # Modules lie above the memory, and reach the kernel, which lies below it, with 32 bits and a sign; nobody checks.
        self.memory = min(self.memory, 1536)
        # What the kernel says of its own start is not about what the job does.
        self.judged = False

    def command(self) -> list[str]:
        """The kernel, in the root of the tool chain. Its first console is the log, its second what the job prints."""
        fatal = ["panic_on_warn=1"] if self.fatal else []
        linux = [
            str(self.kernel.image), f"mem={self.memory}M", f"ncpus={self.cpus}", "seccomp=on", "con=null",
            "con0=null,fd:1", "con1=null,fd:9", "console=tty0", "loglevel=5", "panic=-1", "oops=panic", *fatal,
            "uml_dir=/tmp/", "root=none", "rootfstype=hostfs", "rootflags=/", "ro", *self.append.split(),
            "init=/bin/sh", "--", "-c", '"mount -t hostfs -o hostfs=/rdevpts share /rdevpts && exec /rdevpts/init"',
        ]
        # It polls what it writes to, which a file cannot.
        script = '{ "$@" 9>&1 >&3 3>&- | cat >>/rdevpts/out/output; } 3>&1'
        return self.root.command(["sh", "-c", script, "sh", *linux], [], [self.kernel.entry.path],
                                 ["--dir", "/sys", "--bind", str(self.share), "/rdevpts", "--setenv", "TMPDIR", "/tmp"])

    def prepare(self) -> None:
        """The last before the boot."""
        self.env.update(RELEASE=self.kernel.title, OUTPUT="/dev/tty1")
        super().prepare()
