/* SPDX-License-Identifier: MIT */
/*
 * RUN:    split CPU_SECONDS
 * EXPECT: four threads use 50, 30, 15 and 5 % of the CPU time in work_50, work_30, work_15 and
 * work_5. Prints the CPU time of the process in ns at the end (getrusage).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double total;
static volatile unsigned long sink;

static double cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#define WORK(share)                                                                                \
	__attribute__((noinline)) static void work_##share(void)                                   \
	{                                                                                          \
		while (cpu() < total * share / 100)                                                \
			for (int i = 0; i < 200000; i++)                                           \
				sink += (unsigned long)i * share;                                  \
	}                                                                                          \
	static void *thread_##share(void *unused)                                                  \
	{                                                                                          \
		work_##share();                                                                    \
		return unused;                                                                     \
	}
WORK(50)
WORK(30)
WORK(15)
WORK(5)

int main(int argc, char **argv)
{
	void *(*const starts[])(void *) = {thread_50, thread_30, thread_15, thread_5};
	pthread_t threads[4];
	struct rusage ru;

	total = argc > 1 ? atof(argv[1]) : 10;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, starts[i], NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	getrusage(RUSAGE_SELF, &ru);
	printf("%lld\n", (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000LL +
				 (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000LL);
	return 0;
}
