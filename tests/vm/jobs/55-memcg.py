#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# What ptys cost, and who pays: the memory cgroup of who opens and writes; how much one pty can hold; that a cgroup at its
# limit harms nobody else; that all of it comes back.
#
# timeout: 240
# fstype: devpts rdevpts

"""Memory of ptys, by cgroup and in all."""

import array
import errno
import fcntl
import os
import resource
import signal
import struct
import sys
import termios
import time
import tty

TIOCSPTLCK, TIOCGPTPEER = 0x40045431, 0x5441
CGROUPS = "/sys/fs/cgroup"
FSTYPE = os.environ["FSTYPE"]
LIMITS = "/proc/sys/kernel/" + ("pty" if FSTYPE == "devpts" else "rdevpts")
PTYS = 120
# What a pty takes at most, both ways full, and how much of that nobody pays for: N_TTY's data, flip buffers, the core's copy of
# what is written. See Documentation/security.rst.
MOST, UNCHARGED = (100_000, 100_000) if FSTYPE == "devpts" else (205_000, 135_000)
# A cgroup is charged ahead of use, by processor: so much is not a leak.
SLACK = 1 << 20
SIZES = (1 << 17, 65536, 5000, 300, 7)


def number(path: str) -> int:
    """A file with a number."""
    with open(path, encoding="ascii") as file:
        return int(file.read())


def write(path: str, text: str) -> None:
    """A file that takes a word."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def fields(path: str) -> dict[str, int]:
    """Names and numbers."""
    with open(path, encoding="ascii") as file:
        return {words[0].rstrip(":"): int(words[1]) for words in map(str.split, file) if len(words) > 1}


def free() -> int:
    """Bytes of memory that nobody has. What is only cached is dropped before."""
    for _ in range(2):
        write("/proc/sys/vm/drop_caches", "3")
        time.sleep(0.3)
    return fields("/proc/meminfo")["MemFree"] * 1024


def open_pty() -> tuple[int, int]:
    """A master and its slave, which passes bytes through and echoes nothing."""
    master = os.open("/mnt/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(slave, termios.TCSANOW)
    return master, slave


def fill(end: int) -> int:
    """Write until nothing is taken, in pieces of every size; gives how much was."""
    taken = 0
    for size in SIZES:
        for _ in range(200_000):
            try:
                taken += os.write(end, b"f" * size)
            except BlockingIOError:
                break
    return taken


class Group:
    """A memory cgroup, and a process in it that goes on when it is told to."""

    def __init__(self, name: str, steps) -> None:
        self.path = f"{CGROUPS}/{name}"
        os.mkdir(self.path)
        go, told = os.pipe()
        self.said, say = os.pipe()
        self.tell = told
        self.pid = os.fork()
        if self.pid == 0:
            os.close(told)
            os.close(self.said)
            write(f"{self.path}/cgroup.procs", "0")
            for step in steps:
                if not os.read(go, 1):
                    break
                try:
                    result = step()
                except OSError as error:
                    result = -(error.errno or 0)
                os.write(say, struct.pack("q", result))
            os.read(go, 1)
            os._exit(0)
        os.close(go)
        os.close(say)

    def step(self) -> int | None:
        """The next step, and what it gave; None if the process died."""
        os.write(self.tell, b"g")
        result = os.read(self.said, 8)
        return struct.unpack("q", result)[0] if result else None

    def kernel(self) -> int:
        """Bytes of the kernel's that it pays for."""
        return fields(f"{self.path}/memory.stat")["kernel"]

    def end(self) -> int:
        """End the process; its status."""
        os.close(self.tell)
        os.close(self.said)
        return os.waitpid(self.pid, 0)[1]

    def remove(self) -> None:
        """Remove the empty cgroup."""
        os.rmdir(self.path)


def returns(get, most: int) -> bool:
    """Whether a number goes down to `most`: some of it is freed later."""
    deadline = time.monotonic() + 30
    while get() > most:
        if time.monotonic() > deadline:
            return False
        write("/proc/sys/vm/drop_caches", "2")
        time.sleep(0.2)
    return True


class Tap:
    """Numbered lines."""

    def __init__(self) -> None:
        self.count = 0
        self.good = True

    def check(self, name: str, good: bool, said: str) -> None:
        """One of them."""
        self.count += 1
        self.good &= good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}\n# {said}", flush=True)


