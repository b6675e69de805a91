# SPDX-License-Identifier: GPL-2.0
"""The system calls of the new mount API, which neither Python nor libc 2.35 and before have by name."""

import ctypes
import os
from pathlib import Path

_FSOPEN, _FSCONFIG, _FSMOUNT, _MOVE_MOUNT = 430, 431, 432, 429
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD = -100
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments) -> int:
    done = _LIBC.syscall(number, *arguments)
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return done


def new_mount(fstype: str, at: Path, **options: str | None) -> None:
    """Mount with these options, one call for each; one without a value is a flag."""
    context = _call(_FSOPEN, fstype.encode(), 0)
    try:
        for name, value in options.items():
            kind, text = (_SET_FLAG, None) if value is None else (_SET_STRING, value.encode())
            _call(_FSCONFIG, context, kind, name.encode(), text, 0)
        _call(_FSCONFIG, context, _CREATE, None, None, 0)
        mount = _call(_FSMOUNT, context, 0, 0)
    finally:
        os.close(context)
    try:
        _call(_MOVE_MOUNT, mount, b"", _AT_FDCWD, str(at).encode(), _MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mount)
