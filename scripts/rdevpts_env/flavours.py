# SPDX-License-Identifier: GPL-2.0
"""The configurations of kernels that are made here (see custom.py): for each flavour what is on, and how it is compiled."""

from dataclasses import dataclass, field

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
# What QEMU has for it (without a second clock, time goes wrong where the host is busy), and programs for 32 bits.
_QEMU = """
    ACPI IA32_EMULATION PCI SERIAL_8250 SERIAL_8250_CONSOLE VIRTIO VIRTIO_CONSOLE VIRTIO_FS VIRTIO_MENU VIRTIO_PCI
    X86_PM_TIMER
"""
# Locks and contexts.
_LOCKS = """
    DEBUG_ATOMIC_SLEEP DEBUG_IRQFLAGS DEBUG_OBJECTS DEBUG_OBJECTS_FREE DEBUG_OBJECTS_PERCPU_COUNTER DEBUG_OBJECTS_RCU_HEAD
    DEBUG_OBJECTS_TIMERS DEBUG_OBJECTS_WORK DEBUG_PREEMPT PROVE_LOCKING PROVE_RCU
"""
# Memory; with Rust, KASAN wants clang.
_MEMORY = """
    CC_IS_CLANG DEBUG_KMEMLEAK KASAN KASAN_GENERIC KASAN_INLINE KASAN_VMALLOC UBSAN UBSAN_BOOL UBSAN_BOUNDS UBSAN_SHIFT
"""
# Accesses that nothing keeps apart. What KCSAN passes over by default is passed over here: the stock kernel relies on it.
_RACES = """
    CC_IS_CLANG DEBUG_KERNEL KCSAN KCSAN_ASSUME_PLAIN_WRITES_ATOMIC KCSAN_DELAY_RANDOMIZE KCSAN_EARLY_ENABLE
    KCSAN_REPORT_RACE_UNKNOWN_ORIGIN KCSAN_REPORT_VALUE_CHANGE_ONLY KCSAN_SKIP_WATCH_RANDOMIZE PRINTK_CALLER
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
class Arch:
    """What a kernel is made for."""

    kind: str
    """What it is called in the cache and in the build directory."""
    title: str
    variables: tuple[str, ...]
    """What `make` must be told."""
    image: str
    """What is booted, within the build tree."""

    @property
    def target(self) -> str:
        """What to ask `make` for."""
        return self.image.rpartition("/")[2]


UML = Arch("uml", "User Mode Linux", ("ARCH=um",), "linux")
X86 = Arch("x86", "Linux", ("ARCH=x86_64",), "arch/x86/boot/bzImage")


@dataclass(frozen=True)
class Flavour:
    """One configuration: what is on beside what all have, and what is no yes or no."""

    options: str
    values: dict[str, str] = field(default_factory=dict)
    arch: Arch = UML

    @property
    def settings(self) -> dict[str, str]:
        """All that is asked for."""
        return {name: "y" for name in (_COMMON + self.options).split()} | {"NR_CPUS": str(CPUS)} | self.values

    def has(self, option: str) -> bool:
        """Whether it is on."""
        return self.settings.get(option) == "y"

    @property
    def variables(self) -> list[str]:
        """What every `make` must be told, beside the compiler if that is not clang."""
        clang = self.has("CC_IS_CLANG")
        tools = ["LLVM=1"] if clang else []
        rust = []
        if self.arch is UML:
            # The loader of modules for UML cannot resolve what rustc otherwise expects from a table of addresses.
            rust.append("-Zdirect-access-external-data=yes")
            if clang:
                # Where large distances are allowed, clang has sections of its own, of which the linker script knows nothing:
                # what is in them counts neither as the kernel's data nor as its code, for none of the checkers.
                rust.append("-Ccode-model=small")
                tools.append("KCFLAGS=-mcmodel=small")
        if self.has("KCSAN"):
            rust += _KCSAN_RUST
        return [*tools, *self.arch.variables, f"KRUSTFLAGS={' '.join(rust)}"]


# scripts/Makefile.kcsan has this for C alone.
_KCSAN_RUST = [
    "-Zsanitizer=thread",
    "-Cllvm-args=-tsan-distinguish-volatile=1",
    "-Cllvm-args=-tsan-compound-read-before-write=1",
    "-Cllvm-args=-tsan-instrument-func-entry-exit=0",
]

FLAVOURS = {
    "bench": Flavour(_UML),
    "memory": Flavour(" ".join([_UML, _TESTS, _BOTH, _MEMORY, _FAULTS, "KUNIT KUNIT_DEBUGFS"]), _HUNG),
    # Apart from the other: for each allocation that KASAN or kmemleak records, the stack is searched for addresses of modules,
    # word by word, under a lock that lockdep notes, with signals off and on again, which are system calls of the host.
    "locks": Flavour(" ".join([_UML, _TESTS, _BOTH, _LOCKS]), _HUNG | {"LOCKDEP_BITS": "16", "LOCKDEP_CHAINS_BITS": "17"}),
    # User Mode Linux has no KCSAN.
    "races": Flavour(" ".join([_QEMU, _TESTS, _BOTH, _RACES]), _HUNG, X86),
}
