# SPDX-License-Identifier: GPL-2.0
"""One file for each program, or for each kind of use."""
