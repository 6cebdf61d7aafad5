/* SPDX-License-Identifier: MIT */
/*
 * RUN:    no_environment
 * EXPECT: before any constructor it has no environment any more, and a thread; prints "alive".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *thread(void *arg)
{
	return arg;
}

static void first(void)
{
	pthread_t t;

	clearenv();
	if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0)
		_Exit(1);
}
__attribute__((section(".preinit_array"), used)) static void (*const entry)(void) = first;

int main(void)
{
	puts("alive");
	return 0;
}
