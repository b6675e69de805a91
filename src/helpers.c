// SPDX-License-Identifier: GPL-2.0
/*
 * One call each, no logic: inline functions and macros of the kernel that Rust
 * cannot reach, and that the kernel crate has no helper for.
 */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/uio.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <generated/utsrelease.h>

#include "bindings/compat.h"

/* Which kernel this is: src/bindings/release.rs */

const char *rdevpts_release_built_for(void);
const char *rdevpts_release_built_for(void)
{
	return UTS_RELEASE;
}

const char *rdevpts_release_running(void);
const char *rdevpts_release_running(void)
{
	return init_utsname()->release;
}

bool rdevpts_series_known(void);
bool rdevpts_series_known(void)
{
	return RDEVPTS_SERIES_KNOWN;
}

const char *rdevpts_series(void);
const char *rdevpts_series(void)
{
	return RDEVPTS_SERIES;
}

/* For kernels whose own crate has no such lock: src/bindings/compat.rs */

unsigned long rdevpts_spin_lock_irqsave(spinlock_t *lock);
unsigned long rdevpts_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

bool rdevpts_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags);
bool rdevpts_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

void rdevpts_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
void rdevpts_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

/* The VFS: src/vfs */

void rdevpts_inode_lock(struct inode *inode);
void rdevpts_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

void rdevpts_inode_lock_parent(struct inode *inode);
void rdevpts_inode_lock_parent(struct inode *inode)
{
	inode_lock_nested(inode, I_MUTEX_PARENT);
}

void rdevpts_inode_unlock(struct inode *inode);
void rdevpts_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

void rdevpts_inode_assert_locked(struct inode *inode);
void rdevpts_inode_assert_locked(struct inode *inode)
{
	lockdep_assert_held_write(&inode->i_rwsem);
}

void rdevpts_inode_lock_shared(struct inode *inode);
void rdevpts_inode_lock_shared(struct inode *inode)
{
	inode_lock_shared(inode);
}

void rdevpts_inode_unlock_shared(struct inode *inode);
void rdevpts_inode_unlock_shared(struct inode *inode)
{
	inode_unlock_shared(inode);
}

bool rdevpts_dir_emit(struct dir_context *ctx, const char *name, int len, u64 ino, unsigned int type);
bool rdevpts_dir_emit(struct dir_context *ctx, const char *name, int len, u64 ino, unsigned int type)
{
	return dir_emit(ctx, name, len, ino, type);
}

bool rdevpts_dir_emit_dots(struct file *file, struct dir_context *ctx);
bool rdevpts_dir_emit_dots(struct file *file, struct dir_context *ctx)
{
	return dir_emit_dots(file, ctx);
}

void rdevpts_fsnotify_create(struct inode *dir, struct dentry *dentry);
void rdevpts_fsnotify_create(struct inode *dir, struct dentry *dentry)
{
	fsnotify_create(dir, dentry);
}

void rdevpts_fsnotify_unlink(struct inode *dir, struct dentry *dentry);
void rdevpts_fsnotify_unlink(struct inode *dir, struct dentry *dentry)
{
	fsnotify_unlink(dir, dentry);
}

struct dentry *rdevpts_dget(struct dentry *dentry);
struct dentry *rdevpts_dget(struct dentry *dentry)
{
	return dget(dentry);
}

struct dentry *rdevpts_try_lookup(struct dentry *dir, const char *name);
struct dentry *rdevpts_try_lookup(struct dentry *dir, const char *name)
{
	return try_lookup_noperm(&QSTR(name), dir);
}

kuid_t rdevpts_current_fsuid(void);
kuid_t rdevpts_current_fsuid(void)
{
	return current_fsuid();
}

kgid_t rdevpts_current_fsgid(void);
kgid_t rdevpts_current_fsgid(void)
{
	return current_fsgid();
}

const struct cred *rdevpts_current_cred(void);
const struct cred *rdevpts_current_cred(void)
{
	return current_cred();
}

void rdevpts_ida_init(struct ida *ida);
void rdevpts_ida_init(struct ida *ida)
{
	ida_init(ida);
}

/* The tty core, and what its drivers wait on, copy with and queue: src/tty */

void rdevpts_tty_kref_get(struct tty_struct *tty);
void rdevpts_tty_kref_get(struct tty_struct *tty)
{
	tty_kref_get(tty);
}

void rdevpts_tty_driver_kref_get(struct tty_driver *driver);
void rdevpts_tty_driver_kref_get(struct tty_driver *driver)
{
	tty_driver_kref_get(driver);
}

/* A slave's locks are in the class that drivers/tty/tty.h, which is private, calls TTY_LOCK_SLAVE: the next after its master's. */
void rdevpts_tty_set_lock_subclass(struct tty_struct *tty);
void rdevpts_tty_set_lock_subclass(struct tty_struct *tty)
{
	lockdep_set_subclass(&tty->legacy_mutex, SINGLE_DEPTH_NESTING);
}

