/* SPDX-License-Identifier: MIT */
/* core/contention with invented locks and times; what happens between two of its instructions is test_contention_steps.c. */
#include "core/contention.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

#define MS INT64_C(1000000)
/* Of core/contention.c. */
#define PLACES	  8u
#define BUCKETS	  512u
#define TIME_BITS 54
#define SUM_BITS  59

static struct contention w[CONTENTION_PLACES + 1];
static unsigned waiters; /* of the last release */

static const void *at(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

#define LOCK  at(0x7f0000001000)
#define OTHER at(0x7f0000002000)

static uint64_t release(const void *lock, uint64_t now)
{
	return contention_release(lock, now, &waiters);
}

static unsigned bucket_of(uint64_t address)
{
	return (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> 55);
}

/* The next address of a bucket. */
static uint64_t next_in(unsigned bucket, uint64_t address)
{
	do
		address += 64;
	while (bucket_of(address) != bucket);
	return address;
}

static unsigned filter_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONTENTION_FILTER_SIZE; i++)
		n += contention_filter[i];
	return n;
}

/* Every place can be had, and holds nothing of before. */
static void check_nobody_waits(void)
{
	uint64_t address = UINT64_C(0x100000000);

	CHECK_EQ(filter_in_use(), 0);
	for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
		for (unsigned i = 0; i < PLACES; i++) {
			struct contention *one = &w[bucket * PLACES + i];

			address = next_in(bucket, address);
			CHECK(contention_begin(one, at(address), 1000));
			CHECK_EQ(release(one->lock, 1010), 10);
			CHECK_EQ(waiters, 1);
		}
	for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
		CHECK(!contention_begin(&w[CONTENTION_PLACES], at(next_in(bucket, address)), 1000));
	CHECK_EQ(filter_in_use(), CONTENTION_PLACES);
	for (unsigned i = 0; i < CONTENTION_PLACES; i++)
		CHECK_EQ(contention_end(&w[i], 1015), 5);
	CHECK_EQ(filter_in_use(), 0);
}

/* ---- the examples of docs/contention.md ---- */

TEST(contention_example_1_one_waits)
{
	CHECK(!contention_maybe(LOCK));
	CHECK_EQ(release(LOCK, 5 * MS), 0);
	CHECK(contention_begin(&w[0], LOCK, 0));
	CHECK(contention_maybe(LOCK) && !contention_maybe(OTHER));
	CHECK_EQ(release(OTHER, 5 * MS), 0);
	CHECK_EQ(waiters, 0);
	CHECK_EQ(release(LOCK, 10 * MS), 10 * MS);
	CHECK_EQ(waiters, 1);
	/* The wake-up is nobody's. */
	CHECK_EQ(contention_end(&w[0], 10 * MS + 7), 7);
	CHECK(!contention_maybe(LOCK));
	CHECK_EQ(release(LOCK, 20 * MS), 0);
	check_nobody_waits();
}

TEST(contention_example_2_three_wait)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK(contention_begin(&w[i], LOCK, 100));
	CHECK_EQ(release(LOCK, 10 * MS + 100), 30 * MS);
	CHECK_EQ(waiters, 3);
	CHECK_EQ(contention_end(&w[0], 10 * MS + 105), 5);
	CHECK_EQ(release(LOCK, 10 * MS + 110), 20);
	CHECK_EQ(waiters, 2);
	CHECK_EQ(contention_end(&w[1], 10 * MS + 116), 6);
	CHECK_EQ(release(LOCK, 10 * MS + 120), 10);
	CHECK_EQ(contention_end(&w[2], 10 * MS + 121), 1);
	CHECK_EQ(release(LOCK, 10 * MS + 130), 0);
	check_nobody_waits();
}

