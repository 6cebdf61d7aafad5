/* SPDX-License-Identifier: MIT */
/* core/live; test_live.c is cli/live. */
#include "core/live.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

#define LEVELS	  5u
#define PLACES	  8u
#define SATURATED 255u
/* The multiplier of core/live's hash. */
#define HASH UINT64_C(0x9e3779b97f4a7c15)

static void *at(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* The counter of an address in the largest filter, and in the one of so many classes. */
static unsigned counter(uint64_t address)
{
	return live_filter[live_place(address, LIVE_LARGEST)];
}

enum { SMALL = 512, MIDDLE = 4096 };

static uint32_t look_of(unsigned classes)
{
	return LIVE_LOOK(classes == SMALL ? 1 : classes == MIDDLE ? 2 : LIVE_FILTERS, classes);
}

static unsigned counter_of(unsigned classes, uint64_t address)
{
	return live_filter[live_place(address, look_of(classes))];
}

/* What free() asks. */
static bool maybe(const void *address)
{
	return live_maybe(address) && live_likely(address);
}

static bool add(uint64_t address)
{
	const struct live_entry e = {
		.row_at = address * 3, .objects = address * 5, .bytes = address * 7};

	return live_add(at(address), &e);
}

static bool take(uint64_t address)
{
	struct live_entry e = {0};

	if (!live_take(at(address), &e))
		return false;
	return e.row_at == address * 3 && e.objects == address * 5 && e.bytes == address * 7;
}

static unsigned filter_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = LIVE_CLASSES; i < sizeof live_filter; i++)
		n += live_filter[i] != 0;
	for (unsigned i = 0; i < LIVE_CLASSES; i++)
		n += live_filter[i] != 0;
	return n;
}

/* The n-th of addresses that fall into the same line of every level. */
static uint64_t colliding(unsigned n)
{
	uint64_t inverse = HASH, h = UINT64_C(0x123456) << 42;

	for (int i = 0; i < 6; i++) /* Newton: each step doubles the bits that are right */
		inverse *= 2 - HASH * inverse;
	for (;; h++) {
		uint64_t a = h * inverse;

		if (a >> 60 == 0 && a && n-- == 0)
			return a << 4;
	}
}

TEST(live_table_gives_back_what_it_was_given)
{
	live_forget();
	CHECK(!maybe(at(0x5000)) && !take(0x5000));
	CHECK(add(0x5000));
	CHECK(maybe(at(0x5000)));
	CHECK(!take(0x5010)); /* its neighbour */
	CHECK(take(0x5000));
	CHECK(!maybe(at(0x5000)));
	CHECK(!take(0x5000)); /* a double free */
	CHECK(add(0x5000));   /* the address comes again */
	CHECK(take(0x5000));
	CHECK_EQ(filter_in_use(), 0);
}

/* free(NULL) comes by when something in use has NULL's class; 0 is what an empty place holds, and 1 one that is
 * being filled. */
TEST(live_table_knows_no_null)
{
	const uint64_t other = UINT64_C(0x10010000) << 6; /* as NULL in all filters */

	live_forget();
	CHECK_EQ(live_place(other, LIVE_LARGEST), live_place(0, LIVE_LARGEST));
	CHECK(add(other));
	CHECK(maybe(NULL));
	CHECK(!take(0) && !take(1));
	CHECK_EQ(counter(other), 1);
	CHECK(take(other));
	CHECK_EQ(filter_in_use(), 0);
}

TEST(live_table_keeps_many_and_its_filter_returns_to_zero)
{
	enum { MANY = 60000 };

	live_forget();
	for (uint64_t i = 1; i <= MANY; i++)
		CHECK(add(UINT64_C(0x7f0000000000) + i * 48));
	for (uint64_t i = 1; i <= MANY; i++)
		CHECK(!take(UINT64_C(0x7f0000000000) + i * 48 + 16));
	for (uint64_t i = MANY; i >= 1; i--)
		CHECK(maybe(at(UINT64_C(0x7f0000000000) + i * 48)) &&
		      take(UINT64_C(0x7f0000000000) + i * 48));
	CHECK_EQ(filter_in_use(), 0);
}

TEST(live_filter_saturates_and_stays)
{
	live_forget();
	/* One class, 254 addresses: it still counts. */
	for (uint64_t i = 1; i < SATURATED; i++)
		CHECK(add(i << 38));
	CHECK_EQ(counter(0), SATURATED - 1);
	for (uint64_t i = 1; i < SATURATED; i++)
		CHECK(take(i << 38));
	CHECK_EQ(counter(0), 0);
	/* At the top it knows no longer. */
	for (uint64_t i = 1; i < SATURATED + 50; i++)
		CHECK(add(i << 38));
	CHECK_EQ(counter(0), SATURATED);
	for (uint64_t i = 1; i < SATURATED + 50; i++)
		CHECK(take(i << 38));
	CHECK_EQ(counter(0), SATURATED);
	CHECK(!take(UINT64_C(1) << 38));
	CHECK(!maybe(at(UINT64_C(1) << 38))); /* the small filters still count */
	live_forget();
	CHECK_EQ(filter_in_use(), 0);
}

