# SPDX-License-Identifier: GPL-2.0
"""The command line; the Makefile is its usual caller."""

import sys
import argparse
import signal

from . import setup
from .fail import Fail
from .progress import say


def _setup(args) -> int:
    ready = setup.demo_setup(fresh=args.fresh)
    say(f"ready: {ready.kernel.choice.release}, {ready.root.rustc()}, KDIR {ready.kdir.path}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="rdevpts-env", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("setup", help="make the Debian root, fetch a kernel, prepare its KDIR")
    command.add_argument("--fresh", action="store_true", help="look at the archive again and choose anew")
    command.set_defaults(run=_setup)
    return parser


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = _parser().parse_args()
    try:
        return args.run(args)
    except Fail as fail:
        print(f"error: {fail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on where this one stopped", file=sys.stderr)
        return 130