TEST(contention_example_3_two_hold_it_one_after_the_other)
{
	CHECK(contention_begin(&w[0], LOCK, 0));
	CHECK(contention_begin(&w[1], LOCK, 0));
	CHECK_EQ(release(LOCK, 10 * MS), 20 * MS); /* A */
	CHECK_EQ(contention_end(&w[0], 10 * MS), 0);
	CHECK_EQ(release(LOCK, 20 * MS), 10 * MS); /* B */
	CHECK_EQ(contention_end(&w[1], 20 * MS), 0);
	check_nobody_waits();
}

TEST(contention_example_5_two_readers_and_a_writer)
{
	CHECK(contention_begin(&w[0], LOCK, 0));
	CHECK_EQ(release(LOCK, 10 * MS), 10 * MS);
	CHECK_EQ(release(LOCK, 30 * MS), 20 * MS);
	CHECK_EQ(contention_end(&w[0], 30 * MS), 0);
	check_nobody_waits();
}

TEST(contention_example_12_who_gives_up_is_nobodys)
{
	CHECK(contention_begin(&w[0], LOCK, 0));
	CHECK_EQ(contention_end(&w[0], 10 * MS), 10 * MS);
	CHECK_EQ(release(LOCK, 30 * MS), 0);
	CHECK_EQ(waiters, 0);
	check_nobody_waits();
}

/* As 12, but others go on waiting: what is taken out is its own part, before a release and after. */
TEST(contention_who_gives_up_takes_its_part_along)
{
	CHECK(contention_begin(&w[0], LOCK, 1 * MS));
	CHECK(contention_begin(&w[1], LOCK, 2 * MS));
	CHECK(contention_begin(&w[2], LOCK, 4 * MS));
	CHECK_EQ(contention_end(&w[1], 10 * MS), 8 * MS);
	CHECK_EQ(release(LOCK, 20 * MS), 19 * MS + 16 * MS);
	CHECK(contention_begin(&w[1], LOCK, 21 * MS));
	CHECK_EQ(contention_end(&w[0], 25 * MS), 5 * MS);
	CHECK_EQ(release(LOCK, 30 * MS), 10 * MS + 9 * MS);
	CHECK_EQ(contention_end(&w[2], 30 * MS), 0);
	CHECK_EQ(contention_end(&w[1], 30 * MS), 0);
	check_nobody_waits();
}

/* ---- struct contention ---- */

TEST(contention_end_of_who_does_not_wait_is_nothing)
{
	struct contention none = {0};

	memset(&w[0], 0xff, sizeof w[0]); /* may be anything */
	CHECK(contention_begin(&w[0], LOCK, 10));
	CHECK(w[0].lock == LOCK);
	CHECK_EQ(contention_end(&none, 20), 0);
	CHECK_EQ(contention_end(&w[0], 20), 10);
	CHECK(w[0].lock == NULL);
	CHECK_EQ(contention_end(&w[0], 30), 0);
	check_nobody_waits();
}

TEST(contention_of_an_impossible_address_is_refused)
{
	w[0].lock = LOCK;
	CHECK(!contention_begin(&w[0], at(UINT64_C(1) << 50), 10));
	CHECK(w[0].lock == NULL);
	CHECK_EQ(contention_end(&w[0], 20), 0);
	CHECK(contention_begin(&w[0], at((UINT64_C(1) << 50) - 1), 10));
	CHECK(contention_maybe(at((UINT64_C(1) << 50) - 1)));
	CHECK_EQ(release(at((UINT64_C(1) << 50) - 1), 20), 10);
	CHECK_EQ(contention_end(&w[0], 20), 0);
	check_nobody_waits();
}

