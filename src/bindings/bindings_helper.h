/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The headers whose types and functions the module needs and the kernel's own
 * `bindings` crate does not have. What is taken from them is listed in
 * bindgen_parameters.
 */

#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/statfs.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/tty_ldisc.h>
#include <linux/tty_port.h>

/* Macros that bindgen cannot evaluate. */
static const __poll_t RDEVPTS_EPOLLIN = EPOLLIN;
static const __poll_t RDEVPTS_EPOLLPRI = EPOLLPRI;
static const __poll_t RDEVPTS_EPOLLOUT = EPOLLOUT;
static const __poll_t RDEVPTS_EPOLLHUP = EPOLLHUP;
static const __poll_t RDEVPTS_EPOLLRDNORM = EPOLLRDNORM;
static const __poll_t RDEVPTS_EPOLLWRNORM = EPOLLWRNORM;
static const __poll_t RDEVPTS_EPOLLERR = EPOLLERR;
static const unsigned int RDEVPTS_IOCB_NOWAIT = IOCB_NOWAIT;
static const fmode_t RDEVPTS_FMODE_NOWAIT = FMODE_NOWAIT;

/* Layouts as C has them, which mod.rs compares with bindgen's. */
static const unsigned long RDEVPTS_SIZEOF_TTY_STRUCT = sizeof(struct tty_struct);
static const unsigned long RDEVPTS_OFFSETOF_TTY_LINK = offsetof(struct tty_struct, link);
static const unsigned long RDEVPTS_OFFSETOF_TTY_SAK_WORK = offsetof(struct tty_struct, SAK_work);
static const unsigned long RDEVPTS_SIZEOF_TTY_DRIVER = sizeof(struct tty_driver);
static const unsigned long RDEVPTS_OFFSETOF_TTY_DRIVER_OPS = offsetof(struct tty_driver, ops);
static const unsigned long RDEVPTS_SIZEOF_TTY_OPERATIONS = sizeof(struct tty_operations);
static const unsigned long RDEVPTS_SIZEOF_TTY_PORT = sizeof(struct tty_port);
static const unsigned long RDEVPTS_OFFSETOF_TTY_PORT_IFLAGS = offsetof(struct tty_port, iflags);
static const unsigned long RDEVPTS_SIZEOF_TTY_BUFFER = sizeof(struct tty_buffer);
static const unsigned long RDEVPTS_SIZEOF_TTY_FILE_PRIVATE = sizeof(struct tty_file_private);
static const unsigned long RDEVPTS_SIZEOF_FS_CONTEXT = sizeof(struct fs_context);
static const unsigned long RDEVPTS_OFFSETOF_FS_CONTEXT_SB_FLAGS = offsetof(struct fs_context, sb_flags);
static const unsigned long RDEVPTS_SIZEOF_FS_CONTEXT_OPERATIONS = sizeof(struct fs_context_operations);
static const unsigned long RDEVPTS_SIZEOF_FS_PARAMETER_SPEC = sizeof(struct fs_parameter_spec);
static const unsigned long RDEVPTS_SIZEOF_FS_PARSE_RESULT = sizeof(struct fs_parse_result);
