// SPDX-License-Identifier: GPL-2.0
/*
 * One call each, no logic: inline functions and macros that Rust cannot reach.
 */

#include "helpers.h"

void racypts_ida_init(struct ida *ida)
{
	ida_init(ida);
}

int racypts_ida_alloc(struct ida *ida)
{
	return ida_alloc(ida, GFP_KERNEL);
}

void racypts_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

void racypts_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

int racypts_simple_positive(const struct dentry *dentry)
{
	return simple_positive(dentry);
}

bool racypts_dir_emit_dots(struct file *file, struct dir_context *ctx)
{
	return dir_emit_dots(file, ctx);
}

bool racypts_dir_emit(struct dir_context *ctx, const char *name, int namelen,
		      u64 ino, unsigned int type)
{
	return dir_emit(ctx, name, namelen, ino, type);
}
