/* SPDX-License-Identifier: MIT */
/* The table of live samples under churn by several threads: what hours of a service do to it, in a second. */
#include "core/live.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/support/check.h"

enum { THREADS = 4, SLOTS = 6000, CHANGES = 250000 };

/* Objects change hands here: whoever puts a new one takes away the old one, which is usually another thread's. */
static _Atomic(uint64_t) slot[SLOTS];
static _Atomic unsigned wrong, not_found;
static bool real_objects;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Never the same twice: steps of an odd number on a ring of 2^43, in the 47 bits of a process. */
static uint64_t any_address(uint64_t number)
{
	return (number * UINT64_C(0x9e3779b97f4a7c15) & ((UINT64_C(1) << 43) - 1)) << 4;
}

static void drop(uint64_t address)
{
	struct live_entry entry;

	if (!address)
		return;
	if (!live_maybe((void *)(uintptr_t)address) ||
	    !live_take((void *)(uintptr_t)address, &entry))
		atomic_fetch_add(&not_found, 1);
	else if (entry.row_at != address || entry.bytes != address / 2)
		atomic_fetch_add(&wrong, 1);
	if (real_objects)
		free((void *)(uintptr_t)address); /* now another thread may get it */
}

static void *churn(void *arg)
{
	uint64_t thread = (uintptr_t)arg;

	for (uint64_t i = 1; i <= CHANGES; i++) {
		uint64_t random = mix(i * THREADS + thread);
		uint64_t at = real_objects ? (uintptr_t)malloc(16 + random % 600)
					   : any_address(i * THREADS + thread);
		struct live_entry entry = {.row_at = at, .objects = 1, .bytes = at / 2};

		if (!live_add((void *)(uintptr_t)at, &entry))
			atomic_fetch_add(&not_found, 1);
		drop(atomic_exchange(&slot[(random >> 32) % SLOTS], at));
	}
	return NULL;
}

/* In the largest filter. */
static unsigned class_of(uint64_t address)
{
	return live_place(address, LIVE_LARGEST) % LIVE_CLASSES;
}

static unsigned classes_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LIVE_CLASSES; i++)
		n += live_filter[LIVE_FILTERS * LIVE_CLASSES + i] != 0;
	return n;
}

/* Every counter is the number of live objects of its class, no more and no less; so after any time the filter lets as
 * many frees pass as it would with the same objects at the start. */
static void churn_leaves_only_what_is_live(void)
{
	static uint8_t expected[LIVE_CLASSES];
	pthread_t thread[THREADS];
	unsigned classes = 0;

	live_forget();
	for (unsigned i = 0; i < LIVE_CLASSES; i++)
		expected[i] = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, churn, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(not_found, 0);
	CHECK_EQ(wrong, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		if (slot[i])
			classes += expected[class_of(slot[i])]++ == 0;
	for (unsigned i = 0; i < LIVE_CLASSES; i++)
		CHECK_EQ(live_filter[LIVE_FILTERS * LIVE_CLASSES + i], expected[i]);
	CHECK_EQ(classes_in_use(), classes);
	CHECK(classes > 1000 && classes <= SLOTS);

	for (unsigned i = 0; i < SLOTS; i++)
		drop(atomic_exchange(&slot[i], 0));
	CHECK_EQ(not_found, 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(classes_in_use(), 0);
}

TEST(live_churn_of_random_addresses_leaves_nothing)
{
	real_objects = false;
	churn_leaves_only_what_is_live();
}

TEST(live_churn_of_an_allocators_addresses_leaves_nothing)
{
	real_objects = true;
	churn_leaves_only_what_is_live();
}

TEST(live_take_of_null_finds_no_empty_place)
{
	struct live_entry entry = {.row_at = 7};
	void *p = (void *)(UINT64_C(0x10010000) << 6); /* as NULL in all filters */

	live_forget();
	CHECK_EQ(class_of((uintptr_t)p), class_of(0));
	CHECK(live_add(p, &entry));
	CHECK(live_maybe(NULL));
	CHECK(!live_take(NULL, &entry));
	CHECK(live_maybe(p));
	CHECK(live_take(p, &entry));
	CHECK(!live_maybe(NULL));
	CHECK(!live_take(NULL, &entry));
	CHECK_EQ(classes_in_use(), 0);
}

/* More in one class than a counter can count: it stays at its top, so nobody is overlooked. */
TEST(live_class_that_overflows_overlooks_nobody)
{
	struct live_entry entry = {.row_at = 1};
	bool seen = true;

	live_forget();
	/* The upper bits are in no class. */
	for (uint64_t i = 1; i <= 300; i++)
		CHECK(live_add((void *)(i << 38), &entry));
	CHECK_EQ(classes_in_use(), 1);
	for (uint64_t i = 1; i <= 300; i++) {
		seen = seen && live_maybe((void *)(i << 38));
		CHECK(live_take((void *)(i << 38), &entry));
	}
	CHECK(seen);
	live_forget();
	CHECK_EQ(classes_in_use(), 0);
}
