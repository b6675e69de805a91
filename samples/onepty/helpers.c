// SPDX-License-Identifier: GPL-2.0
/*
 * The layers' helpers, once more for this module.
 */

#include "../../src/helpers.c"
