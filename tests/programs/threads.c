/* SPDX-License-Identifier: MIT */
/*
 * RUN:    threads COUNT CPU_MS AT_ONCE
 * EXPECT: COUNT threads use CPU_MS of CPU time each in burn(), AT_ONCE of them at a time.  Prints
 * the CPU time of the process in ns at the end (getrusage).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static volatile unsigned long sink;
static long cpu_ns;

static long cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

__attribute__((noinline)) static void burn(void)
{
	while (cpu() < cpu_ns)
		for (int i = 0; i < 2000; i++)
			sink += (unsigned long)i;
}

static void *work(void *unused)
{
	burn();
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;
	int at_once = argc > 3 ? atoi(argv[3]) : 2;
	pthread_t *threads = calloc((size_t)count, sizeof *threads);
	struct rusage ru;

	cpu_ns = (argc > 2 ? atol(argv[2]) : 5) * 1000000L;
	for (int i = 0; i < count; i++) {
		if (i >= at_once)
			pthread_join(threads[i - at_once], NULL);
		pthread_create(&threads[i], NULL, work, NULL);
	}
	for (int i = count > at_once ? count - at_once : 0; i < count; i++)
		pthread_join(threads[i], NULL);
	getrusage(RUSAGE_SELF, &ru);
	printf("%lld\n", (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000LL +
				 (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000LL);
	free(threads);
	return 0;
}
