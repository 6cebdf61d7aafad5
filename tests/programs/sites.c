/* SPDX-License-Identifier: MIT */
/*
 * RUN:    sites MEAN NAME=COUNT...
 * EXPECT: allocations whose number and size per function are known: for each name one line
 *     site_NAME ALLOC_OBJECTS ALLOC_SPACE INUSE_OBJECTS INUSE_SPACE V1 V2 V3 V4
 * what the functions called site_NAME have allocated and what of it is in use at the end, when the program asks
 * for a dump; V: the variances of estimates of these when samples are MEAN bytes apart on average.
 *
 * An object of s bytes is sampled with p = 1 - exp(-s / MEAN) and then counted 1 / p times.  So its estimate
 * has the mean 1 and the variance (1 - p) / p = 1 / (exp(s / MEAN) - 1); they are independent, and variances add up.
 *
 *     small=N      N objects of 16 to 128 bytes; half of them stay
 *     large=N      N of 1 to 4 MiB, never touched; half stay
 *     mixed=N      N of 16 bytes to 256 KiB at one place; two thirds stay
 *     handed=N     N of 32 to 1024 bytes, of which another thread frees two thirds
 *     ladder=N     N buffers that grow from 24 bytes by half each time, by realloc and reallocarray; half stay
 *     churn=MIB    so many MiB in objects of 16 bytes to 64 KiB, at most 64 of them at a time; none stays
 *     threads=N    N threads, one after the other, each 640 objects of 64 bytes; half stay
 *     processes=N  N children of fork; each writes a dump of its own and the line of site_processes is one's
 *     killed=MIB   grows by objects of 64 to 1024 bytes, half of which stay, to so many MiB; then SIGKILL
 *     starved=MIB  the same until malloc returns NULL (RLIMIT_AS) or that is reached, and abort()
 *     oom=MIB      the same, touching all, until the kernel kills it or that is reached
 * The last three keep their line in the file that the environment's SITES_TRUTH names.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct truth {
	const char *name;
	uint64_t alloc_objects, alloc_space, free_objects, free_space;
	double variance[4]; /* of all objects and bytes, and of those in use */
};

static double mean;
static void *volatile sink;

/* 1 / (e^x - 1), x > 0; e^x as the 1024th power of e^(x / 1024). */
static double odds(double x)
{
	double y = x / 1024, e = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4)));

	if (mean <= 1 || x > 100)
		return 0;
	for (int i = 0; i < 10; i++)
		e *= e;
	return 1 / (e - 1);
}

static void allocated(struct truth *t, size_t size)
{
	double v = odds((double)size / mean);

	t->alloc_objects++;
	t->alloc_space += size;
	for (int i = 0; i < 4; i++)
		t->variance[i] += i % 2 ? v * (double)size * (double)size : v;
}

static void freed(struct truth *t, size_t size)
{
	double v = odds((double)size / mean);

	t->free_objects++;
	t->free_space += size;
	t->variance[2] -= v;
	t->variance[3] -= v * (double)size * (double)size;
}

static void print(FILE *f, const struct truth *t)
{
	fprintf(f, "site_%s %lu %lu %lu %lu", t->name, t->alloc_objects, t->alloc_space,
		t->alloc_objects - t->free_objects, t->alloc_space - t->free_space);
	for (int i = 0; i < 4; i++)
		fprintf(f, " %.17g", t->variance[i] > 0 ? t->variance[i] : 0);
	fputc('\n', f);
	fflush(f);
}

