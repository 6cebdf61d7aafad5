/* SPDX-License-Identifier: MIT */
/*
 * RUN:    allocs
 * EXPECT: every function of malloc's family, called TIMES times from a function that is called as what it does.
 * For each of these: "row NAME alloc_objects alloc_space inuse_objects inuse_space" at the end of the program, -
 * for a number that is libc's business.  "see ..." lines are what the calls have answered: the same with any library in
 * front of the allocator as without.  Exits 1, and says why, when an answer is none that an allocator may give.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMES		5
#define CASE		static __attribute__((noinline)) void
#define MUST(condition) ((condition) ? (void)0 : wrong(__LINE__, #condition))

static struct tally {
	long value[4]; /* of one call; -1: unknown */
} told;
static void *kept[1000]; /* so that the compiler believes that they are wanted */
static unsigned kept_count;
/* Out of the compiler's sight, which warns of what cannot succeed and removes what is not used. */
static volatile size_t too_much = PTRDIFF_MAX, half = SIZE_MAX / 2 + 1, zero;
static volatile size_t negative = -(size_t)4096;
static void *volatile seen;
static const char *volatile text = "thirty bytes and their ending";
static const char *current;

static void wrong(int line, const char *what)
{
	fprintf(stderr, "allocs: %s, line %d: %s is not so\n", current, line, what);
	exit(1);
}

static void tell(long alloc_objects, long alloc_space, long inuse_objects, long inuse_space)
{
	told = (struct tally){{alloc_objects, alloc_space, inuse_objects, inuse_space}};
}

static void *keep(void *p)
{
	MUST(p);
	return kept[kept_count++] = seen = p;
}

static void drop(void *p)
{
	seen = p;
	free(seen);
}

/* ---- malloc, calloc, free ---- */

CASE malloc_kept(void)
{
	keep(malloc(100));
	tell(1, 100, 1, 100);
}

CASE malloc_freed(void)
{
	drop(malloc(100));
	tell(1, 100, 0, 0);
}

CASE malloc_of_zero(void)
{
	keep(malloc(zero));
	tell(1, 0, 1, 0);
}

CASE malloc_large(void)
{
	keep(malloc(40 << 20));
	tell(1, 40 << 20, 1, 40 << 20);
}

CASE malloc_refused(void)
{
	errno = 0;
	MUST(!(seen = malloc(too_much)));
	printf("see malloc_refused errno %d\n", errno);
	tell(0, 0, 0, 0);
}

/* As if it were negative: what comes behind it counts all the same. */
CASE malloc_refused_and_then_kept(void)
{
	MUST(!(seen = malloc(negative)));
	keep(malloc(48));
	MUST(!(seen = calloc(half, 1)));
	MUST(!(seen = realloc(NULL, negative / 4 * 3)));
	keep(malloc(52));
	tell(2, 100, 2, 100);
}

CASE malloc_by_pointer(void)
{
	/* In a program at fixed addresses this is the program's own stub. */
	void *(*volatile pointer)(size_t) = malloc;

	keep(pointer(77));
	tell(1, 77, 1, 77);
}

CASE calloc_kept(void)
{
	char *p = keep(calloc(3, 111));

	for (int i = 0; i < 333; i++)
		MUST(p[i] == 0);
	tell(1, 333, 1, 333);
}

CASE calloc_again(void)
{
	char *p = malloc(200);

	memset(p, 0xff, 200);
	drop(p);
	p = calloc(20, 10);
	for (int i = 0; i < 200; i++)
		MUST(p[i] == 0);
	drop(p);
	tell(2, 400, 0, 0);
}

CASE calloc_refused(void)
{
	errno = 0;
	MUST(!(seen = calloc(half, 4)));
	MUST(!(seen = calloc(too_much, 1)));
	printf("see calloc_refused errno %d\n", errno);
	tell(0, 0, 0, 0);
}

CASE free_of_null(void)
{
	for (int i = 0; i < 100; i++)
		drop(NULL);
	tell(0, 0, 0, 0);
}

CASE errno_kept(void)
{
	errno = 1234;
	void *a = malloc(10), *b = calloc(1, 20);
	a = realloc(a, 30);
	MUST(errno == 1234);
	keep(a);
	drop(b);
	printf("see errno_kept %d\n", errno);
	tell(3, 60, 1, 30);
}

/* ---- realloc, reallocarray ---- */

CASE realloc_of_null(void)
{
	seen = NULL;
	keep(realloc(seen, 50));
	tell(1, 50, 1, 50);
}

CASE realloc_to_zero(void)
{
	void *p = realloc(malloc(40), zero);

	/* Freed, or a new one without bytes, as the allocator likes. */
	printf("see realloc_to_zero %s\n", p ? "a pointer" : "NULL");
	if (p)
		keep(p);
	tell(p ? 2 : 1, 40, p != NULL, 0);
}

CASE realloc_moved(void)
{
	char *p = malloc(100), *barrier = malloc(100), *q;

	memset(p, 0x5a, 100);
	q = realloc(p, 100000);
	MUST(q && q[0] == 0x5a && q[99] == 0x5a);
	keep(q);
	drop(barrier);
	tell(3, 100200, 1, 100000);
}