/* Left by longjmp: it goes on being charged for, and its end long after takes out no more than its own. */
TEST(contention_of_a_stale_waiter_ends_whenever)
{
	const int64_t day = 86400 * 1000 * MS;

	CHECK(contention_begin(&w[0], LOCK, 0)); /* stale from now on */
	CHECK(contention_begin(&w[1], LOCK, 5));
	CHECK_EQ(release(LOCK, 10), 10 + 5);
	CHECK_EQ(contention_end(&w[1], 10), 0);
	CHECK_EQ(release(LOCK, 30), 20);
	CHECK_EQ(waiters, 1);
	CHECK(contention_begin(&w[1], LOCK, 100 * day));
	CHECK_EQ(contention_end(&w[0], 100 * day + 20), 100 * day + 20 - 30);
	CHECK_EQ(release(LOCK, 100 * day + 50), 50);
	CHECK_EQ(contention_end(&w[1], 100 * day + 51), 1);
	check_nobody_waits();
}

/* ---- clocks ---- */

TEST(contention_of_a_release_before_its_waiter)
{
	CHECK(contention_begin(&w[0], LOCK, 1000));
	CHECK_EQ(release(LOCK, 990), 0);
	CHECK_EQ(waiters, 1);
	CHECK_EQ(release(LOCK, 1000), 0);
	CHECK_EQ(release(LOCK, 1100), 100);
	CHECK_EQ(release(LOCK, 1050), 0); /* before the last release */
	CHECK_EQ(release(LOCK, 1100), 0);
	CHECK_EQ(release(LOCK, 1101), 1);
	CHECK_EQ(contention_end(&w[0], 1091), -10);
	check_nobody_waits();
}

/* A release whose clock is behind that of one of two waiters is charged a little less, and the next one more. */
TEST(contention_of_a_release_between_its_waiters)
{
	CHECK(contention_begin(&w[0], LOCK, 1000));
	CHECK(contention_begin(&w[1], LOCK, 2000));
	CHECK_EQ(release(LOCK, 1900), 900 - 100);
	CHECK_EQ(release(LOCK, 2100), 200 + 200);
	CHECK_EQ(contention_end(&w[1], 2100), 0);
	CHECK_EQ(contention_end(&w[0], 2100), 0);
	check_nobody_waits();
}

TEST(contention_of_who_comes_after_a_later_release)
{
	CHECK(contention_begin(&w[0], LOCK, 1000));
	CHECK_EQ(release(LOCK, 2000), 1000);
	CHECK(contention_begin(&w[1], LOCK, 1500)); /* stopped between clock and table */
	CHECK_EQ(w[1].since, 2000);
	CHECK_EQ(release(LOCK, 2010), 20);
	CHECK(contention_begin(&w[2], LOCK, 1500));
	CHECK_EQ(contention_end(&w[2], 2015), 5);
	/* Without a release nobody is put off. */
	CHECK_EQ(contention_end(&w[1], 2020), 10);
	CHECK_EQ(contention_end(&w[0], 2020), 10);
	CHECK(contention_begin(&w[0], LOCK, 2000));
	CHECK(contention_begin(&w[1], LOCK, 1500));
	CHECK_EQ(w[1].since, 1500);
	CHECK_EQ(release(LOCK, 2100), 100 + 600);
	CHECK_EQ(contention_end(&w[0], 2100), 0);
	CHECK_EQ(contention_end(&w[1], 2100), 0);
	check_nobody_waits();
}

static void check_around(uint64_t zero)
{
	CHECK(contention_begin(&w[0], LOCK, zero - 500));
	CHECK(contention_begin(&w[1], LOCK, zero - 300));
	CHECK_EQ(release(LOCK, zero - 100), 400 + 200);
	CHECK(contention_begin(&w[2], LOCK, zero - 50));
	CHECK_EQ(contention_end(&w[0], zero + 100), 200);
	CHECK_EQ(release(LOCK, zero + 200), 300 + 250);
	CHECK(contention_begin(&w[0], LOCK, zero + 190));
	CHECK_EQ(w[0].since, zero + 200);
	CHECK_EQ(release(LOCK, zero + 150), 0);
	CHECK_EQ(release(LOCK, zero + 300), 300);
	CHECK_EQ(contention_end(&w[2], zero + 310), 10);
	CHECK_EQ(contention_end(&w[1], zero + 320), 20);
	CHECK_EQ(release(LOCK, zero + 400), 100);
	CHECK_EQ(contention_end(&w[0], zero + 400), 0);
}

