# SPDX-License-Identifier: GPL-2.0
"""Kernels from the stock kernel's source whose configuration is ours to choose; each is made when it is first asked for.

They are User Mode Linux, which runs as a process: no processor is emulated, so that it is many times faster than QEMU without
KVM. Its root is the Debian root of the tool chain, and the share a part of that, by hostfs.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from . import host, paths
from .build import Builder
from .cache import Lock, digest
from .fail import Fail
from .guest import Guest
from .kdir import Tree
from .kernel import Kernel
from .root import Root

_VERSION = 2
_GIGABYTES = 3.0

CPUS = 8
"""How many processors they can have."""

# The rest is off (allnoconfig), but for what these need.
_COMMON = """
    64BIT ADVISE_SYSCALLS BINFMT_ELF BINFMT_SCRIPT BUG CC_OPTIMIZE_FOR_PERFORMANCE DEBUG_BUGVERBOSE DEVTMPFS
    DEVTMPFS_MOUNT EPOLL EVENTFD EXPERT FILE_LOCKING FUTEX HIGH_RES_TIMERS INOTIFY_USER KALLSYMS MODULES
    MODULE_UNLOAD MULTIUSER NAMESPACES NET NO_HZ_IDLE POSIX_TIMERS PREEMPT PRINTK PROC_FS RUST
    RUST_OVERFLOW_CHECKS SHMEM SIGNALFD SMP SYSCTL SYSFS TIMERFD TMPFS TTY UNIX UNIX98_PTYS USER_NS UTS_NS
    VM_EVENT_COUNTERS
"""
# What tests want beside what is measured.
_TESTS = """
    AIO CGROUPS COREDUMP DEBUG_FS DNOTIFY FANOTIFY FHANDLE FUSE_FS IO_URING IPC_NS KALLSYMS_ALL LDISC_AUTOLOAD
    MEMCG PID_NS PRINTK_TIME PROC_CHILDREN PROC_KCORE SYSVIPC TMPFS_XATTR USERFAULTFD
"""
_UML = "HOSTFS NULL_CHAN"
# Locks and contexts.
_LOCKS = """
    DEBUG_ATOMIC_SLEEP DEBUG_IRQFLAGS DEBUG_OBJECTS DEBUG_OBJECTS_FREE DEBUG_OBJECTS_PERCPU_COUNTER DEBUG_OBJECTS_RCU_HEAD
    DEBUG_OBJECTS_TIMERS DEBUG_OBJECTS_WORK DEBUG_PREEMPT PROVE_LOCKING PROVE_RCU
"""
# Memory; with Rust, KASAN wants clang.
_MEMORY = """
    CC_IS_CLANG DEBUG_KMEMLEAK KASAN KASAN_GENERIC KASAN_INLINE KASAN_VMALLOC UBSAN UBSAN_BOOL UBSAN_BOUNDS UBSAN_SHIFT
"""
# What costs little.
_BOTH = """
    DEBUG_LIST DEBUG_NOTIFIERS DEBUG_PLIST DEBUG_VFS DEBUG_VM DETECT_HUNG_TASK RUST_DEBUG_ASSERTIONS SCHED_STACK_END_CHECK
    SLUB_DEBUG
"""
# Failures on demand: /proc/self/fail-nth, and /sys/kernel/debug.
_FAULTS = "FAILSLAB FAIL_PAGE_ALLOC FAULT_INJECTION FAULT_INJECTION_DEBUG_FS FAULT_INJECTION_USERCOPY"
_HUNG = {"DEFAULT_HUNG_TASK_TIMEOUT": "60"}


@dataclass(frozen=True)
class Flavour:
    """One configuration: what is on beside what all have, and what is no yes or no."""

    options: str
    values: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """All that is asked for."""
        return {name: "y" for name in (_COMMON + self.options).split()} | {"NR_CPUS": str(CPUS)} | self.values


FLAVOURS = {
    "bench": Flavour(_UML),
    "memory": Flavour(" ".join([_UML, _TESTS, _BOTH, _MEMORY, _FAULTS, "KUNIT KUNIT_DEBUGFS"]), _HUNG),
    # Apart from the other: for each allocation that KASAN or kmemleak records, the stack is searched for addresses of modules,
    # word by word, under a lock that lockdep notes, with signals off and on again, which are system calls of the host.
    "locks": Flavour(" ".join([_UML, _TESTS, _BOTH, _LOCKS]), _HUNG | {"LOCKDEP_BITS": "16", "LOCKDEP_CHAINS_BITS": "17"}),
}


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
        self.name = flavour
        self.flavour = FLAVOURS[flavour]
        self._settings = self.flavour.settings
        self._kernel = kernel
        key = digest(_VERSION, self.variables(), self._settings, self.left_out, root.entry.key, kernel.choice.version)
        super().__init__(f"uml-{flavour}", root, kernel, key)
        self.title = f"User Mode Linux {kernel.choice.version} ({flavour})"
        self.image = self.path / "linux"

    def require(self) -> None:
        """Make it unless it is there and whole. The cache is free for others meanwhile, but for the source's packages."""
        if self.entry.fault():
            host.need_space(paths.cache(), _GIGABYTES, self.title)
        self.entry.make(
            [("source", self._fetch_source), ("build", self._build)],
            lambda: [f"build/{name}" for name in (".config", "Module.symvers", "linux",
                                                  "rust/libkernel.rmeta", "scripts/mod/modpost")],
        )

    def _fetch_source(self) -> None:
        with Lock():
            self._kernel.fetch(source=True)
            self._unpack()
            self._kernel.drop_debs()

    def variables(self) -> list[str]:
        """What every `make` against this tree must be told."""
        clang = "CC_IS_CLANG" in self._settings
        tools = ["LLVM=1"] if clang else super().variables()
        # The loader of modules for UML cannot resolve what rustc otherwise expects from a table of addresses.
        rust = ["-Zdirect-access-external-data=yes"]
        if clang:
            # Where large distances are allowed, clang has sections of its own, of which the linker script knows nothing: what
            # is in them counts neither as the kernel's data nor as its code, for none of the checkers.
            rust.append("-Ccode-model=small")
            tools.append("KCFLAGS=-mcmodel=small")
        return [*tools, "ARCH=um", f"KRUSTFLAGS={' '.join(rust)}"]

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
        log = paths.logs() / f"uml-{self.name}.log"
        with self._root.entry.in_use():
            self._configure(log)
            self._make("linux modules_prepare", log)
        # A kernel without modules of its own has no list of what it exports, but for that of the whole.
        if not (self.path / "Module.symvers").exists():
            shutil.copy(self.path / "vmlinux.symvers", self.path / "Module.symvers")

    def module(self, builder: Builder) -> Path:
        """Build rdevpts for it."""
        out = paths.BUILD / f"uml-{self.name}"
        argv = ["make", f"KDIR={self.path}", f"OUT={out}", *self.variables(), "modules"]
        builder.step(f"the module for {self.title}", argv, [self.entry.path])
        return out / "rdevpts.ko"


@dataclass(kw_only=True)
class UmlMachine(Guest):
    """What to boot, and how."""

    kernel: Uml
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
