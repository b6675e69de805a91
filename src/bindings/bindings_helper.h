/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The headers whose types and functions the module needs and the kernel's own
 * `bindings` crate does not have. What is taken from them is listed in
 * bindgen_parameters.
 */

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/statfs.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/tty_ldisc.h>
#include <linux/tty_port.h>
