/* SPDX-License-Identifier: MIT */
/* pairs [threads]: ns per uncontended pthread_mutex_lock + pthread_mutex_unlock, and of a read-write lock, the best of 9 loops of 5 ms.
 * With threads: a second one exists, and sleeps. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void pair_mutex(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}
static void pair_rwlock(void)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
}

static double ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline __attribute__((always_inline)) double best(void (*pair)(void))
{
	double least = 1e9;

	for (int loop = 0; loop < 9; loop++) {
		double begin = ns(), now;
		long n = 0;

		do {
			for (int i = 0; i < 1000; i++)
				pair();
			n += 1000;
			now = ns();
		} while (now - begin < 5e6);
		if ((now - begin) / (double)n < least)
			least = (now - begin) / (double)n;
	}
	return least;
}

static void *sleeps(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? "threads" : "alone";
	pthread_t thread;

	(void)argv;
	if (argc > 1 && pthread_create(&thread, NULL, sleeps, NULL))
		return 1;
	printf("mutex_%s %.3f\n", how, best(pair_mutex));
	printf("rwlock_%s %.3f\n", how, best(pair_rwlock));
	fflush(stdout);
	_exit(0);
}
