/* SPDX-License-Identifier: MIT */
/*
 * preload/clock: the time, in a handler and inside malloc.
 *
 * Of the kernel's vdso directly: libc's clock_gettime() may be another library's (libfaketime), with locks of its own that the
 * code holds which we interrupt, or which allocates.
 */
#ifndef CPROF_PRELOAD_CLOCK_H
#define CPROF_PRELOAD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Before there is a second thread.
 * Context: own.  Allocates: no.  Locks: none. */
void clock_start(void);

/* CLOCK_MONOTONIC in ns: 20 ns, no system call where the kernel has a vdso.  Keeps errno.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t clock_now_ns(void);

/* The counter is no longer to be read, here or anywhere (PR_SET_TSC): ns by system calls from now on.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void clock_without_counter(void);

/* Nor is the kernel to be asked by the calling thread: for it time stands still, at 0.  For other threads: as long as the vdso can.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void clock_stop_in_thread(void);

/*
 * Ticks: the cheapest clock for durations.  The processor's counter where the kernel keeps its own time by it, and so has found it
 * steady and the same on all processors: 8 ns, a pair of them 16 (the vdso: 39).  Else nanoseconds.
 */
extern bool clock_by_counter __attribute__((visibility("hidden"))); /* only for what is inline */

/* Nobody wants to know how long anything takes: ticks stand still, at 0.
 * Context: own (start-up).  Allocates: no.  Locks: none. */
void clock_ticks_off(void);
extern bool clock_is_off
	__attribute__((visibility("hidden"))); /* only with clock_by_counter false */

/* Ticks where they are not the counter.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t clock_other_ticks(void);

static inline uint64_t clock_ticks(void)
{
	return __builtin_expect(clock_by_counter, 1) ? __builtin_ia32_rdtsc() : clock_other_ticks();
}

/* How ticks and nanoseconds relate, now; error below 1e-4 of a duration, or 100 ns. */
struct clock_rate {
	uint64_t now_ns;    /* CLOCK_MONOTONIC */
	uint64_t ns, ticks; /* as many ns are as many ticks; since the start */
};

/* Finds out at its first call which clock it is, by a file of /sys: what clock_ticks() said before that is of no use when
 * clock_by_counter is false afterwards.  Keeps errno.
 * Context: signal.  Allocates: no.  Locks: none. */
struct clock_rate clock_rate_now(void);

static inline uint64_t clock_to_ns(const struct clock_rate *r, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * r->ns / r->ticks);
}

static inline uint64_t clock_to_ticks(const struct clock_rate *r, uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * r->ticks / r->ns);
}

#endif
