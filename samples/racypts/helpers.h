/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What racypts needs and the kernel's `bindings` crate does not have: the
 * mount context's types, and the helpers of helpers.c.
 */
#ifndef RACYPTS_HELPERS_H
#define RACYPTS_HELPERS_H

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/idr.h>

void racypts_ida_init(struct ida *ida);
int racypts_ida_alloc(struct ida *ida);
void racypts_inode_lock(struct inode *inode);
void racypts_inode_unlock(struct inode *inode);
int racypts_simple_positive(const struct dentry *dentry);
bool racypts_dir_emit_dots(struct file *file, struct dir_context *ctx);
bool racypts_dir_emit(struct dir_context *ctx, const char *name, int namelen,
		      u64 ino, unsigned int type);

#endif
