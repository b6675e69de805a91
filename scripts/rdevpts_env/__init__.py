# SPDX-License-Identifier: GPL-2.0
"""The development environment of rdevpts: Debian root, kernel, KDIR, build, virtual machine, tests.

Standard library only; runs with Python 3.11 (Debian 12) and later.
"""
