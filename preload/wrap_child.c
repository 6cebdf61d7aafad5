/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait for a child, timed (preload/blocked).  The kernel restarts them by itself when our signal comes.  system() and
 * pclose() wait inside libc, where no wrapper of waitpid() sees it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "preload/blocked.h"
#include "preload/interpose.h"

/* One that does not want to wait is a jump. */
#define INTERPOSE_CHILD(type, name, params, args)                                                  \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct blocked b;                                                                  \
		type r;                                                                            \
                                                                                                   \
		if (options & WNOHANG)                                                             \
			return REAL(name) args;                                                    \
		blocked_begin(&b);                                                                 \
		r = REAL(name) args;                                                               \
		blocked_end(&b, WAIT_CHILD, (const void *)real_##name);                            \
		return r;                                                                          \
	}

extern pid_t __wait(int *status);
extern pid_t __waitpid(pid_t pid, int *status, int options);

INTERPOSE_TIMED(pid_t, wait, WAIT_CHILD, (int *status), (status))
INTERPOSE_TIMED(pid_t, __wait, WAIT_CHILD, (int *status), (status))
INTERPOSE_CHILD(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
INTERPOSE_CHILD(pid_t, __waitpid, (pid_t pid, int *status, int options), (pid, status, options))
INTERPOSE_CHILD(int, waitid, (idtype_t what, id_t id, siginfo_t *info, int options),
		(what, id, info, options))
INTERPOSE_CHILD(pid_t, wait3, (int *status, int options, struct rusage *usage),
		(status, options, usage))
INTERPOSE_CHILD(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage),
		(pid, status, options, usage))

INTERPOSE_TIMED(int, system, WAIT_CHILD, (const char *command), (command))
INTERPOSE_TIMED(int, pclose, WAIT_CHILD, (FILE * stream), (stream))
