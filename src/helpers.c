// SPDX-License-Identifier: GPL-2.0
/*
 * One call each, no logic: inline functions and macros of the kernel that Rust
 * cannot reach, and that the kernel crate has no helper for.
 */

#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>

void rdevpts_inode_lock_parent(struct inode *inode);
void rdevpts_inode_lock_parent(struct inode *inode)
{
	inode_lock_nested(inode, I_MUTEX_PARENT);
}
