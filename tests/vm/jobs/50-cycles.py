#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# 1,000 times: insmod, mount, use, umount, rmmod. What the kernel has allocated must be the same after it as before.
#
# timeout: 600
# fstype: none
# append: slab_nomerge

"""Cycles of the module's whole life, and what they leave behind."""

import ctypes
import errno
import fcntl
import os
import struct
import time

CYCLES = 1000
WARM_UP = 50
TIOCSPTLCK, TIOCGPTN = 0x40045431, 0x80045430
DELETE_MODULE, FINIT_MODULE = 176, 313

LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments) -> None:
    """One call of libc that must succeed: programs like insmod would take longer to start than to run."""
    if getattr(LIBC, name)(*arguments) < 0:
        raise SystemExit(f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def unload() -> None:
    """The tty core lets go of a closed tty, and so of its driver's module, in a work queue: give it a moment."""
    deadline = time.monotonic() + 5
    while LIBC.syscall(DELETE_MODULE, b"rdevpts", os.O_NONBLOCK) < 0:
        if ctypes.get_errno() != errno.EAGAIN or time.monotonic() > deadline:
            raise SystemExit(f"unloading: {os.strerror(ctypes.get_errno())}")
        time.sleep(0.001)


def cycle() -> None:
    """One life: load, mount, open a pair, say something, close, unmount, unload."""
    module = os.open("/rdevpts/rdevpts.ko", os.O_RDONLY)
    call("syscall", FINIT_MODULE, module, b"", 0)
    os.close(module)
    call("mount", b"rdevpts", b"/mnt", b"rdevpts", 0, b"ptmxmode=666")
    master = os.open("/mnt/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, struct.pack("i", -1)))[0]
    slave = os.open(f"/mnt/{number}", os.O_RDWR | os.O_NOCTTY)
    os.write(slave, b"said\n")
    said = b""
    while len(said) < len(b"said\r\n"):
        said += os.read(master, 100)
    if said != b"said\r\n":
        raise SystemExit(f"wrote said, read {said!r}")
    os.close(slave)
    os.close(master)
    call("umount", b"/mnt")
    unload()


def settled() -> None:
    """Wait for what is freed later: RCU, work queues; and drop what is only cached."""
    os.sync()
    for _ in range(3):
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
        time.sleep(1)


def slab() -> dict[str, int]:
    """Objects in use of every slab cache."""
    with open("/proc/slabinfo", encoding="ascii") as file:
        return {words[0]: int(words[1]) for words in map(str.split, file.readlines()[2:])}


def vmalloc() -> dict[str, int]:
    """Areas of every function that calls vmalloc; what is free but not yet returned aside."""
    found: dict[str, int] = {}
    with open("/proc/vmallocinfo", encoding="ascii") as file:
        for words in map(str.split, file):
            if words[2] != "unpurged":
                found[words[2]] = found.get(words[2], 0) + 1
    return found


def judge(number: int, what: str, before: dict[str, int], after: dict[str, int], cycles: int) -> bool:
    """Print the verdict on one kind of memory. Caches breathe by some pages, and the pool of module text grows by 2 MiB
    at a time; what is left behind once in four cycles is a leak."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    leaks = {name: count for name, count in grown.items() if count >= cycles // 4}
    print(f"{'not ok' if leaks else 'ok'} {number} - {what} returns", flush=True)
    for name, count in leaks.items():
        print(f"# {name}: {count:+d} after {cycles} cycles")
    print(f"# {what}: {sum(grown.values()):+d} in all", flush=True)
    return not leaks


def main() -> int:
    """Run and judge."""
    print("1..3", flush=True)
    for _ in range(WARM_UP):
        cycle()
    settled()
    before = slab(), vmalloc()
    begin = time.monotonic()
    for number in range(WARM_UP, CYCLES):
        cycle()
        if number % 100 == 0:
            print(f"# {number} cycles, {time.monotonic() - begin:.0f} s", flush=True)
    print(f"ok 1 - {CYCLES} cycles of insmod, mount, use, umount, rmmod", flush=True)
    settled()
    cycles = CYCLES - WARM_UP
    good = judge(2, "number of slab objects", before[0], slab(), cycles)
    return 0 if judge(3, "number of vmalloc areas", before[1], vmalloc(), cycles) and good else 1


raise SystemExit(main())
