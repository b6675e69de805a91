# SPDX-License-Identifier: GPL-2.0
"""The command line; the Makefile is its usual caller."""

import argparse
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import (accel, bench, cache, coverage, debug, decode, demo, differential, editor, flavours, fuzz, lint, matrix, package,
               package_test, paths, setup, soak, testing)
from .build import Builder
from .conformance import run
from .fail import Fail
from .platforms import Checked, Stock
from .progress import say
from .vm import Machine


def _setup(args) -> int:
    ready = setup.demo_setup(fresh=args.fresh)
    say(f"ready: {ready.kernel.choice.release}, {ready.root.rustc()}")
    return 0


def _kdir(_args) -> int:
    ready = setup.running_setup()
    print(f"KDIR={ready.kdir.path}")
    print(f"make variables: {' '.join(ready.kdir.variables())}")
    print("`make` builds rdevpts.ko against it, in the Debian root that has its compilers.")
    return 0


def _make(args) -> int:
    if not os.environ.get("KERNEL") and not paths.cache().exists() and (installed := setup.installed_kdir()):
        return subprocess.call(["make", f"KDIR={installed}", *args.targets])
    builder = Builder(setup.build_setup())
    status = builder.call(builder.make(*args.targets))
    if status == 0 and "rust-analyzer" in args.targets:
        editor.write_project(builder)
    return status


def _run(args) -> int:
    return Builder(setup.demo_setup()).call(args.command or ["bash"])


def _shell(_args) -> int:
    ready = setup.demo_setup()
    builder = Builder(ready)
    builder.require()
    machine = Machine("shell", setup=ready, accel=accel.choose(ready), fatal=False, env={"FSTYPE": "rdevpts"})
    machine.put(builder.products / "rdevpts.ko", "rdevpts.ko")
    return machine.interact()


def _vm(args) -> int:
    ready = setup.demo_setup()
    if args.root:
        ready.guest.require()
    builder = Builder(ready)
    if args.kernel == "stock":
        platform = Stock(builder, accel.choose(ready))
    else:
        platform = Checked(builder, args.kernel)
        say(platform.prepare())
    machine = platform.machine(args.name, ready.guest if args.root else None, cpus=args.cpus, memory=args.memory,
                               timeout=args.timeout, fatal=not args.not_fatal, append=args.append,
                               env={"FSTYPE": args.fstype})
    if args.gdb:
        if not isinstance(machine, Machine):
            raise Fail("User Mode Linux is a process of this machine, and needs no --gdb: gdb -p")
        machine.gdb = args.gdb
    if args.kernel != "stock":
        machine.put(platform.supplies()["rdevpts.ko"], "rdevpts.ko")
    for item in args.put:
        source, _, name = item.partition("=")
        machine.put(Path(source), name or Path(source).name)
    machine.script(args.script)
    outcome = machine.run(on_line=lambda line: print(line, flush=True))
    print(f"# {outcome}, {outcome.seconds:.1f} s; kernel log {outcome.console}", file=sys.stderr)
    return 0 if outcome.ok else 1


def _decode(args) -> int:
    builder = Builder(setup.demo_setup())
    module = Path(args.module) if args.module else builder.products / "rdevpts.ko"
    if not module.is_file():
        raise Fail(f"{module} is not there: make, or name the module that the log is of")
    return decode.run(builder, Path(args.log), module)