/* The same numbers in each run: what varies between runs is the sampling. */
static uint64_t number(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static size_t between(uint64_t *state, size_t low, size_t high)
{
	return low + number(state) % (high - low + 1);
}

/* Each power of two equally often. */
static size_t any_size(uint64_t *state, unsigned low_bits, unsigned high_bits)
{
	size_t base = (size_t)1 << (low_bits + number(state) % (high_bits - low_bits));

	return base + number(state) % base;
}

static void *room(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ---- sites: the only functions that allocate ---- */

/* A call that is no tail call, so that the site is in its stack. */
#define CALL(expression) (sink = (expression))
#define SITE(name)	 __attribute__((noinline, noclone)) static void site_##name

SITE(small)(struct truth *t, long n)
{
	uint64_t state = 1;

	for (long i = 0; i < n; i++) {
		size_t size = between(&state, 16, 128);

		CALL(malloc(size));
		allocated(t, size);
		if (i % 2) {
			free(sink);
			freed(t, size);
		}
	}
}

SITE(large)(struct truth *t, long n)
{
	uint64_t state = 2;

	for (long i = 0; i < n; i++) {
		size_t size = between(&state, 1 << 20, 4 << 20);

		CALL(malloc(size));
		allocated(t, size);
		if (i % 2) {
			free(sink);
			freed(t, size);
		}
	}
}

SITE(mixed)(struct truth *t, long n)
{
	uint64_t state = 3;

	for (long i = 0; i < n; i++) {
		size_t size = any_size(&state, 4, 18);

		CALL(calloc(1, size));
		allocated(t, size);
		if (i % 3 == 0) {
			free(sink);
			freed(t, size);
		}
	}
}

struct belt {
	void **p;
	size_t *size;
	long n;
	struct truth *truth;
};

static void *freer(void *arg)
{
	struct belt *b = arg;

	for (long i = 0; i < b->n; i++)
		if (i % 3) {
			free(b->p[i]);
			freed(b->truth, b->size[i]);
		}
	return NULL;
}

SITE(handed)(struct belt *b)
{
	uint64_t state = 4;

	for (long i = 0; i < b->n; i++) {
		b->size[i] = between(&state, 32, 1024);
		CALL(b->p[i] = malloc(b->size[i]));
		allocated(b->truth, b->size[i]);
	}
}

SITE(ladder)(struct truth *t, long n)
{
	uint64_t state = 5;

	for (long i = 0; i < n; i++) {
		size_t size = 24, last = any_size(&state, 6, 16);
		void *neighbour, *p = CALL(malloc(size));

		allocated(t, size);
		while (size < last) {
			/* Now and then something lies behind it, so that it has to move. */
			neighbour = number(&state) % 2 ? malloc(24) : NULL;
			CALL(p = i % 4 < 2 ? realloc(p, size + size / 2)
					   : reallocarray(p, 1, size + size / 2));
			freed(t, size);
			size += size / 2;
			allocated(t, size);
			if (neighbour) {
				free(neighbour);
				allocated(t, 24);
				freed(t, 24);
			}
		}
		if (i % 2) {
			free(p);
			freed(t, size);
		}
	}
}

SITE(churn)(struct truth *t, long mib)
{
	void *p[64] = {0};
	size_t sizes[64] = {0};
	uint64_t state = 6;

	while (t->alloc_space >> 20 < (uint64_t)mib) {
		unsigned i = (unsigned)(number(&state) % 64);
		size_t size = any_size(&state, 4, 16);

		if (p[i]) {
			free(p[i]);
			freed(t, sizes[i]);
		}
		CALL(p[i] = malloc(size));
		sizes[i] = size;
		allocated(t, size);
	}
	for (unsigned i = 0; i < 64; i++)
		if (p[i]) {
			free(p[i]);
			freed(t, sizes[i]);
		}
	t->variance[2] = t->variance[3] = 0;
}

enum { SHORT_OBJECTS = 640, SHORT_BYTES = 64 };

SITE(short)(struct truth *t)
{
	for (int i = 0; i < SHORT_OBJECTS; i++) {
		CALL(malloc(SHORT_BYTES));
		allocated(t, SHORT_BYTES);
		if (i % 2) {
			free(sink);
			freed(t, SHORT_BYTES);
		}
	}
}

/* Grows to so many bytes, or until there is no more. */
SITE(grown)(struct truth *t, uint64_t bytes)
{
	uint64_t state = 7;

	while (t->alloc_space - t->free_space < bytes) {
		size_t size = between(&state, 64, 1024);
		void *p = CALL(malloc(size));

		if (!p)
			break;
		memset(p, 1, size);
		allocated(t, size);
		CALL(p = malloc(size));
		if (!p)
			break;
		allocated(t, size);
		free(p);
		freed(t, size);
	}
}

/* ---- loads ---- */

static void handed(struct truth *t, long n)
{
	struct belt b = {room((size_t)n * 8), room((size_t)n * 8), n, t};
	pthread_t other;

	site_handed(&b);
	pthread_create(&other, NULL, freer, &b);
	pthread_join(other, NULL);
}

/* Frames that a checker finds by name. */
__attribute__((noinline)) static void *site_threads(void *t)
{
	site_short(t);
	__asm__ volatile("");
	return t;
}

static void threads(struct truth *t, long n)
{
	pthread_t thread;

	for (long i = 0; i < n; i++) {
		pthread_create(&thread, NULL, site_threads, t);
		pthread_join(thread, NULL);
	}
}

__attribute__((noinline)) static void site_processes(struct truth *t)
{
	site_short(t);
	__asm__ volatile("");
}

static void processes(struct truth *t, long n)
{
	int status;

	/* From here on the parent has random numbers of its own, which no child may repeat. */
	CALL(malloc(1 << 20));
	for (long i = 0; i < n; i++) {
		if (fork() == 0) {
			site_processes(t);
			raise(SIGUSR2);
			exit(0);
		}
		if (i % 2) /* two at a time */
			wait(&status);
	}
	while (wait(&status) > 0)
		;
	for (int i = 0; i < SHORT_OBJECTS; i++) {
		allocated(t, SHORT_BYTES);
		if (i % 2)
			freed(t, SHORT_BYTES);
	}
}

/* Its truth is in a file, so that it survives. */
static struct truth *outlives(const char *name)
{
	const char *path = getenv("SITES_TRUTH");
	int fd = open(path ? path : "/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct truth *t;

	if (fd < 0 || ftruncate(fd, sizeof *t) < 0)
		exit(2);
	t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t == MAP_FAILED)
		exit(2);
	t->name = name;
	return t;
}

int main(int argc, char **argv)
{
	mean = argc > 1 ? atof(argv[1]) : 0;
	if (argc == 3 && strncmp(argv[2], "truth=", 6) == 0) {
		/* What a killed one has left. */
		struct truth t;
		int fd = open(argv[2] + 6, O_RDONLY);

		if (read(fd, &t, sizeof t) != sizeof t)
			return 2;
		t.name = "grown";
		print(stdout, &t);
		return 0;
	}
	for (int i = 2; i < argc; i++) {
		char *name = argv[i], *equal = strchr(name, '=');
		struct truth t = {.name = name};
		long n = equal ? atol(equal + 1) : 0;

		if (!equal)
			return 2;
		*equal = '\0';
#define IS(s) else if (strcmp(name, #s) == 0)
		if (strcmp(name, "threads") == 0)
			threads(&t, n);
		IS(processes) processes(&t, n);
		IS(small) site_small(&t, n);
		IS(large) site_large(&t, n);
		IS(mixed) site_mixed(&t, n);
		IS(handed) handed(&t, n);
		IS(ladder) site_ladder(&t, n);
		IS(churn) site_churn(&t, n);
		IS(killed)
		{
			site_grown(outlives(name), (uint64_t)n << 20);
			raise(SIGKILL);
		}
		IS(starved)
		{
			site_grown(outlives(name), (uint64_t)n << 20);
			abort();
		}
		IS(oom)
		{
			site_grown(outlives(name), (uint64_t)n << 20);
			return 3;
		}
		else return 2;
		print(stdout, &t);
	}
	raise(SIGUSR2);
	return 0;
}
