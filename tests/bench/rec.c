/* SPDX-License-Identifier: MIT */
/*
 * rec THREADS SECONDS: so many threads (0: the main thread alone) use so much CPU time each at the bottom of a
 * recursion, and it prints the CPU time in ns of the whole process, then that of each thread.  Thread N begins in
 * worker_N, so its samples can be told in a profile that knows no threads.  Built without frame pointers: as
 * distributions build.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST   4
#define LEVELS 21 /* with leaf, worker and main 24 frames of ours */

static double seconds;
static long long used[MOST];
static __thread volatile unsigned long sink;

static long long cpu(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

__attribute__((noinline)) static unsigned long leaf(unsigned long n)
{
	for (int i = 0; i < 20000; i++)
		n = n * 6364136223846793005UL + 1442695040888963407UL;
	return n;
}

__attribute__((noinline)) static unsigned long level(int depth, unsigned long n)
{
	unsigned long r = depth ? level(depth - 1, n + 1) : leaf(n);

	__asm__ volatile("" : "+r"(r)); /* no tail call, no inlining into itself */
	return r + n;
}

#define WORKER(number)                                                                             \
	__attribute__((noinline)) void *worker_##number(void *unused)                              \
	{                                                                                          \
		long long begin = cpu(CLOCK_THREAD_CPUTIME_ID), now;                               \
                                                                                                   \
		do {                                                                               \
			sink += level(LEVELS - 1, sink);                                           \
			now = cpu(CLOCK_THREAD_CPUTIME_ID);                                        \
		} while ((double)(now - begin) < seconds * 1e9);                                   \
		used[number] = now;                                                                \
		return unused;                                                                     \
	}
void *worker_0(void *), *worker_1(void *), *worker_2(void *), *worker_3(void *);
WORKER(0)
WORKER(1)
WORKER(2)
WORKER(3)

int main(int argc, char **argv)
{
	static void *(*const worker[MOST])(void *) = {worker_0, worker_1, worker_2, worker_3};
	int threads = argc > 1 ? atoi(argv[1]) : 0;
	pthread_t id[MOST];

	seconds = argc > 2 ? atof(argv[2]) : 1;
	if (threads > MOST)
		return 2;
	if (!threads)
		worker_0(NULL);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, worker[i], NULL))
			return 1;
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	printf("%lld", cpu(CLOCK_PROCESS_CPUTIME_ID));
	for (int i = 0; i < (threads ? threads : 1); i++)
		printf(" %lld", used[i]);
	printf("\n");
	return 0;
}
