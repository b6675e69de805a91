# SPDX-License-Identifier: GPL-2.0
"""User Mode Linux from the stock kernel's source: no processor is emulated, and the configuration is ours to choose.

A kernel is made when it is first asked for. It runs as a process, with the Debian root for its root (hostfs); what a run
needs is in a share at /rdevpts, as in the virtual machine.
"""

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import host, paths, vm
from .build import Builder
from .cache import Lock, digest, remove_tree
from .fail import Fail, explain
from .kdir import Tree
from .kernel import Kernel
from .progress import Step, run_logged
from .root import Root, environment
from .vm import Outcome

_VERSION = 1
_GIGABYTES = 2.0

CPUS = 8
"""How many processors it can have."""

_COMMON = """
    64BIT ADVISE_SYSCALLS BINFMT_ELF BINFMT_SCRIPT BUG CC_OPTIMIZE_FOR_PERFORMANCE DEBUG_BUGVERBOSE DEVTMPFS
    DEVTMPFS_MOUNT EPOLL EVENTFD EXPERT FILE_LOCKING FUTEX HIGH_RES_TIMERS HOSTFS INOTIFY_USER KALLSYMS MODULES
    MODULE_UNLOAD MULTIUSER NAMESPACES NET NO_HZ_IDLE NULL_CHAN POSIX_TIMERS PREEMPT PRINTK PROC_FS RUST
    RUST_OVERFLOW_CHECKS SHMEM SIGNALFD SMP SYSCTL SYSFS TIMERFD TMPFS TTY UNIX UNIX98_PTYS USER_NS UTS_NS
    VM_EVENT_COUNTERS
"""


@dataclass(frozen=True)
class Flavour:
    """One configuration: what is on beside what all have, and what is no yes or no."""

    options: str = ""
    values: dict[str, str] = field(default_factory=dict)
    memory: int = 1024
    """What it has, in MiB."""

    def settings(self) -> dict[str, str]:
        """All that is asked for."""
        return {name: "y" for name in (_COMMON + self.options).split()} | {"NR_CPUS": str(CPUS)} | self.values


# The rest is off (allnoconfig), but for what these need.
FLAVOURS = {
    "bench": Flavour(),
    "debug": Flavour(
        # What tests want beside what is measured.
        "AIO FANOTIFY FHANDLE FUSE_FS IO_URING PID_NS PRINTK_TIME USERFAULTFD KUNIT "
        # Locks and contexts.
        "PROVE_LOCKING PROVE_RCU DEBUG_ATOMIC_SLEEP DEBUG_IRQFLAGS DEBUG_PREEMPT DETECT_HUNG_TASK "
        # Memory and lifetimes; reference counts complain of themselves. With Rust, KASAN wants clang.
        "CC_IS_CLANG KASAN KASAN_GENERIC KASAN_VMALLOC DEBUG_KMEMLEAK SLUB_DEBUG SLUB_DEBUG_ON DEBUG_VM DEBUG_VFS "
        "SCHED_STACK_END_CHECK DEBUG_OBJECTS DEBUG_OBJECTS_FREE DEBUG_OBJECTS_TIMERS DEBUG_OBJECTS_WORK DEBUG_OBJECTS_RCU_HEAD "
        "DEBUG_OBJECTS_PERCPU_COUNTER DEBUG_LIST DEBUG_PLIST DEBUG_NOTIFIERS "
        # Undefined behaviour.
        "UBSAN UBSAN_BOUNDS UBSAN_SHIFT UBSAN_BOOL RUST_DEBUG_ASSERTIONS "
        # Failures on demand: /proc/self/fail-nth, and /sys/kernel/debug.
        "DEBUG_FS FAULT_INJECTION FAULT_INJECTION_DEBUG_FS FAILSLAB FAIL_PAGE_ALLOC FAULT_INJECTION_USERCOPY "
        "KALLSYMS_ALL",
        {"DEFAULT_HUNG_TASK_TIMEOUT": "60", "LOCKDEP_BITS": "16", "LOCKDEP_CHAINS_BITS": "17"},
        memory=2048,
    ),
}

_INIT = """#!/bin/sh
# The first process: what the job wants, the job, its status.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t hostfs -o hostfs=/rdevpts share /rdevpts
/rdevpts/job </dev/null 2>&1
echo $? >/rdevpts/out/status
busybox poweroff -f
"""


