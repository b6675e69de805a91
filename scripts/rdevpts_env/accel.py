# SPDX-License-Identifier: GPL-2.0
"""KVM where it works, TCG elsewhere.

A /dev/kvm that can be opened proves little: on some machines the guest then hangs or dies. So the kernel is booted with
it once, up to user space, and the answer is kept until the machine boots anew.
"""

import json
import os
from pathlib import Path

from . import paths
from .fail import Fail
from .progress import say
from .setup import Setup
from .vm import Machine

_TIMEOUT = 15.0


def choose(setup: Setup) -> str:
    """`kvm` or `tcg`; `ACCEL=` in the environment decides without a look."""
    given = os.environ.get("ACCEL")
    if given in ("kvm", "tcg"):
        return given
    if given:
        raise Fail(f"ACCEL={given}: there are kvm and tcg")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    asked = {"boot": boot, "kernel": setup.kernel.choice.release, "root": setup.tools.entry.key}
    kept = paths.cache() / "accel.json"
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        # What one kernel finds goes for all.
        if known["asked"] | {"kernel": asked["kernel"]} == asked:
            return known["accel"]
    except (OSError, ValueError, KeyError):
        pass
    machine = Machine("probe-kvm", setup=setup, accel="kvm", timeout=_TIMEOUT)
    machine.script("exit 0\n")
    outcome = machine.run()
    accel = "kvm" if outcome.ok else "tcg"
    if not outcome.ok:
        say(f"/dev/kvm is there but does not run the kernel ({outcome}): using QEMU's own emulation (TCG)")
    kept.write_text(json.dumps({"asked": asked, "accel": accel}), encoding="utf-8")
    return accel