/* As many as a filter can tell apart, and no more, are looked for in it. */
TEST(live_filter_grows_with_the_table_and_shrinks)
{
	enum { MANY = 2000 };
	const uint64_t one = UINT64_C(1) << 30 | 64, base = UINT64_C(0x7f0000000000);
	const uint64_t same_small = SMALL << 6, same_middle = MIDDLE << 6;
	const uint32_t *look = &live_filter_look;
	unsigned grown[3] = {0}, shrunk[3] = {0};

	live_forget();
	CHECK_EQ(*look, 0);
	CHECK(!maybe(at(one)) && !maybe(NULL));
	CHECK(add(one));
	CHECK_EQ(*look, look_of(SMALL));
	CHECK_EQ(counter_of(SMALL, one + same_small), 1);
	CHECK_EQ(counter_of(MIDDLE, one + same_small), 0);
	CHECK_EQ(counter_of(MIDDLE, one + same_middle), 1);
	CHECK_EQ(counter(one + same_middle), 0);
	CHECK(maybe(at(one)) && !maybe(at(one + same_small)));
	for (uint64_t i = 1; i <= MANY; i++) {
		CHECK(add(base + i * 128) && maybe(at(base + i * 128)));
		CHECK(maybe(at(one)) && !maybe(at(one + same_middle)));
		grown[*look == look_of(SMALL) ? 0 : *look == look_of(MIDDLE) ? 1 : 2]++;
	}
	CHECK_EQ(*look, LIVE_LARGEST);
	CHECK(grown[0] == SMALL / 10 - 1 && grown[1] == MIDDLE / 10 - SMALL / 10);
	for (uint64_t i = 1; i <= MANY; i++) {
		CHECK(maybe(at(base + i * 128)) && take(base + i * 128));
		shrunk[*look == look_of(SMALL) ? 0 : *look == look_of(MIDDLE) ? 1 : 2]++;
	}
	CHECK(shrunk[0] == SMALL / 20 - 1 && shrunk[1] == MIDDLE / 20 - SMALL / 20);
	CHECK(take(one) && !maybe(at(one)));
	CHECK_EQ(*look, look_of(SMALL)); /* who has seen it may be looking */
	CHECK_EQ(filter_in_use(), 0);
}

/* More in one class of a small filter than its counters hold: it counts on elsewhere, and is as selective afterwards. */
TEST(live_small_filters_count_beyond_their_top)
{
	enum { MANY = 1000 };
	const uint64_t step = UINT64_C(1) << 38; /* these bits are in no class */

	live_forget();
	live_mark(at(64 << 6));
	for (uint64_t i = 1; i <= MANY; i++)
		CHECK(add(i * step) && add(i * step | 64 << 6));
	CHECK_EQ(counter_of(512, 0), SATURATED - 1);
	for (uint64_t i = 1; i <= MANY; i++)
		CHECK(maybe(at(i * step)) && take(i * step) && take(i * step | 64 << 6));
	CHECK_EQ(counter_of(512, 0), 0);
	CHECK_EQ(counter_of(512, 64 << 6), SATURATED); /* marked */
	live_forget();
	for (uint64_t i = 1; i <= MANY; i++)
		CHECK(add(i * step));
	live_forget(); /* in the middle of it */
	CHECK(add(step) && take(step));
	CHECK_EQ(filter_in_use(), 0);
}

TEST(live_mark_is_for_ever)
{
	live_forget();
	live_mark(at(0x4440));
	CHECK(maybe(at(0x4440)) && !take(0x4440));
	CHECK(add(0x4440) && take(0x4440));
	CHECK(maybe(at(0x4440)));
	live_forget();
	CHECK(!maybe(at(0x4440)));
}

TEST(live_levels_overflow_into_the_next_and_then_refuse)
{
	uint64_t a[LEVELS * PLACES + 2];

	live_forget();
	for (unsigned i = 0; i < LEVELS * PLACES + 2; i++)
		a[i] = colliding(i);
	for (unsigned i = 0; i < LEVELS * PLACES; i++)
		CHECK(add(a[i]));
	CHECK(!add(a[LEVELS * PLACES]));
	CHECK(!take(a[LEVELS * PLACES]));
	/* A place in the middle is as good as new, and what lies behind it is still found. */
	CHECK(take(a[PLACES + 3]));
	CHECK(add(a[LEVELS * PLACES + 1]));
	for (unsigned i = 0; i < LEVELS * PLACES; i++)
		CHECK(take(a[i]) == (i != PLACES + 3));
	CHECK(take(a[LEVELS * PLACES + 1]));
	CHECK_EQ(filter_in_use(), 0);
}

TEST(live_forget_forgets_everything)
{
	live_forget();
	for (uint64_t i = 1; i < 3000; i++)
		CHECK(add(i * 16 << 12));
	live_forget();
	CHECK_EQ(filter_in_use(), 0);
	for (uint64_t i = 1; i < 3000; i++)
		CHECK(!take(i * 16 << 12));
	CHECK(add(16) && take(16));
}