CASE realloc_in_place(void)
{
	char *p = malloc(100), *q;
	uintptr_t was = (uintptr_t)p;

	q = realloc(p, malloc_usable_size(p) - 1);
	MUST((uintptr_t)q == was);
	q = realloc(q, 90);
	printf("see realloc_in_place %d\n", (uintptr_t)q == was);
	q = realloc(q, 100);
	keep(q);
	tell(4, -1, 1, 100);
}

CASE realloc_shrunk(void)
{
	keep(realloc(malloc(100000), 10));
	tell(2, 100010, 1, 10);
}

/* Where the allocator maps and remaps. */
CASE realloc_huge(void)
{
	char *p = malloc(1 << 20);

	p[0] = 1;
	p = realloc(p, 9 << 20);
	p[9 << 10] = 2;
	p = realloc(p, 3 << 20);
	MUST(p[0] == 1 && p[9 << 10] == 2);
	keep(p);
	tell(3, 13 << 20, 1, 3 << 20);
}

CASE realloc_ladder(void)
{
	void *p = NULL;

	for (size_t size = 1; size <= 4096; size *= 2)
		p = realloc(p, size);
	keep(p);
	tell(13, 8191, 1, 4096);
}

CASE realloc_refused(void)
{
	char *p = keep(malloc(70));
	void *q;

	memset(p, 0x33, 70);
	errno = 0;
	q = realloc(p, too_much);
	printf("see realloc_refused errno %d\n", errno);
	MUST(!q);
	for (int i = 0; i < 70; i++)
		MUST(p[i] == 0x33);
	tell(1, 70, 1, 70);
}

/* The one that could not grow is freed later, and is then gone. */
CASE realloc_refused_and_freed(void)
{
	char *p = malloc(71);

	MUST(!(seen = realloc(p, too_much)));
	drop(p);
	tell(1, 71, 0, 0);
}

CASE reallocarray_kept(void)
{
	void *p = reallocarray(NULL, 10, 11);

	p = reallocarray(p, 1000, 11);
	keep(p);
	tell(2, 11110, 1, 11000);
}

CASE reallocarray_refused(void)
{
	void *p = keep(malloc(72));

	errno = 0;
	MUST(!(seen = reallocarray(p, half, 4)));
	printf("see reallocarray_refused errno %d\n", errno);
	MUST(!(seen = reallocarray(p, too_much, 1)));
	tell(1, 72, 1, 72);
}

/* ---- aligned ---- */

CASE posix_memalign_kept(void)
{
	for (size_t alignment = sizeof(void *); alignment <= 1 << 16; alignment *= 2) {
		void *p = NULL;

		MUST(posix_memalign(&p, alignment, 130) == 0 && (uintptr_t)p % alignment == 0);
		keep(p);
	}
	tell(14, 14 * 130, 14, 14 * 130);
}

CASE posix_memalign_refused(void)
{
	void *p = &told;

	errno = 4321;
	printf("see posix_memalign_refused %d", posix_memalign(&p, 24, 100));
	printf(" %d", posix_memalign(&p, 4, 100));
	printf(" %d", posix_memalign(&p, 64, too_much));
	printf(" errno %d pointer %s\n", errno, p == &told ? "untouched" : p ? "changed" : "NULL");
	tell(0, 0, 0, 0);
}

CASE aligned_alloc_kept(void)
{
	void *p = aligned_alloc(64, 640);

	MUST((uintptr_t)p % 64 == 0);
	keep(p);
	drop(aligned_alloc(256, 512));
	MUST(!(seen = aligned_alloc(64, too_much)));
	tell(2, 1152, 1, 640);
}

CASE memalign_kept(void)
{
	void *p = memalign(128, 1000);

	MUST((uintptr_t)p % 128 == 0);
	keep(p);
	tell(1, 1000, 1, 1000);
}

CASE memalign_resized(void)
{
	void *p = memalign(4096, 1000);

	keep(realloc(p, 2000));
	tell(2, 3000, 1, 2000);
}

CASE valloc_kept(void)
{
	void *p = valloc(5000);

	MUST((uintptr_t)p % 4096 == 0);
	keep(p);
	drop(valloc(1));
	tell(2, 5001, 1, 5000);
}

/* Never freed: in an allocator that does not have it, it is another's. */
CASE pvalloc_kept(void)
{
	void *p = pvalloc(5000);

	MUST((uintptr_t)p % 4096 == 0);
	keep(p);
	tell(1, 5000, 1, 5000);
}

/* ---- other ways to free: what libc does not have, comes with the library or not at all ---- */

typedef void (*free_fn)(void *, size_t, size_t);

static void free_by(const char *name, void *p, size_t one, size_t two)
{
	free_fn function = (free_fn)dlsym(RTLD_DEFAULT, name);

	seen = p;
	if (function)
		function(seen, one, two);
	else
		free(seen);
}