TEST(contention_times_wrap_around)
{
	for (unsigned bits = TIME_BITS - 2; bits < 64; bits++) {
		check_around(UINT64_C(1) << bits);
		check_around(UINT64_C(3) << bits);
		check_around((UINT64_C(1) << bits) + 75); /* and between two of the above */
	}
	check_around(0);
	check_nobody_waits();
}

/* What is 0 modulo 2^54 is a release too. */
TEST(contention_of_a_release_at_zero)
{
	const uint64_t zero = UINT64_C(1) << TIME_BITS;

	CHECK(contention_begin(&w[0], LOCK, zero - 10));
	CHECK_EQ(release(LOCK, zero), 10);
	CHECK_EQ(contention_end(&w[0], zero + 1), 1);
	check_nobody_waits();
}

TEST(contention_of_long_waits)
{
	const int64_t years = 3 * 365 * 86400 * (1000 * MS);

	/* Three of them hold out for three years, and the release is seen for 100 days. */
	for (unsigned i = 0; i < 3; i++)
		CHECK(contention_begin(&w[i], LOCK, i));
	CHECK_EQ(release(LOCK, (uint64_t)years), 3 * years - 3);
	CHECK_EQ(contention_end(&w[0], (uint64_t)years + (UINT64_C(1) << 53) - 1),
		 (INT64_C(1) << 53) - 1);
	CHECK_EQ(release(LOCK, (uint64_t)years + (UINT64_C(1) << 53)), 2 * (INT64_C(1) << 53));
	CHECK_EQ(contention_end(&w[1], (uint64_t)years + (UINT64_C(1) << 53)), 0);
	CHECK_EQ(contention_end(&w[2], (uint64_t)years + (UINT64_C(1) << 53)), 0);
	/* More than the sum can hold is nothing, not something else. */
	CHECK(contention_begin(&w[0], LOCK, 0));
	CHECK_EQ(release(LOCK, (UINT64_C(1) << (SUM_BITS - 1)) - 1),
		 (INT64_C(1) << (SUM_BITS - 1)) - 1);
	CHECK_EQ(release(LOCK, UINT64_C(1) << SUM_BITS), 0);
	CHECK(contention_end(&w[0], UINT64_C(1) << SUM_BITS) != 0);
	check_nobody_waits();
}

/* ---- room ---- */

TEST(contention_of_a_full_bucket_is_refused)
{
	uint64_t address[PLACES + 2] = {0};

	for (unsigned i = 0; i < PLACES + 2; i++) {
		address[i] = next_in(77, i ? address[i - 1] : 0);
		CHECK(contention_begin(&w[i], at(address[i]), 100 + i) == (i < PLACES));
	}
	CHECK(!contention_maybe(at(address[PLACES])));
	CHECK_EQ(release(at(address[PLACES]), 1000), 0);
	CHECK(w[PLACES].lock == NULL);
	CHECK_EQ(contention_end(&w[PLACES], 1000), 0);
	/* A lock that is there takes any number; another bucket is another bucket. */
	CHECK(contention_begin(&w[20], at(address[3]), 200));
	CHECK(contention_begin(&w[21], at(next_in(78, 0)), 200));
	/* A place that is free is free, and the others are still found behind it. */
	CHECK_EQ(contention_end(&w[2], 300), 300 - 102);
	CHECK(contention_begin(&w[PLACES], at(address[PLACES]), 300));
	CHECK(!contention_begin(&w[2], at(address[2]), 300));
	for (unsigned i = 0; i < PLACES + 1; i++) {
		const int64_t want = i == 2	   ? 0
				     : i == PLACES ? 100
				     : i == 3	   ? (400 - 103) + 200
						   : 400 - 100 - (int64_t)i;

		CHECK_EQ(release(at(address[i]), 400), want);
		CHECK_EQ(waiters, i == 2 ? 0 : i == 3 ? 2 : 1);
	}
	for (unsigned i = 0; i < 22; i++)
		CHECK_EQ(contention_end(&w[i], 400), i == 21 ? 200 : 0);
	check_nobody_waits();
}

