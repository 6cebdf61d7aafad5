/* SPDX-License-Identifier: MIT */
/*
 * RUN:    heap_load
 * EXPECT: eight threads that allocate, resize, hand over and free until standard input ends, by way of some hundred stacks; two of them
 * start short threads and children too.  Then all is freed, a dump is asked for, and the exit code is 0.  So in
 * each file of its profile no stack has allocated less than in the one before, and in the last one no stack that
 * goes through load() has anything in use.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, SLOTS = 4096, PATHS = 64, DEPTH = 6 };

static _Atomic(char *) slot[SLOTS];
static atomic_bool over;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

__attribute__((noinline)) static char *leaf(uint64_t random)
{
	size_t size = 16 + (random >> 20) % ((random >> 50) % 64 ? 500 : 200000);
	void *p = NULL;

	switch (random >> 10 & 7) {
	case 0:
		p = calloc(1, size);
		break;
	case 1:
		if (posix_memalign(&p, 64, size))
			p = NULL;
		break;
	case 2:
		p = aligned_alloc(32, (size + 31) / 32 * 32);
		break;
	case 3: /* a ladder */
		for (size_t n = 16; n < size + 16; n *= 2)
			p = realloc(p, n);
		break;
	case 4:
		p = realloc(atomic_exchange(&slot[random >> 40 & (SLOTS - 1)], NULL), size);
		break;
	default:
		p = malloc(size);
	}
	return p;
}

/* Two functions that call each other: the path is the bits of a number. */
static char *right(unsigned path, unsigned depth, uint64_t random);
__attribute__((noinline)) static char *left(unsigned path, unsigned depth, uint64_t random)
{
	char *p = depth == 0 ? leaf(random)
		  : path & 1 ? right(path >> 1, depth - 1, random)
			     : left(path >> 1, depth - 1, random);

	__asm__ volatile("" : "+r"(p)); /* no tail call */
	return p;
}
__attribute__((noinline)) static char *right(unsigned path, unsigned depth, uint64_t random)
{
	char *p = depth == 0 ? leaf(random)
		  : path & 1 ? right(path >> 1, depth - 1, random)
			     : left(path >> 1, depth - 1, random);

	__asm__ volatile("" : "+r"(p));
	return p;
}

static void change(uint64_t random)
{
	char *p = left((unsigned)random % PATHS, DEPTH, random);

	free(atomic_exchange(&slot[random >> 30 & (SLOTS - 1)], p));
}

__attribute__((noinline)) static void *load(void *arg)
{
	uint64_t state = (uintptr_t)arg * 1000003;

	for (int i = 0; i < 1000; i++)
		change(mix(++state * UINT64_C(0x9e3779b97f4a7c15)));
	__asm__ volatile("");
	return NULL;
}

static void *worker(void *arg)
{
	uintptr_t number = (uintptr_t)arg;

	for (uintptr_t round = 1; !over; round++) {
		load((void *)(round * THREADS + number));
		if (number == 0 && round % 8 == 0) {
			pthread_t t;

			if (pthread_create(&t, NULL, load, (void *)(round * THREADS + 1000)) == 0)
				pthread_join(t, NULL);
		}
		if (number == 1 && round % 64 == 0) {
			pid_t child = fork();

			if (child == 0) {
				load((void *)round);
				_exit(0);
			}
			waitpid(child, NULL, 0);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];
	char c;

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, worker, (void *)i) != 0)
			return 2;
	while (read(0, &c, 1) > 0)
		;
	over = true;
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		free(atomic_exchange(&slot[i], NULL));
	raise(SIGUSR2);
	return 0;
}
