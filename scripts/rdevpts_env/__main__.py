# SPDX-License-Identifier: GPL-2.0
"""`python3 -m rdevpts_env`."""

import sys

from .cli import main

sys.exit(main())
