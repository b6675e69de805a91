# SPDX-License-Identifier: GPL-2.0
"""What is found of the module in a kernel log, and what is made of faddr2line's answer."""

import unittest

from rdevpts_env import decode

LOG = """\
   12.31  [   10.002135] Call Trace:
   12.31  [   10.002136]  ? __pfx_default_wake_function+0x10/0x10
   12.31  [   10.002137]  _RNvMs0_7rdevpts3tty4read+0x4b/0x1a0 [rdevpts]
   12.31  [   10.002138]  _RNvMs0_7rdevpts3tty4read+0x4b/0x1a0 [rdevpts 1f2e3d]
   12.31  [   10.002139]  rdevpts_inode_lock+0x5/0x10 [rdevpts]
   12.31  [   10.002140]  other+0x5/0x10 [rdevptsx]
"""

ANSWER = """\
_RNvMs0_7rdevpts3tty4read+0x4b/0x1a0:
rdevpts::tty::wait at src/tty/wait.rs:40
 (inlined by) rdevpts::tty::read at src/tty/iter.rs:12

rdevpts_inode_lock+0x5/0x10:
rdevpts_inode_lock at src/helpers.c:195
"""


class Frames(unittest.TestCase):
    def test_those_of_the_module_are_found_once(self):
        self.assertEqual(decode.frames(LOG.splitlines()),
                         ["_RNvMs0_7rdevpts3tty4read+0x4b/0x1a0", "rdevpts_inode_lock+0x5/0x10"])

    def test_the_answer_is_taken_apart(self):
        found = decode.decoded(ANSWER)
        self.assertEqual(found["rdevpts_inode_lock+0x5/0x10"], ["rdevpts_inode_lock at src/helpers.c:195"])
        self.assertEqual(len(found["_RNvMs0_7rdevpts3tty4read+0x4b/0x1a0"]), 2)


if __name__ == "__main__":
    unittest.main()
