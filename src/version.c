// SPDX-License-Identifier: GPL-2.0
/* The version, for modinfo(8) and /sys/module/rdevpts/version. It comes from Cargo.toml; module! has no field for it. */

#include <linux/module.h>

MODULE_VERSION(RDEVPTS_VERSION);