void rdevpts_tty_set_termios_subclass(struct tty_struct *tty);
void rdevpts_tty_set_termios_subclass(struct tty_struct *tty)
{
	lockdep_set_subclass(&tty->termios_rwsem, SINGLE_DEPTH_NESTING);
}

void rdevpts_tty_buffer_set_lock_subclass(struct tty_port *port);
void rdevpts_tty_buffer_set_lock_subclass(struct tty_port *port)
{
	lockdep_set_subclass(&port->buf.lock, SINGLE_DEPTH_NESTING);
}

void rdevpts_set_fsnotify_nonotify(struct file *file);
void rdevpts_set_fsnotify_nonotify(struct file *file)
{
	file_set_fsnotify_mode(file, FMODE_NONOTIFY);
}

time64_t rdevpts_inode_get_atime_sec(const struct inode *inode);
time64_t rdevpts_inode_get_atime_sec(const struct inode *inode)
{
	return inode_get_atime_sec(inode);
}

void rdevpts_inode_set_atime(struct inode *inode, time64_t sec);
void rdevpts_inode_set_atime(struct inode *inode, time64_t sec)
{
	inode_set_atime(inode, sec, 0);
}

time64_t rdevpts_inode_get_mtime_sec(const struct inode *inode);
time64_t rdevpts_inode_get_mtime_sec(const struct inode *inode)
{
	return inode_get_mtime_sec(inode);
}

void rdevpts_inode_set_mtime(struct inode *inode, time64_t sec);
void rdevpts_inode_set_mtime(struct inode *inode, time64_t sec)
{
	inode_set_mtime(inode, sec, 0);
}

bool rdevpts_test_bit(unsigned int nr, const unsigned long *addr);
bool rdevpts_test_bit(unsigned int nr, const unsigned long *addr)
{
	return test_bit(nr, addr);
}

bool rdevpts_test_bit_acquire(unsigned int nr, const unsigned long *addr);
bool rdevpts_test_bit_acquire(unsigned int nr, const unsigned long *addr)
{
	return test_bit_acquire(nr, addr);
}

void rdevpts_wake_up_interruptible(wait_queue_head_t *wait);
void rdevpts_wake_up_interruptible(wait_queue_head_t *wait)
{
	wake_up_interruptible(wait);
}

void rdevpts_wake_up_interruptible_poll_in(wait_queue_head_t *wait);
void rdevpts_wake_up_interruptible_poll_in(wait_queue_head_t *wait)
{
	wake_up_interruptible_poll(wait, EPOLLIN);
}

void rdevpts_wake_up_interruptible_poll_out(wait_queue_head_t *wait);
void rdevpts_wake_up_interruptible_poll_out(wait_queue_head_t *wait)
{
	wake_up_interruptible_poll(wait, EPOLLOUT);
}

void rdevpts_wake_up_interruptible_poll_rdnorm(wait_queue_head_t *wait);
void rdevpts_wake_up_interruptible_poll_rdnorm(wait_queue_head_t *wait)
{
	wake_up_interruptible_poll(wait, EPOLLIN | EPOLLRDNORM);
}

bool rdevpts_waitqueue_active(wait_queue_head_t *wait);
bool rdevpts_waitqueue_active(wait_queue_head_t *wait)
{
	return waitqueue_active(wait);
}

void rdevpts_init_wait_woken(struct wait_queue_entry *entry);
void rdevpts_init_wait_woken(struct wait_queue_entry *entry)
{
	init_wait_func(entry, woken_wake_function);
}

int rdevpts_mutex_lock_interruptible(struct mutex *lock);
int rdevpts_mutex_lock_interruptible(struct mutex *lock)
{
	return mutex_lock_interruptible(lock);
}

bool rdevpts_mutex_is_locked(struct mutex *lock);
bool rdevpts_mutex_is_locked(struct mutex *lock)
{
	return mutex_is_locked(lock);
}

size_t rdevpts_iov_iter_count(const struct iov_iter *iter);
size_t rdevpts_iov_iter_count(const struct iov_iter *iter)
{
	return iov_iter_count(iter);
}

size_t rdevpts_copy_to_iter(const void *from, size_t bytes, struct iov_iter *iter);
size_t rdevpts_copy_to_iter(const void *from, size_t bytes, struct iov_iter *iter)
{
	return copy_to_iter(from, bytes, iter);
}

size_t rdevpts_copy_from_iter(void *to, size_t bytes, struct iov_iter *iter);
size_t rdevpts_copy_from_iter(void *to, size_t bytes, struct iov_iter *iter)
{
	return copy_from_iter(to, bytes, iter);
}

void rdevpts_memzero_explicit(void *s, size_t count);
void rdevpts_memzero_explicit(void *s, size_t count)
{
	memzero_explicit(s, count);
}

void rdevpts_init_work(struct work_struct *work, work_func_t func);
void rdevpts_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

bool rdevpts_queue_work(struct work_struct *work);
bool rdevpts_queue_work(struct work_struct *work)
{
	return queue_work(system_dfl_wq, work);
}

int rdevpts_raw_smp_processor_id(void);
int rdevpts_raw_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
