# SPDX-License-Identifier: GPL-2.0
"""What jobs in Python share: numbered results, as tap_check of lib.sh gives them."""

from collections.abc import Callable


def run(*tests: Callable[[], None]) -> int:
    """Run tests in this order, each called what its doc string says: one that raises has failed. Returns the status to exit with."""
    status = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        try:
            test()
        except Exception as error:
            status = 1
            print(f"not ok {number} - {test.__doc__}\n# {error!r}", flush=True)
        else:
            print(f"ok {number} - {test.__doc__}", flush=True)
    return status
