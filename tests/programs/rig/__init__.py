# SPDX-License-Identifier: GPL-2.0
"""What the cases share: a terminal to drive programs on, the state of the system, the report."""