TEST(contention_takes_so_many_waiters_and_no_more)
{
	static struct contention many[CONTENTION_WAITERS_MAX];

	for (unsigned i = 0; i < CONTENTION_WAITERS_MAX; i++)
		CHECK(contention_begin(&many[i], LOCK, i));
	CHECK(!contention_begin(&w[0], LOCK, 0));
	/* Nor of another lock of this class. */
	CHECK(!contention_begin(&w[0], (const char *)LOCK + 4, 0));
	CHECK(contention_begin(&w[0], OTHER, 0));
	CHECK_EQ(release(LOCK, MS),
		 CONTENTION_WAITERS_MAX * MS -
			 (int64_t)(CONTENTION_WAITERS_MAX - 1) * CONTENTION_WAITERS_MAX / 2);
	CHECK_EQ(waiters, CONTENTION_WAITERS_MAX);
	CHECK_EQ(release(OTHER, MS), MS);
	for (unsigned i = 0; i < CONTENTION_WAITERS_MAX; i++)
		CHECK_EQ(contention_end(&many[i], MS + i), i);
	CHECK_EQ(contention_end(&w[0], MS), 0);
	check_nobody_waits();
}

/* Locks come and go for years; their places and classes are as good as new. */
TEST(contention_of_millions_of_locks_leaves_nothing)
{
	enum { AT_ONCE = 64, LOCKS = 2000000 };
	unsigned wrong = 0;

	memset(w, 0, sizeof w);
	for (uint64_t i = 0; i < LOCKS; i++) {
		struct contention *one = &w[i % AT_ONCE];
		/* Never the same twice: steps of an odd number on a ring of 2^45, in the 47 bits of a process. */
		uint64_t address =
			(i * UINT64_C(0x9e3779b97f4a7c15) & ((UINT64_C(1) << 45) - 1)) << 2 | 1;

		if (one->lock) {
			wrong += !contention_maybe(one->lock);
			wrong += release(one->lock, i) != AT_ONCE || waiters != 1;
			wrong += contention_end(one, i + 3) != 3;
		}
		wrong += !contention_begin(one, at(address), i);
	}
	CHECK_EQ(wrong, 0);
	for (unsigned i = 0; i < AT_ONCE; i++)
		CHECK_EQ(contention_end(&w[i], LOCKS), AT_ONCE - i);
	check_nobody_waits();
}

TEST(contention_classes_are_of_all_of_an_address)
{
	const void *lock = at(0x7f0000000040);

	CHECK(contention_begin(&w[0], lock, 10));
	CHECK(contention_maybe(at(0x7f000000007f)));
	CHECK_EQ(release(at(0x7f000000007f), 20), 0); /* its class only */
	CHECK(!contention_maybe(at(0x7f0000000080)));
	/* At the same place of other blocks. */
	for (uint64_t i = 1; i < 16; i++)
		CHECK(!contention_maybe(at(0x7f0000000040 + (i << 18))) &&
		      !contention_maybe(at(0x7f0000000040 + (i << 23))));
	CHECK_EQ(contention_end(&w[0], 20), 10);
}

/* ---- fork ---- */

