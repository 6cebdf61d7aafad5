/* SPDX-License-Identifier: MIT */
/*
 * core/regular: opening a path that somebody else has chosen.
 *
 * A path out of a store, a link map or /tmp may name anything by now, and with a device or a FIFO the
 * opening itself does something: a watchdog starts, a tape winds back, a writer wakes.  `cprof recover`
 * may be root's.  So the path is looked up first without opening it, and what it named is opened only
 * when that is a regular file.
 */
#ifndef CPROF_CORE_REGULAR_H
#define CPROF_CORE_REGULAR_H

/* Opens a regular file for reading; flags: 0 or O_NOFOLLOW.  The descriptor, -EPERM when it is none,
 * or -errno.  Without /proc a path that is replaced in this very moment can still be opened, though
 * not used.
 * Context: signal.  Allocates: a descriptor.  Locks: none. */
int regular_open(const char *path, int flags);

#endif
