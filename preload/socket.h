/* SPDX-License-Identifier: MIT */
/*
 * preload/socket: what is left of SO_RCVTIMEO or SO_SNDTIMEO when a call was interrupted.
 *
 * The kernel restarts calls on sockets only when they have no time-out, and a time-out begins anew with
 * each call.  Only after an interruption is the socket asked; before, a call looks at a coarse clock, which
 * is as exact as these time-outs are, and only in a process where some socket has one: most have none, and
 * there a call that receives is plain: passed on and timed.
 *
 * A time-out that was set by other means (inherited beyond the first three descriptors, received from another
 * process) is learnt of when a call is interrupted: the handler has that one made again with the whole
 * time-out (preload/resume).  It can do so where it finds the number of the system call in the code of the C
 * library; a wrapper for which it does not is never plain (recvfrom in glibc 2.36, all from 2.41 on).
 */
#ifndef CPROF_PRELOAD_SOCKET_H
#define CPROF_PRELOAD_SOCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/wait.h"

/* Some socket here may have a time-out: one was set, or is on a descriptor that came from elsewhere.  Never
 * false again. */
extern _Atomic bool socket_timed;

/* A wrapper that may be plain, in a linker section. */
struct socket_row {
	void **real;
	_Atomic bool *plain; /* until socket_learn(): the kernel restarts the call */
};

/* Looks at the first three descriptors, which a program may inherit as sockets with a time-out, and lets
 * those wrappers be plain that resume_knows().
 * Context: own (start-up). */
void socket_start(void);

/* There is a socket with a time-out: no wrapper is plain any more.
 * Context: signal. */
void socket_learn(void);

/* Context: wrapper. */
static inline bool socket_is_plain(const _Atomic bool *plain)
{
	/* Relaxed: a call that begins before the time-out is set is told from others by the handler. */
	return __builtin_expect(atomic_load_explicit(plain, memory_order_relaxed), 1);
}

/* setsockopt is about to be called.
 * Context: wrapper. */
static inline void socket_option(int level, int option)
{
	/* Both forms of either: asm-generic/socket.h. */
	if (level == 1 && (option == 20 || option == 21 || option == 66 || option == 67))
		socket_learn();
}

static inline bool socket_may_time(void)
{
	return __builtin_expect(atomic_load_explicit(&socket_timed, memory_order_relaxed), 0);
}

/* Before the call.
 * Context: wrapper. */
static inline void socket_begin(struct wait *w)
{
	w->began_ns = socket_may_time() ? wait_coarse_now() : 0;
}

/* What is left of the time-out (SO_RCVTIMEO or SO_SNDTIMEO), in *ret_ns.  False: fd has none, or is no
 * socket.
 * Context: wrapper. */
bool socket_left(const struct wait *w, int fd, int option, uint64_t *ret_ns);

#define SOCKET_FOREVER UINT64_MAX

/* Waits at most left_ns until fd is ready for events: 1; 0 when the time is over, -EINTR for a signal of
 * the host's.
 * Context: wrapper, inside a scope. */
int socket_wait(int fd, short events, uint64_t left_ns);

/* After an interruption by us: true when the call is to be made again, else errno says how it ends.
 * Context: wrapper, inside a scope. */
bool socket_again(const struct wait *w, int fd, int option, short events);

/* After a part was transferred: true when it was cut short by us alone and there is room for more.  A
 * signal of the host's ends it here too, with or without SA_RESTART, as it ends such a call.
 * Context: wrapper, inside a scope. */
bool socket_more(const struct wait *w, int fd, int flags, int option, short events);

#endif
