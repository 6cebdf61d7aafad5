/* SPDX-License-Identifier: MIT */
/*
 * preload/wait: a call of the host that may block, and that our signal must not cut short.
 *
 * A wrapper opens a scope on its own frame, with what the handler must know to have the system call made
 * again with the remaining time, and calls the real function.  Where one of our signals, and none of the
 * host's, has ended the system call with EINTR, the handler sets it back (preload/resume): then a signal
 * of the host's that comes a little later finds the call waiting again.  Where that cannot be done in a
 * handler it says so in the scope, and the wrapper calls again.  A host may leave by cancellation or
 * siglongjmp: the scope is then stale, and the next one replaces it.  The call is a wait as any other, however
 * often it is made again: timed once, by preload/blocked, with whose struct this one begins.
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

#include "preload/blocked.h"
#include "preload/clock.h"

#define WAIT_REACH 1000u

/* What a wrapper keeps on its own frame. */
struct wait {
	struct blocked blocked; /* first; its check is that of the scope too: wait_is_live() */
	struct wait *outer;	/* the scope that this one is inside of */
	int nr;			/* of the system call that waits, or one of those below */
	uint64_t limit_ns;	/* relative time-out, 0: none that we must shorten */
	uint64_t began_ns;	/* CLOCK_MONOTONIC, when limit_ns is set */
	struct timespec ts;	/* what is left, where the call takes a pointer */
};

#define WAIT_BY_WRAPPER -1 /* not set back by the handler */
#define WAIT_WHOLE	-2 /* nor is that, and a part of what was asked for is to be gone on with */

/* Opens a scope, for a call inside of a wait that is timed already. */
static inline void wait_open(struct wait *w, int nr)
{
	w->outer = blocked_thread.scope.wait;
	w->nr = nr;
	w->limit_ns = 0;
	blocked_thread.scope.again = false;
	blocked_thread.scope.wait = w;
	w->blocked.check = (uintptr_t)w ^ WAIT_CHECK;
	__asm__ volatile("" ::: "memory");
}

/*
 * Which clock it began by is noted with the time, where the frame is looked at anyhow: behind a call that has slept, with other
 * processes having run in between, every line of the cache that is touched costs 100 ns.
 */
#define WAIT_BY_NS (UINT64_C(1) << 63)

/* The same, and a wait begins. */
static inline void wait_begin(struct wait *w, int nr)
{
	wait_open(w, nr);
	w->blocked.began =
		clock_by_counter ? __builtin_ia32_rdtsc() : clock_other_ticks() | WAIT_BY_NS;
	__asm__ volatile("" ::: "memory");
	blocked_thread.now = &w->blocked;
}

/* A host that has jumped out of a wrapper leaves a scope whose frame is other code's by now. */
static inline bool wait_is_live(const struct wait *w)
{
	return w->blocked.check == ((uintptr_t)w ^ WAIT_CHECK);
}

static inline void wait_close(const struct wait *w)
{
	__asm__ volatile("" ::: "memory");
	blocked_thread.scope.again = false;
	blocked_thread.scope.wait = w->outer;
}

static inline uint64_t wait_now(const struct wait *w)
{
	if (__builtin_expect(w->blocked.began & WAIT_BY_NS, 0))
		return clock_other_ticks() | WAIT_BY_NS;
	if (__builtin_expect(blocked_thread.scope.no_counter, 0))
		return w->blocked.began; /* its time is lost */
	return __builtin_ia32_rdtsc();
}

/* The scope and the wait end; as blocked_end().  What began by a counter that the process no longer reads is of no known length. */
#define wait_end(w, class, entry)                                                                  \
	do {                                                                                       \
		uint64_t wait_ticks;                                                               \
                                                                                                   \
		wait_close(w);                                                                     \
		if (!blocked_passes(blocked_line(class), &(w)->blocked, wait_now(w), &wait_ticks)) \
			blocked_look((w)->blocked.began &WAIT_BY_NS || clock_by_counter            \
					     ? wait_ticks                                          \
					     : 0,                                                  \
				     class, entry);                                                \
	} while (0)

/* After a call that was interrupted: was it by us alone? */
static inline bool wait_again(void)
{
	bool again = blocked_thread.scope.again;

	blocked_thread.scope.again = false;
	return again;
}

/* As above, for functions that return -1 and set errno, which a success leaves as it was. */
static inline bool wait_eintr(long result)
{
	if (__builtin_expect(!blocked_thread.scope.again, 1) || result != -1 || errno != EINTR)
		return false;
	blocked_thread.scope.again = false;
	errno = blocked_thread.scope.error;
	return true;
}

/* CLOCK_MONOTONIC at the last tick: no rdtsc, 3 ns. */
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

/* clock_nanosleep for all that sleep; entry: of the function that the host has called, which is what its wait is of.
 * Returns an error number.
 * Context: wrapper.  Locks: none.  In preload/wrap_wait. */
int wait_sleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *remain,
	       const void *entry);

/* ppoll for a wrapper that is inside of its wait: a cancellation point, which goes on after a signal of ours.
 * Context: wrapper.  Locks: none.  In preload/wrap_wait. */
struct pollfd;
int wait_ppoll(struct pollfd *fds, unsigned long count, const struct timespec *timeout);

/*
 * One row: INTERPOSE_WAIT(type, name, class, system call, parameters, arguments, limit, again).  `limit` runs
 * before the call and `again` before each further one, with the scope as w; both may be (void)0.  errno
 * is what the real call left.
 */
#define INTERPOSE_WAIT(type, name, class, number, params, args, limit, again)                      \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct wait w;                                                                     \
		type r;                                                                            \
                                                                                                   \
		wait_begin(&w, number);                                                            \
		limit;                                                                             \
		while (wait_eintr(r = REAL(name) args))                                            \
			again;                                                                     \
		wait_end(&w, class, (const void *)real_##name);                                    \
		return r;                                                                          \
	}

#endif
