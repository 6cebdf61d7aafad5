/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_threads
 * EXPECT: two threads burn 0.5 s each, one in red, one in blue.  Prints "red TID" and "blue TID".
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static int still(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec == 0 && ts.tv_nsec < 500000000;
}

#define WORK(name, n)                                                                              \
	__attribute__((noinline, noclone)) static void name(void)                                  \
	{                                                                                          \
		while (still())                                                                    \
			for (unsigned i = 0; i < 100000; i++)                                      \
				sink += i * n;                                                     \
	}                                                                                          \
	static void *name##_thread(void *unused)                                                   \
	{                                                                                          \
		(void)unused;                                                                      \
		printf(#name " %d\n", (int)gettid());                                              \
		name();                                                                            \
		__asm__ volatile("");                                                              \
		return NULL;                                                                       \
	}
WORK(red, 3)
WORK(blue, 5)

int main(void)
{
	pthread_t a, b;

	pthread_create(&a, NULL, red_thread, NULL);
	pthread_create(&b, NULL, blue_thread, NULL);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	return 0;
}