class Uml(Tree):
    """A kernel of one flavour, and what modules for it are built against."""

    left_out = (
        "Documentation/*.*",
        "arch/[a-t]*/*.*",
        "arch/xtensa/*.*",
        "drivers/gpu/*.[ch]",
        "drivers/media/*.[ch]",
        "drivers/net/*/*.[ch]",
        "sound/*.[chS]",
        "tools/perf/*",
        "tools/testing/*",
    )

    def __init__(self, root: Root, kernel: Kernel, flavour: str) -> None:
        self._name = flavour
        self._flavour = FLAVOURS[flavour]
        self._settings = self._flavour.settings()
        key = digest(_VERSION, self._settings, self.left_out, root.entry.key, kernel.choice.version)
        super().__init__(f"uml-{flavour}", root, kernel, key)
        self.title = f"User Mode Linux {kernel.choice.version} ({flavour})"

    def require(self) -> None:
        """Make it unless it is there and whole."""
        with Lock():
            if self.entry.fault():
                host.need_space(paths.cache(), _GIGABYTES, self.title)
                if self.entry.needs("source"):
                    self._kernel.fetch(source=True)
            self.entry.make(
                [("source", self._unpack), ("build", self._build)],
                lambda: [f"build/{name}" for name in (".config", "Module.symvers", "linux", "rust/libkernel.rmeta",
                                                      "scripts/mod/modpost")],
            )
            self._kernel.drop_debs()

    def variables(self) -> list[str]:
        """What every `make` against this tree must be told."""
        # The loader of modules for UML cannot resolve what rustc otherwise expects from a table of addresses.
        tools = ["LLVM=1"] if "CC_IS_CLANG" in self._settings else super().variables()
        return [*tools, "ARCH=um", "KRUSTFLAGS=-Zdirect-access-external-data=yes"]

    def _configure(self, log: Path) -> None:
        wanted = self.path / "wanted.config"
        wanted.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in self._settings.items()), encoding="utf-8")
        self._make(f"KCONFIG_ALLCONFIG='{wanted}' allnoconfig", log)
        lines = (self.path / ".config").read_text(encoding="utf-8").splitlines()
        have = dict(line.removeprefix("CONFIG_").split("=", 1) for line in lines if line.startswith("CONFIG_"))
        missing = [name for name, value in self._settings.items() if have.get(name, "n") != value]
        if missing:
            raise Fail(f"{self.title}: this source cannot be configured with {', '.join(missing)} (see {log})")

    def _build(self) -> None:
        self.path.mkdir(exist_ok=True)
        log = paths.logs() / f"uml-{self._name}.log"
        self._configure(log)
        self._make("linux modules_prepare", log)
        # A kernel without modules of its own has no list of what it exports, but for that of the whole.
        if not (self.path / "Module.symvers").exists():
            shutil.copy(self.path / "vmlinux.symvers", self.path / "Module.symvers")

    def module(self, builder: Builder) -> Path:
        """Build rdevpts for it."""
        out = paths.BUILD / f"uml-{self._name}"
        argv = ["make", f"KDIR={self.path}", f"OUT={out}", *self.variables(), "modules"]
        log = paths.logs() / f"uml-{self._name}-module.log"
        with Step(f"build of the module for {self.title}"):
            status, tail = builder.logged(argv, log, readable=[self.entry.path])
        if status:
            raise Fail(f"the module for {self.title}: {explain(tail) or f'failed, see {log}'}")
        return out / "rdevpts.ko"

    def boot(self, name: str, put: dict[str, Path], script: str, cpus: int, timeout: float,
             on_line: Callable[[str], None]) -> tuple[Outcome, Path]:
        """Run a shell script in it; how that ended, and the directory of what it left in /rdevpts/out."""
        share = _share(name, put, script)
        linux = [
            str(self.path / "linux"), f"mem={self._flavour.memory}M", f"ncpus={cpus}", "seccomp=on", "con=null",
            "con0=null,fd:1", "console=tty0", "loglevel=5", "panic=-1", "oops=panic", "panic_on_warn=1", "uml_dir=/tmp/",
            "root=none", "rootfstype=hostfs", "rootflags=/", "ro", "init=/rdevpts/init",
        ]
        command = self._root.command(linux, [], [self.entry.path], ["--bind", str(share), "/rdevpts"])
        outcome = Outcome(console=paths.logs() / f"{name}.console")

        def line(text: str) -> None:
            # The first complaint is the cause.
            outcome.panic = outcome.panic or vm.complaint(text)
            on_line(text)

        begin = time.monotonic()
        argv = ["timeout", "--kill-after=5", str(timeout), *command]
        status, _tail = run_logged(argv, outcome.console, line, env=environment(TMPDIR="/tmp"))
        outcome.seconds = time.monotonic() - begin
        outcome.timed_out = status in (124, 137)
        with contextlib.suppress(OSError, ValueError):
            outcome.status = int((share / "out" / "status").read_text(encoding="utf-8"))
        return outcome, share / "out"


def _share(name: str, put: dict[str, Path], script: str) -> Path:
    """Make what is seen as /rdevpts."""
    share = paths.BUILD / "vm" / name
    remove_tree(share)
    (share / "out").mkdir(parents=True)
    for target, source in put.items():
        shutil.copy(source, share / target)
    for file, text in (("init", _INIT), ("job", f"#!/bin/sh\n{script}")):
        (share / file).write_text(text, encoding="utf-8")
        (share / file).chmod(0o755)
    return share
