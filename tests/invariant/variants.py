# SPDX-License-Identifier: GPL-2.0
"""What is searched: variants of the model, and what must be found in each."""

from dataclasses import dataclass, field

OOPS = "readdir: NULL pointer dereference at d_inode->i_ino"
FREED = "readdir: the dentry is freed memory"
MISSING_SLAVE = "ENOENT for the slave of an open master"
LOST_MOUNT = "a mount is lost on a node that is gone"
DEADLOCK = "deadlock"


@dataclass(frozen=1)
class Variant:
    """One search."""

    name: str
    flags: dict[str, str | int] = field(default_factory=dict)
    """What the model is preprocessed with."""
    finds: str | None = None
    """The violation that there is; none if the search must end without one."""

    def defines(self) -> list[str]:
        """The preprocessor's options."""
        return [f"-D{name}={value}" for name, value in self.flags.items()]


# Nobody but who opens and closes ptys, twice.
_ALONE = {"LIVES": 2, "READERS": 0, "USERS": 0, "WATCHERS": 0, "MOUNTS": 0, "SLOW_MEMORY": 0, "PRIVATE_DATA": 0}
# The module as it is, and everybody else.
_RDEVPTS = _ALONE | {"CREATE": "CREATE_RDEVPTS", "REMOVE": "REMOVE_RDEVPTS", "READDIR": "READDIR_RDEVPTS",
                     "LOCK_CREATE": 1, "LOCK_REMOVE": 1, "PRIVATE_DATA": 1}
_ALL = {"READERS": 1, "USERS": 1, "WATCHERS": 1, "MOUNTS": 1, "SLOW_MEMORY": 1}
# devpts then and now, and who reads the directory.
_OF_2018 = _ALONE | {"CREATE": "CREATE_DEVPTS", "REMOVE": "REMOVE_2018", "READDIR": "READDIR_2018",
                     "LOCK_CREATE": 0, "LOCK_REMOVE": 0, "READERS": 1}
_DEVPTS = _OF_2018 | {"REMOVE": "REMOVE_DEVPTS", "READDIR": "READDIR_DCACHE"}
_LOCKED = {"LOCK_CREATE": 1, "LOCK_REMOVE": 1}

VARIANTS = [
    # The race of 2018, and what the lock does about it.
    Variant("the teardown of 2018", _OF_2018, OOPS),
    Variant("the teardown of 2018, with the lock", _OF_2018 | _LOCKED | {"USERS": 1}),
    Variant("a reader's reference taken just after d_delete()", _OF_2018 | {"READDIR": "READDIR_DGET"}, OOPS),
    Variant("a reader's reference taken just after d_delete(), with the lock",
            _OF_2018 | _LOCKED | {"READDIR": "READDIR_DGET", "USERS": 1}),
    # The same reference, of a lookup, is there when the name is used again.
    Variant("the teardown of 2018 and rdevpts's creation, with the lock",
            _OF_2018 | _LOCKED | {"CREATE": "CREATE_RDEVPTS", "USERS": 2}),
    # What saved devpts since.
    Variant("the readdir of 2018 with today's devpts_pty_kill()", _OF_2018 | {"REMOVE": "REMOVE_DEVPTS"}, FREED),
    Variant("today's readdir with the teardown of 2018", _OF_2018 | {"READDIR": "READDIR_DCACHE"}),
    Variant("today's devpts, read", _DEVPTS),
    # What did not.
    Variant("today's devpts, looked up", _DEVPTS | {"USERS": 1}, MISSING_SLAVE),
    Variant("today's devpts with the lock at teardown alone, looked up", _DEVPTS | {"USERS": 1, "LOCK_REMOVE": 1},
            MISSING_SLAVE),
    Variant("today's devpts with the lock, mounted on", _DEVPTS | _LOCKED | {"USERS": 1, "MOUNTS": 1}, LOST_MOUNT),
    # rdevpts with one thing wrong.
    Variant("rdevpts without the lock at creation", _RDEVPTS | _ALL | {"LOCK_CREATE": 0},
            "the listing is changed while somebody else uses it"),
    Variant("rdevpts without the lock at teardown", _RDEVPTS | _ALL | {"LOCK_REMOVE": 0},
            "the listing is changed while somebody else uses it"),
    Variant("rdevpts with the event before the unhash", _RDEVPTS | _ALL | {"REMOVE": "REMOVE_EVENT_FIRST"},
            "what IN_DELETE was about can be opened"),
    Variant("rdevpts with the event after d_delete()", _RDEVPTS | _ALL | {"REMOVE": "REMOVE_EVENT_LATE", "PRIVATE_DATA": 0},
            "fsnotify_unlink() of a negative dentry"),
    Variant("rdevpts with d_drop() before d_invalidate()", _RDEVPTS | _ALL | {"REMOVE": "REMOVE_DROP_FIRST"}, LOST_MOUNT),
    Variant("rdevpts without its own reference at teardown", _RDEVPTS | _ALL | {"REMOVE": "REMOVE_NO_DGET"},
            "an inode's private data is dropped with the directory locked"),
    Variant("rdevpts with dcache_readdir() into slow memory", _RDEVPTS | _ALL | {"READDIR": "READDIR_DCACHE"}, DEADLOCK),
    Variant("rdevpts with positions that count entries", _RDEVPTS | _ALL | {"READDIR": "READDIR_ORDINAL"},
            "readdir: an entry came up twice"),
    # rdevpts.
    Variant("rdevpts with dcache_readdir()", _RDEVPTS | _ALL | {"READDIR": "READDIR_DCACHE", "SLOW_MEMORY": 0}),
    Variant("rdevpts, with two who look names up", _RDEVPTS | _ALL | {"USERS": 2, "WATCHERS": 0}),
    Variant("rdevpts", _RDEVPTS | _ALL),
]
