// SPDX-License-Identifier: MIT
// A library whose destructor works for 100 ms and then prints the CPU time of the process: exits.c.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static long clock_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

__attribute__((noinline)) static void late_library(long ms)
{
	long end = clock_of(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000;

	while (clock_of(CLOCK_THREAD_CPUTIME_ID) < end)
		for (unsigned long i = 0; i < 20000; i++)
			sink = sink + i;
}

__attribute__((destructor)) static void end()
{
	char line[32];

	late_library(100);
	int n = snprintf(line, sizeof line, "%ld\n", clock_of(CLOCK_PROCESS_CPUTIME_ID));
	if (write(1, line, static_cast<size_t>(n)) != n)
		_exit(9);
}
