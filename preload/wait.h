/* SPDX-License-Identifier: MIT */
/*
 * preload/wait: a call of the host that may block, and that our signal must not cut short.
 *
 * A wrapper opens a scope on its own frame, with what the handler must know to have the system call made
 * again with the remaining time, and calls the real function.  Where one of our signals, and none of the
 * host's, has ended the system call with EINTR, the handler sets it back (preload/resume): then a signal
 * of the host's that comes a little later finds the call waiting again.  Where that cannot be done in a
 * handler it says so in the scope, and the wrapper calls again.  A host may leave by cancellation or
 * siglongjmp: the scope is then stale, and the next one replaces it.
 *
 * The handler must tell the call itself from a handler of the host on top of it: a signal frame is at
 * least 1000 bytes (red zone 128, siginfo and ucontext 440, FXSAVE 512), the frames of libc between a
 * wrapper and its system call are a few hundred (8 to 300 measured, tests/probe/leave.c).
 */
#ifndef CPROF_PRELOAD_WAIT_H
#define CPROF_PRELOAD_WAIT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include "preload/clock.h"

#define WAIT_REACH 1000u

/*
 * A call that nobody interrupts should cost its program nothing that can be seen, and in a program at work
 * all that a wrapper touches has left the caches: so it touches little, this line, its own frame and its
 * own few lines of code, and neither errno nor a clock where it can be without.
 */
struct wait;
struct wait_scope {
	struct wait *wait; /* of the wrapper that is under way, on its frame; NULL: none */
	/* Written by the handler on this thread: the call has returned at a signal of ours, and no
	 * signal of the host's was on its way. */
	bool again;
	int error; /* with again: errno before the call, which the call has not set yet */
};
extern __thread struct wait_scope wait_scope;

/* What a wrapper keeps on its own frame. */
struct wait {
	struct wait *outer; /* the scope that this one is inside of */
	uintptr_t check;    /* tells a live one from a stale one: wait_is_live() */
	int nr;		    /* of the system call that waits; -1: not one that is set back */
	bool whole;	    /* a part of what was asked for is to be gone on with */
	uint64_t limit_ns;  /* relative time-out, 0: none that we must shorten */
	uint64_t began_ns;  /* CLOCK_MONOTONIC, when limit_ns is set */
	struct timespec ts; /* what is left, where the call takes a pointer */
};

#define WAIT_CHECK 0x636b706c656173edu /* any number that is no address */

#define WAIT_BEGIN(w, number)                                                                      \
	do {                                                                                       \
		(w).outer = wait_scope.wait;                                                       \
		(w).nr = (number);                                                                 \
		(w).whole = false;                                                                 \
		(w).limit_ns = 0;                                                                  \
		wait_scope.again = false;                                                          \
		wait_scope.wait = &(w);                                                            \
		(w).check = (uintptr_t) & (w) ^ WAIT_CHECK;                                        \
		__asm__ volatile("" ::: "memory");                                                 \
	} while (0)

/* A host that has jumped out of a wrapper leaves a scope whose frame is other code's by now. */
static inline bool wait_is_live(const struct wait *w)
{
	return w->check == ((uintptr_t)w ^ WAIT_CHECK);
}

static inline void wait_end(const struct wait *w)
{
	__asm__ volatile("" ::: "memory");
	wait_scope.again = false;
	wait_scope.wait = w->outer;
}

/* After a call that was interrupted: was it by us alone? */
static inline bool wait_again(void)
{
	bool again = wait_scope.again;

	wait_scope.again = false;
	return again;
}

/* As above, for functions that return -1 and set errno, which a success leaves as it was. */
static inline bool wait_eintr(long result)
{
	if (__builtin_expect(!wait_scope.again, 1) || result != -1 || errno != EINTR)
		return false;
	wait_scope.again = false;
	errno = wait_scope.error;
	return true;
}

/* The same at the last tick: no rdtsc, 3 ns. */
static inline uint64_t wait_coarse_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The call has a relative time-out in ms (negative or 0: none to be shortened), or as a timespec. */
static inline void wait_limit_ms(struct wait *w, int ms)
{
	if (ms <= 0)
		return;
	w->limit_ns = (uint64_t)ms * 1000000u;
	w->began_ns = clock_now_ns();
}

static inline void wait_limit_ts(struct wait *w, const struct timespec *ts)
{
	if (!ts || ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec > 999999999 ||
	    ts->tv_sec > 1000000000 || (ts->tv_sec | ts->tv_nsec) == 0)
		return; /* none, an error that the kernel will name, or more than 30 years */
	w->limit_ns = (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
	w->began_ns = clock_now_ns();
}

static inline uint64_t wait_left_ns(const struct wait *w)
{
	uint64_t used = clock_now_ns() - w->began_ns;

	return used < w->limit_ns ? w->limit_ns - used : 0;
}

static inline void wait_left_ms(const struct wait *w, int *ms)
{
	if (w->limit_ns) /* rounded up: never early */
		*ms = (int)((wait_left_ns(w) + 999999) / 1000000);
}

/* Into w->ts. */
static inline void wait_left(struct wait *w)
{
	uint64_t left = wait_left_ns(w);

	w->ts = (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
}

static inline void wait_left_ts(struct wait *w, const struct timespec **ts)
{
	if (!w->limit_ns)
		return;
	wait_left(w);
	*ts = &w->ts;
}

/* The same for select(2), which tells in place what is left. */
static inline void wait_limit_tv(struct wait *w, const struct timeval *tv)
{
	struct timespec ts;

	if (!tv || tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec > 999999)
		return;
	ts = (struct timespec){tv->tv_sec, tv->tv_usec * 1000};
	wait_limit_ts(w, &ts);
}

static inline void wait_left_tv(const struct wait *w, struct timeval *tv)
{
	uint64_t us;

	if (!w->limit_ns)
		return;
	us = (wait_left_ns(w) + 999) / 1000;
	*tv = (struct timeval){(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
}

/*
 * One row: INTERPOSE_WAIT(type, name, system call, parameters, arguments, limit, again).  `limit` runs
 * before the call and `again` before each further one, with the scope as w; both may be (void)0.  errno
 * is what the real call left.
 */
#define INTERPOSE_WAIT(type, name, number, params, args, limit, again)                             \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct wait w;                                                                     \
		type r;                                                                            \
                                                                                                   \
		WAIT_BEGIN(w, number);                                                             \
		limit;                                                                             \
		while (wait_eintr(r = REAL(name) args))                                            \
			again;                                                                     \
		wait_end(&w);                                                                      \
		return r;                                                                          \
	}

#endif