/* ---- memory that cannot be had ---- */

static void allow_more_memory(uint64_t bytes)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	const struct rlimit limit = {pages * 4096 + bytes, RLIM_INFINITY};
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

/* In a child of its own, because a limit stays; the number of colliding addresses that it takes. */
static int places_with(uint64_t bytes)
{
	int status, n = 0;
	pid_t child;

	live_forget();
	child = fork();
	if (child == 0) {
		allow_more_memory(bytes);
		while (n < 100 && add(colliding((unsigned)n)))
			n++;
		for (int i = 0; i < n; i++)
			if (!take(colliding((unsigned)i)))
				_exit(101);
		_exit(filter_in_use() ? 102 : n);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(live_without_memory_refuses)
{
	CHECK_EQ(places_with(0), 0);
}

/* 16 KiB, 256 KiB, 4 MiB, 64 MiB, and then 1 GiB. */
TEST(live_without_memory_for_the_last_level_uses_the_others)
{
	CHECK_EQ(places_with(100 << 20), 4 * PLACES);
}

/* Memory that the host wants locked as soon as it is mapped is not touched all the same. */
TEST(live_in_locked_memory_is_small)
{
	struct rusage before, after;
	pid_t child = fork();
	int status;

	if (child == 0) {
		live_forget();
		if (mlockall(MCL_FUTURE) < 0)
			_exit(77);
		getrusage(RUSAGE_SELF, &before);
		for (unsigned i = 0; i < 4 * PLACES; i++)
			if (!add(colliding(i)))
				_exit(101);
		getrusage(RUSAGE_SELF, &after);
		_exit(after.ru_maxrss - before.ru_maxrss > 8 << 10);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		return; /* this user may not */
	CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(live_forgets_in_place)
{
	live_forget();
	for (uint64_t i = 1; i < 3000; i++)
		CHECK(add(i * 16 << 12));
	live_forget_in_place();
	CHECK_EQ(filter_in_use(), 0);
	for (uint64_t i = 1; i < 3000; i++)
		CHECK(!take(i * 16 << 12));
	CHECK(add(16) && take(16));
}

/* ---- threads ---- */

#define THREADS	 4
#define PER_LOOP 64
#define LOOPS	 300

static struct box {
	_Atomic uint64_t address[PER_LOOP]; /* 0: may be filled */
} box[THREADS];

static uint64_t address_of(unsigned thread, unsigned i)
{
	return UINT64_C(0x7e0000000000) + ((uint64_t)thread << 32) + (uint64_t)i * 4096 * 5 + 16;
}

/* Adds addresses, takes every second one itself and hands the others to the next thread, which takes them. */
static void *works(void *opaque)
{
	unsigned me = (unsigned)(uintptr_t)opaque, next = (me + 1) % THREADS;
	uintptr_t bad = 0;

	for (unsigned loop = 0; loop < LOOPS; loop++) {
		for (unsigned i = 0; i < PER_LOOP; i++) {
			uint64_t own = address_of(me, 2 * i), given = address_of(me, 2 * i + 1);

			bad += !add(own);
			if (box[next].address[i] == 0) {
				bad += !add(given);
				box[next].address[i] = given;
			}
		}
		for (unsigned i = 0; i < PER_LOOP; i++) {
			uint64_t got = box[me].address[i];

			bad += !maybe(at(address_of(me, 2 * i))) || !take(address_of(me, 2 * i));
			if (got) {
				bad += !maybe(at(got)) || !take(got);
				box[me].address[i] = 0;
			}
		}
	}
	return (void *)bad;
}

TEST(live_of_many_threads_that_hand_over)
{
	pthread_t thread[THREADS];
	uintptr_t bad = 0;

	live_forget();
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, works, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(thread[i], &r);
		bad += (uintptr_t)r;
	}
	CHECK_EQ(bad, 0);
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < PER_LOOP; i++)
			if (box[t].address[i])
				CHECK(take(box[t].address[i]));
	CHECK_EQ(filter_in_use(), 0);
}

/* One address freed by many at once: exactly one of them has it. */
static _Atomic unsigned round_now, won;
static pthread_barrier_t start;

static void *frees_twice(void *opaque)
{
	(void)opaque;
	for (int i = 0; i < LOOPS; i++) {
		pthread_barrier_wait(&start);
		won += take(0x123450);
		if (pthread_barrier_wait(&start) == PTHREAD_BARRIER_SERIAL_THREAD)
			round_now += add(0x123450);
	}
	return NULL;
}

TEST(live_of_a_double_free_is_taken_once)
{
	pthread_t thread[THREADS];

	live_forget();
	pthread_barrier_init(&start, NULL, THREADS);
	CHECK(add(0x123450));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, frees_twice, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(round_now, LOOPS);
	CHECK_EQ(won, LOOPS);
	CHECK(take(0x123450));
	CHECK_EQ(filter_in_use(), 0);
}
