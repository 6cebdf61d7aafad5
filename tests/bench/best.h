/* SPDX-License-Identifier: MIT */
/* ns per call of a function, the best of `loops` loops of 200 us, so short that most have no tick of the kernel in them and nothing else
 * of the machine's.  batch: calls between two looks at the clock. */
#ifndef CPROF_TESTS_BENCH_BEST_H
#define CPROF_TESTS_BENCH_BEST_H

#include <time.h>

static double best_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline __attribute__((always_inline)) double best(void (*call)(void), int loops, int batch)
{
	double least = 1e9;

	for (int loop = 0; loop < loops; loop++) {
		double begin = best_now_ns(), now;
		long n = 0;

		do {
			for (int i = 0; i < batch; i++)
				call();
			n += batch;
			now = best_now_ns();
		} while (now - begin < 2e5);
		if ((now - begin) / (double)n < least)
			least = (now - begin) / (double)n;
	}
	return least;
}

#endif