def _forget(_args) -> int:
    cache.forget()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rdevpts-env", description="The development environment of rdevpts.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("setup", _setup, "make the Debian root, fetch a kernel, prepare its KDIR").set_defaults(fresh=False)
    add("update", _setup, "the same, but look at the archive again and choose anew").set_defaults(fresh=True)
    add("kdir", _kdir, "prepare a KDIR for the running Debian kernel")
    add("deb", lambda _args: package.run(), "the Debian package, in build/deb")
    add("demo", lambda _args: demo.run(), "the race of 2018 and rdevpts under the same load")
    command = add("test-debug", lambda args: debug.run(args.jobs, args.kernels.split()), "tests on kernels with checkers")
    command.add_argument("--jobs", default=os.environ.get("JOBS") or "*", help="only the jobs whose names fit")
    command.add_argument("--kernels", default=os.environ.get("KERNELS") or " ".join(debug.FLAVOURS), help="only these kernels")
    command = add("test", lambda args: testing.run(args.jobs), "every test")
    command.add_argument("--jobs", default=os.environ.get("JOBS") or "*", help="only the VM jobs whose names fit")
    command = add("matrix", lambda args: matrix.run(args.kernels, args.keep), "the suite on stock kernels of several suites")
    command.add_argument("--kernels", default=os.environ.get("KERNELS") or "*", help="only those whose names fit; or by name")
    command.add_argument("--keep", action="store_true", default=bool(os.environ.get("KEEP")), help="keep what was made for it")
    command = add("test-package", lambda args: package_test.run(args.suite),
                  "the Debian package, from its installation to its removal")
    command.add_argument("--suite", default=os.environ.get("SUITE") or "trixie", help="of which Debian: trixie, forky or sid")
    command = add("coverage", lambda args: coverage.run(args.jobs), "which lines of src/ the VM jobs execute")
    command.add_argument("--jobs", default=os.environ.get("JOBS") or "*", help="only the jobs whose names fit")
    add("differential", lambda _args: differential.run(), "the long run of the differential tester")
    add("soak", lambda _args: soak.run(), "thousands of ptys under strain, for long")
    add("fuzz", lambda _args: fuzz.run(), "the model with libFuzzer, then random system calls on two kernels")
    command = add("conformance", lambda args: run.conformance(args.suite, args.rounds), "other people's test suites")
    command.add_argument("--suite", default=os.environ.get("SUITE") or "*", help="only the suites whose names fit")
    command.add_argument("--rounds", type=int, default=run.ROUNDS, help="how often to run at most what differs")
    add("bench", lambda _args: bench.run(), "C devpts, rdevpts and a pipe, side by side")
    add("htmldocs", lambda _args: lint.htmldocs(), "Documentation as pages")
    add("shell", _shell, "a prompt in a virtual machine with rdevpts on /dev/pts")
    add("forget", _forget, "remove the cache")
    command = add("make", _make, "run targets of the Makefile in the Debian root")
    command.add_argument("targets", nargs="+")
    command = add("run", _run, "run a command (or a shell) in the Debian root, in the sources")
    command.add_argument("command", nargs=argparse.REMAINDER)
    command = add("decode", _decode, "print a kernel log with the module's addresses as lines of its source")
    command.add_argument("log", help="what the kernel said: build/logs/NAME.console, or any other log")
    command.add_argument("module", nargs="?", help="the rdevpts.ko that it is of, below the sources (default: that of the tests)")
    command = add("vm", _vm, "boot a kernel and run a shell script in it")
    command.add_argument("-t", "--timeout", type=float, default=120, help="seconds after which it is killed")
    command.add_argument("-c", "--cpus", type=int, default=2)
    command.add_argument("-m", "--memory", type=int, default=1024, help="in MiB")
    command.add_argument("-a", "--append", default="", help="more for the kernel's command line")
    command.add_argument("-n", "--name", default="vm", help="name of the share and of the log")
    command.add_argument("--kernel", default="stock", choices=["stock", *flavours.FLAVOURS], help="another than the stock kernel")
    command.add_argument("--fstype", default="devpts", choices=["devpts", "rdevpts", "none"], help="what is on /dev/pts")
    command.add_argument("--root", choices=["guest"], help="another Debian root than that of the tool chain")
    command.add_argument("--gdb", type=int, default=0, metavar="PORT", help="let gdb stop it and look into it, from this port of "
                         "this machine (not on User Mode Linux)")
    command.add_argument("--not-fatal", action="store_true", help="let the kernel live on after a WARN")
    command.add_argument("--put", action="append", default=[], metavar="FILE[=NAME]", help="put a file into /rdevpts")
    command.add_argument("script", help="what to run; /rdevpts is the share, /rdevpts/out comes back")
    return parser


def main() -> int:
    """Run one command; what is expected to fail sometimes fails with one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = _parser().parse_args()
    try:
        return args.run(args)
    except Fail as fail:
        print(f"error: {fail}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failed:
        print(f"error: {failed.cmd[0]} ended with status {failed.returncode}; what it said is above", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 141
    except OSError as failed:
        if failed.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        print(f"error: {failed.filename or 'the disk'}: {failed.strerror}: free space or mend the permissions, then run "
              "the same command again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on where this one stopped", file=sys.stderr)
        return 130
