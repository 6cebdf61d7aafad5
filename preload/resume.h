/* SPDX-License-Identifier: MIT */
/*
 * preload/resume: what becomes of a system call that one of our signals has interrupted.
 *
 * The law: result, errno and duration are as without us.  The kernel restarts most calls itself
 * (SA_RESTART).  Those that return EINTR all the same (man 7 signal) are called again: by our wrapper
 * when there is one (preload/wait), else by setting the interrupted context back to the system call,
 * where that needs no remaining time that only a wrapper knows.  Never when a signal of the host's is
 * about to be delivered: it would be swallowed (222 of 300, tests/probe/signals.c); then the call
 * returns EINTR, also where the kernel has restarted it for us and the host's handler is one that
 * interrupts.
 */
#ifndef CPROF_PRELOAD_RESUME_H
#define CPROF_PRELOAD_RESUME_H

#include <stdbool.h>

/* At the end of a handler of ours that has called no handler of the host.
 * Context: signal, with all signals blocked. */
void resume_call(void *context);

/* At the end of a handler that has called the host's, which interrupts calls though ours is installed
 * with SA_RESTART: the restart is undone.
 * Context: signal. */
void resume_interrupted(void *context);

/* Has the signal come at the end of a system call?
 * Context: signal. */
bool resume_is_in_call(const void *context);

/* Does the handler find the number of each system call that this function of the C library makes?  Looks at
 * its first bytes and at the call for a process with threads, which is behind the other.
 * Context: own (start-up). */
bool resume_knows(const void *function);

#endif