def costs(tap: Tap) -> None:
    """What is charged for ptys, idle and full; and what they are in all."""
    ptys: list[tuple[int, int]] = []

    def warm_up() -> int:
        for _ in range(10):
            ptys.append(open_pty())
        return 0

    def open_many() -> int:
        for _ in range(PTYS):
            ptys.append(open_pty())
        return 0

    def output() -> int:
        return max(fill(slave) for _, slave in ptys[-PTYS:])

    def input_() -> int:
        return max(fill(master) for master, _ in ptys[-PTYS:])

    group = Group("costs", [warm_up, open_many, output, input_])
    group.step()
    before, free_before = group.kernel(), free()
    print(f"# open: {group.step()}")
    idle, free_idle = group.kernel(), free()
    most_out = group.step() or 0
    out, free_out = group.kernel(), free()
    most_in = group.step() or 0
    full, free_full = group.kernel(), free()
    charged = [(now - before) // PTYS for now in (idle, out, full)]
    in_all = [(free_before - now) // PTYS for now in (free_idle, free_out, free_full)]
    said = "bytes a pty: " + ", ".join(
        f"{what} {a} charged of {b}" for what, a, b in zip(("idle", "output full", "both full"), charged, in_all))
    # Both tty_structs, inode and dentry, open files.
    tap.check("an open pty is charged to who opened it", charged[0] >= 2500, said)
    if FSTYPE == "rdevpts":
        tap.check("what waits for a master is charged to who wrote it", charged[1] - charged[0] >= most_out * 9 // 10,
                  f"{charged[1] - charged[0]} bytes charged for {most_out}")
    else:
        tap.check("what waits for a master is charged to who wrote it # SKIP devpts charges no buffers", True, said)
    tap.check("what one pty holds is bounded", in_all[2] <= MOST and max(most_out, most_in) <= 65536,
              f"{in_all[2]} bytes of memory; {most_out} bytes of output and {most_in} of input are taken at most")
    tap.check("of that, no more than a known part is not charged", in_all[2] - charged[2] <= UNCHARGED,
              f"{in_all[2] - charged[2]} bytes")
    group.end()
    tap.check("all that was charged returns", returns(group.kernel, before + SLACK) and number(f"{LIMITS}/nr") == 0,
              f"{group.kernel()} bytes, {before} before; {number(f'{LIMITS}/nr')} ptys")
    group.remove()


def limit(tap: Tap) -> None:
    """A cgroup at its limit."""
    made = array.array("i")

    def ready() -> int:
        open_pty()
        return 0

    def exhaust() -> int:
        for _ in range(3500):
            master, slave = open_pty()
            made.extend((master, slave))
            os.write(slave, bytes(60_000))
        return len(made) // 2

    group = Group("limit", [ready, exhaust])
    group.step()
    start = number(f"{group.path}/memory.current")
    room = 6 << 20
    write(f"{group.path}/memory.max", str(start + room))
    oom_before = fields(f"{CGROUPS}/cgroup.stat") and fields("/proc/vmstat")["oom_kill"]
    outcome = group.step()
    peak = number(f"{group.path}/memory.peak")
    events = fields(f"{group.path}/memory.events")
    ended = "killed" if outcome is None else f"{outcome} ptys" if outcome >= 0 else errno.errorcode[-outcome]
    bounded = outcome is None or outcome == -errno.ENOMEM
    said = f"{ended}; peak {peak} of {start + room} bytes; {events}"
    if FSTYPE == "devpts" and not bounded:
        print(f"# {said}")
    tap.check("a cgroup at its limit gets ENOMEM, or is killed", bounded and peak <= start + room + SLACK, said)
    master, slave = open_pty()
    os.write(slave, b"outside")
    deadline = time.monotonic() + 10
    data = b""
    while data != b"outside" and time.monotonic() < deadline:
        try:
            data += os.read(master, 100)
        except BlockingIOError:
            time.sleep(0.01)
    killed = fields("/proc/vmstat")["oom_kill"] - oom_before
    tap.check("others open and write meanwhile, and none of them is killed",
              data == b"outside" and killed == events["oom_kill"], f"{data!r}; {killed} killed")
    os.close(slave)
    os.close(master)
    status = group.end()
    good = returns(group.kernel, SLACK) and returns(lambda: number(f"{LIMITS}/nr"), 0)
    tap.check("and all returns", good and (outcome is not None or os.WTERMSIG(status) == signal.SIGKILL),
              f"{group.kernel()} bytes, {number(f'{LIMITS}/nr')} ptys, status {status}")
    group.remove()


def main() -> int:
    """Run and judge."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    if not os.path.exists(f"{CGROUPS}/cgroup.procs"):
        os.system(f"mount -t cgroup2 cgroup2 {CGROUPS}")
    write(f"{CGROUPS}/cgroup.subtree_control", "+memory")
    os.system(f"mount -t {FSTYPE} -o ptmxmode=666 {FSTYPE} /mnt")
    print("1..8", flush=True)
    tap = Tap()
    costs(tap)
    limit(tap)
    return 0 if tap.good else 1


sys.exit(main())
