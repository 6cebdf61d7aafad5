/* SPDX-License-Identifier: MIT */
/* pairs [threads]: ns per uncontended pthread_mutex_lock + pthread_mutex_unlock, and of a read-write lock, the best of 225 loops of 200 us.
 * With threads: a second one exists, and sleeps. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/best.h"

enum { LOOPS = 225, BATCH = 1000 };
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
	printf("mutex_%s %.3f\n", how, best(pair_mutex, LOOPS, BATCH));
	printf("rwlock_%s %.3f\n", how, best(pair_rwlock, LOOPS, BATCH));
	fflush(stdout);
	_exit(0);
}
