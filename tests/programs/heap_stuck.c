/* SPDX-License-Identifier: MIT */
/*
 * RUN:    heap_stuck locked|smashed
 * EXPECT: ten blocks of 100 bytes, then no allocation is possible any more: a thread stands inside malloc() with the lock of its
 * arena (a fault in the allocator's lists, whose handler does not come back), or all of the heap is overwritten.  Then says
 * so and waits to be killed.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *volatile kept[10];
static volatile int faulted, went_through;

__attribute__((noinline)) static void keeps(void)
{
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(100);
}

static void say(const char *line)
{
	if (write(1, line, strlen(line)) < 0)
		_exit(3);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void handler(int signo)
{
	(void)signo;
	faulted = 1;
	for (;;)
		nap();
}

static void *thread_main(void *unused)
{
	while (!faulted)
		nap();
	mallinfo2(); /* takes the lock of every arena */
	went_through = 1;
	return unused;
}

static void *watch(void *unused)
{
	while (!faulted)
		nap();
	for (int i = 0; i < 50; i++)
		nap();
	say(went_through ? "not locked\n" : "locked\n");
	return unused;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	keeps();
	if (strcmp(argv[1], "locked") == 0) {
		pthread_t a, b;
		char *volatile block;
		void *volatile next;

		signal(SIGSEGV, handler);
		pthread_create(&a, NULL, thread_main, NULL);
		pthread_create(&b, NULL, watch, NULL);
		block = malloc(2000); /* too large for the thread's cache */
		next = malloc(2000);
		free(block);
		*(uintptr_t *)(block + 8) = 0x1000; /* its backward pointer */
		next = malloc(3000);
		say("no fault\n");
		(void)next;
	} else {
		char *begin = (char *)((uintptr_t)kept[0] & ~(uintptr_t)4095);

		memset(begin, 0x41, (size_t)((char *)sbrk(0) - begin));
		say("smashed\n");
	}
	for (;;)
		nap();
}