CASE free_sized_freed(void)
{
	free_by("free_sized", malloc(81), 81, 0);
	free_by("free_sized", NULL, 0, 0);
	tell(1, 81, 0, 0);
}

CASE free_aligned_sized_freed(void)
{
	free_by("free_aligned_sized", aligned_alloc(64, 128), 64, 128);
	free_by("free_aligned_sized", NULL, 64, 0);
	tell(1, 128, 0, 0);
}

CASE cfree_freed(void)
{
	free_by("cfree", malloc(82), 0, 0);
	tell(1, 82, 0, 0);
}

/* By a function that only this allocator has and that nobody sees.  The address comes again. */
static void (*dallocx_here)(void *, int);
CASE freed_behind(void)
{
	void *p = malloc(90);
	uintptr_t was = (uintptr_t)p;

	if (dallocx_here)
		dallocx_here(p, 0);
	else
		drop(p);
	p = malloc(90);
	printf("see freed_behind %s %d\n", dallocx_here ? "dallocx" : "free", (uintptr_t)p == was);
	MUST((uintptr_t)p == was || !dallocx_here);
	drop(p);
	tell(2, 180, 0, 0);
}

/* ---- libc's own calls ---- */

CASE strdup_kept(void)
{
	keep(strdup(text));
	tell(1, 30, 1, 30);
}

CASE asprintf_kept(void)
{
	char *p = NULL;

	MUST(asprintf(&p, "%s %s", text, text) == 59);
	keep(p);
	tell(-1, -1, 1, 60);
}

static FILE *lines;
CASE getline_kept(void)
{
	char *p = NULL;
	size_t n = 0;

	MUST(getline(&p, &n, lines) == 3);
	keep(p);
	tell(1, (long)n, 1, (long)n);
}

/* ---- another thread ---- */

static void *given[TIMES];
static unsigned given_count;
CASE freed_by_a_thread(void)
{
	given[given_count++] = malloc(901);
	tell(1, 901, 0, 0);
}

static void *taken[TIMES];
static unsigned taken_count;
CASE freed_for_a_thread(void)
{
	taken[taken_count++] = malloc(902);
	tell(1, 902, 0, 0);
}

CASE kept_by_a_thread(void)
{
	keep(malloc(903));
	tell(1, 903, 1, 903);
}

/* ---- */

#define ROW(name)                                                                                  \
	{                                                                                          \
#name, name                                                                        \
	}
static const struct row {
	const char *name;
	void (*run)(void);
} rows[] =
	{
		ROW(malloc_kept),
		ROW(malloc_freed),
		ROW(malloc_of_zero),
		ROW(malloc_large),
		ROW(malloc_refused),
		ROW(malloc_refused_and_then_kept),
		ROW(malloc_by_pointer),
		ROW(calloc_kept),
		ROW(calloc_again),
		ROW(calloc_refused),
		ROW(free_of_null),
		ROW(errno_kept),
		ROW(realloc_of_null),
		ROW(realloc_to_zero),
		ROW(realloc_moved),
		ROW(realloc_in_place),
		ROW(realloc_shrunk),
		ROW(realloc_huge),
		ROW(realloc_ladder),
		ROW(realloc_refused),
		ROW(realloc_refused_and_freed),
		ROW(reallocarray_kept),
		ROW(reallocarray_refused),
		ROW(posix_memalign_kept),
		ROW(posix_memalign_refused),
		ROW(aligned_alloc_kept),
		ROW(memalign_kept),
		ROW(memalign_resized),
		ROW(valloc_kept),
		ROW(pvalloc_kept),
		ROW(free_sized_freed),
		ROW(free_aligned_sized_freed),
		ROW(cfree_freed),
		ROW(freed_behind),
		ROW(strdup_kept),
		ROW(asprintf_kept),
		ROW(getline_kept),
		ROW(freed_by_a_thread),
},
  thread_rows[] = {
	  ROW(freed_for_a_thread),
	  ROW(kept_by_a_thread),
};

static void run(const struct row *r)
{
	current = r->name;
	for (int i = 0; i < TIMES; i++)
		r->run();
	printf("row %s", r->name);
	for (int i = 0; i < 4; i++)
		if (told.value[i] < 0)
			printf(" -");
		else
			printf(" %ld", told.value[i] * TIMES);
	puts("");
}

static void *thread_main(void *unused)
{
	for (int i = 0; i < TIMES; i++)
		drop(given[i]);
	for (size_t i = 0; i < sizeof thread_rows / sizeof thread_rows[0]; i++)
		run(&thread_rows[i]);
	return unused;
}

int main(void)
{
	static char data[] = "ab\nab\nab\nab\nab\n", buffer[64];
	pthread_t thread;

	dallocx_here = (void (*)(void *, int))dlsym(RTLD_DEFAULT, "dallocx");
	lines = fmemopen(data, sizeof data - 1, "r");
	setvbuf(lines, buffer, _IOFBF, sizeof buffer);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		run(&rows[i]);
	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < TIMES; i++)
		drop(taken[i]);
	return 0;
}
