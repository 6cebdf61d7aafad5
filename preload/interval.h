/* SPDX-License-Identifier: MIT */
/*
 * preload/interval: [output] interval: a POSIX timer that queues SIGPROF with a control value.
 *
 * The kernel gives it to no child of fork and to no new image; who has one must arm its own.
 */
#ifndef CPROF_PRELOAD_INTERVAL_H
#define CPROF_PRELOAD_INTERVAL_H

/* Arms the timer of this process, when an interval is set and none is armed.
 * Context: own.  Allocates: no.  Locks: none. */
void interval_start(void);

/* Before exec, where a pending SIGPROF would end the new image.
 * Context: own. */
void interval_stop(void);

/* In the child of fork: it has none. */
void interval_after_fork(void);

#endif
