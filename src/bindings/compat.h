/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The series of kernels that this was built for, run on and tested on. It loads on no other; see release.rs. What
 * the source does for one and not for another is in compat.rs.
 */
#ifndef RDEVPTS_COMPAT_H
#define RDEVPTS_COMPAT_H

#include <linux/version.h>

#define RDEVPTS_SERIES		"7.2 and 7.3"
#define RDEVPTS_SERIES_FIRST	KERNEL_VERSION(7, 2, 0)
#define RDEVPTS_SERIES_AFTER	KERNEL_VERSION(7, 4, 0)

#define RDEVPTS_SERIES_KNOWN \
	(LINUX_VERSION_CODE >= RDEVPTS_SERIES_FIRST && LINUX_VERSION_CODE < RDEVPTS_SERIES_AFTER)

#if !RDEVPTS_SERIES_KNOWN
#pragma message("this was tried on kernels " RDEVPTS_SERIES " alone: the module will not load on this one")
#endif

#endif
