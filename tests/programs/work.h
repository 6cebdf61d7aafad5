/* SPDX-License-Identifier: MIT */
/* For victims: functions of a given name that use a given time of their thread's CPU clock. */
#ifndef CPROF_TESTS_PROGRAMS_WORK_H
#define CPROF_TESTS_PROGRAMS_WORK_H

#include <time.h>

static volatile unsigned long sink;

static long clock_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

/* A function of this name that uses so many ms of its thread's CPU clock; the ns that it used.
 * The numbers differ, or gcc would make one function of several. */
#define WORK(name, n) WORK_UNTIL(name, n, 1)
#define WORK_UNTIL(name, n, done)                                                                  \
	__attribute__((noinline)) static long name(long ms)                                        \
	{                                                                                          \
		long start = clock_of(CLOCK_THREAD_CPUTIME_ID), now;                               \
                                                                                                   \
		do {                                                                               \
			for (unsigned long i = 0; i < 20000; i++)                                  \
				sink = sink + i * (n);                                             \
			now = clock_of(CLOCK_THREAD_CPUTIME_ID);                                   \
		} while (now - start < ms * 1000000 || !(done));                                   \
		return now - start;                                                                \
	}

#endif