TEST(contention_after_fork_nobody_waits)
{
	int status;
	pid_t child;

	for (unsigned i = 0; i < 1000; i++)
		CHECK(contention_begin(&w[i], at(0x10000 + i * 4096), 10));
	child = fork();
	if (child == 0) {
		unsigned wrong = 0;
		struct contention one;

		contention_after_fork();
		wrong += filter_in_use();
		wrong += release(w[5].lock, 20) != 0;
		wrong += !contention_begin(&one, w[5].lock, 30);
		for (unsigned i = 0; i < 1000; i++)
			wrong += contention_end(&w[i], 40) != 0;
		wrong += filter_in_use() != 1;
		wrong += release(one.lock, 50) != 20;
		wrong += contention_end(&one, 50) != 0;
		_exit(wrong > 100 ? 100 : (int)wrong);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	for (unsigned i = 0; i < 1000; i++) {
		CHECK_EQ(release(w[i].lock, 20), 10);
		CHECK_EQ(contention_end(&w[i], 20), 0);
	}
	check_nobody_waits();
	/* Also with every place taken. */
	for (uint64_t address = 64, i = 0; i < CONTENTION_PLACES; address += 64)
		i += contention_begin(&w[i], at(address), 10);
	contention_after_fork();
	check_nobody_waits();
	/* And with one only. */
	contention_after_fork();
	for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
		CHECK(contention_begin(&w[0], at(next_in(bucket, 0)), 10));
		contention_after_fork();
		CHECK_EQ(filter_in_use(), 0);
	}
	check_nobody_waits();
}

/* ---- threads ---- */

enum { THREADS = 4, LOCKS = 6, OWN = 8, CHANGES = 150000 };

static _Atomic uint64_t ticks, charged, rests, waits;
static _Atomic unsigned refused, absurd;
static unsigned skew;
static const void *locks[LOCKS];

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* One clock for all, from which each look may differ a little. */
static uint64_t now_of(uint64_t random)
{
	uint64_t now = atomic_fetch_add(&ticks, 1 + (random >> 40) % 20);

	return skew ? now + (random >> 50) % skew : now;
}

static void *hammers(void *opaque)
{
	uint64_t me = (uintptr_t)opaque, my_charged = 0, my_rests = 0, my_waits = 0;
	struct contention own[OWN] = {0};

	for (uint64_t i = 0; i < CHANGES + OWN; i++) {
		uint64_t random = mix(i * THREADS + me);
		struct contention *one = &own[i < CHANGES ? random % OWN : i - CHANGES];
		const void *lock = locks[(random >> 8) % LOCKS];

		if ((random >> 16) % 3 == 0 && i < CHANGES) {
			unsigned n;
			uint64_t delay = contention_release(lock, now_of(random), &n);

			/* Everybody and ten times over. */
			absurd += n > THREADS * OWN || delay > atomic_load(&ticks) * THREADS * OWN;
			my_charged += delay;
		} else if (one->lock) {
			uint64_t now = now_of(random);

			my_waits += now - one->since;
			my_rests += (uint64_t)contention_end(one, now);
		} else if (i < CHANGES) {
			refused += !contention_begin(one, lock, now_of(random));
		}
	}
	charged += my_charged;
	rests += my_rests;
	waits += my_waits;
	return NULL;
}

static void check_nothing_is_lost(unsigned by, uint64_t from)
{
	pthread_t thread[THREADS];
	uint64_t address = 0;

	skew = by;
	ticks = from;
	charged = rests = waits = 0;
	refused = absurd = 0;
	/* Some in one bucket, so that places change hands between locks. */
	for (unsigned i = 0; i < LOCKS; i++)
		locks[i] = at(address = i < 4 ? next_in(7, address) : address + 8);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, hammers, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(charged + rests, waits);
	CHECK_EQ(refused, 0);
	if (from == 0)
		CHECK_EQ(absurd, 0);
	CHECK(charged > waits / 10);
	check_nobody_waits();
}

TEST(contention_charges_and_rests_are_the_waits)
{
	check_nothing_is_lost(0, 0);
}

TEST(contention_charges_and_rests_are_the_waits_with_clocks_that_differ)
{
	check_nothing_is_lost(300, 0);
}

TEST(contention_charges_and_rests_are_the_waits_around_the_wrap)
{
	check_nothing_is_lost(50, (UINT64_C(1) << TIME_BITS) - 500000);
}
