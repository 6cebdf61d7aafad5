/* SPDX-License-Identifier: MIT */
#include "core/contention.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/as_safe.h"

#define PLACES	    8u /* of a bucket: its locks are one cache line */
#define BUCKET_BITS 9u
#define BUCKETS	    (1u << BUCKET_BITS)
#define BLOCKS	    64u /* of buckets, each a bit of what is in use */

/* A lock: its address and below it how many have entered it; 0: a free place. */
#define COUNT_BITS   14u
#define ADDRESS_BITS (64u - COUNT_BITS)

_Static_assert(CONTENTION_PLACES == BUCKETS * PLACES, "the header tells");
_Static_assert(CONTENTION_WAITERS_MAX == (1u << COUNT_BITS) - 1, "a count never overflows");

/*
 * The delays of a lock, in one word of 128 bits: n waiters, the stamp of the last release (0: none since somebody
 * waits; else 2 L + 1) and S.  All 0 when n is 0.
 *
 * Everything about a wait is in these 128 bits, but whose they are is in the lock's word, so the two are ordered: a
 * waiter enters the lock first, and leaves it last.  As long as it has entered, the delays are its lock's.  Who releases has
 * not entered; it reads the delays, then makes sure that the lock is still there, and then changes them if they are the same.
 */
struct delays {
	uint64_t low, high;
} __attribute__((aligned(16)));

#define STAMP_BITS 55u
#define START_BITS 59u
#define TIME_BITS  (STAMP_BITS - 1)

_Static_assert(COUNT_BITS + STAMP_BITS + START_BITS == 128, "the fields of struct delays");

struct bucket {
	_Atomic uint64_t lock[PLACES];
	struct delays delays[PLACES];
};

uint16_t contention_filter[CONTENTION_FILTER_SIZE] __attribute__((aligned(4096)));
static struct bucket table[BUCKETS] __attribute__((aligned(64)));

static struct {
	_Atomic uint64_t used; /* blocks that were ever written: a child of fork copies no others */
	_Atomic uint32_t epoch;
} state __attribute__((aligned(64)));

/* ---- the fields ---- */

struct fields {
	uint64_t waiters, stamp, starts;
};

static struct fields unpack(struct delays d)
{
	unsigned __int128 all = (unsigned __int128)d.high << 64 | d.low;

	return (struct fields){.waiters = d.low & ((UINT64_C(1) << COUNT_BITS) - 1),
			       .stamp = (uint64_t)(all >> COUNT_BITS) &
					((UINT64_C(1) << STAMP_BITS) - 1),
			       .starts = d.high >> (64 - START_BITS)};
}

static struct delays pack(struct fields f)
{
	unsigned __int128 all = (unsigned __int128)(f.starts << (64 - START_BITS)) << 64 |
				(unsigned __int128)f.stamp << COUNT_BITS | f.waiters;

	return (struct delays){.low = (uint64_t)all, .high = (uint64_t)(all >> 64)};
}

/* The number of so many bits nearest to 0 that is the same modulo 2^bits. */
static int64_t nearest(uint64_t x, unsigned bits)
{
	return (int64_t)(x << (64 - bits)) >> (64 - bits);
}

static uint64_t stamp_at(uint64_t time)
{
	return (time << 1 | 1) & ((UINT64_C(1) << STAMP_BITS) - 1);
}

static uint64_t time_of(uint64_t stamp, uint64_t near)
{
	return near + (uint64_t)nearest((stamp >> 1) - near, TIME_BITS);
}

/* Half of one word and half of a later one, perhaps; then change() says so.  n is in the low half, so it was true. */
static struct delays guess(const struct delays *d)
{
	return (struct delays){.low = __atomic_load_n(&d->low, __ATOMIC_ACQUIRE),
			       .high = __atomic_load_n(&d->high, __ATOMIC_ACQUIRE)};
}

/* False: it was something else, which is in *was now.  Not __atomic_compare_exchange, which is in libatomic.  Every
 * x86-64 CPU since 2006 has the instruction. */
static bool change(struct delays *d, struct delays *was, struct fields now)
{
	const struct delays next = pack(now);
	bool done;

	__asm__ __volatile__("lock cmpxchg16b %0"
			     : "+m"(*d), "=@ccz"(done), "+a"(was->low), "+d"(was->high)
			     : "b"(next.low), "c"(next.high)
			     : "memory");
	return done;
}

/* ---- the filter ---- */

/* False: it is full.  Down from 0 it does not go: a fork may have come between. */
static bool count(uint64_t address, int by)
{
	uint16_t *counter = &contention_filter[contention_class(address)];
	uint16_t was = __atomic_load_n(counter, __ATOMIC_RELAXED);

	do {
		if (was == (by > 0 ? CONTENTION_WAITERS_MAX : 0))
			return false;
	} while (!__atomic_compare_exchange_n(counter, &was, (uint16_t)(was + by), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

/* ---- the table ---- */

static unsigned bucket_of(uint64_t address)
{
	return (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BUCKET_BITS));
}

/* The place of the bucket where the lock is, or is now; PLACES: none is free.  Two threads that come at once, while a
 * third one leaves, may enter it into two places; so a release looks at all of them. */
static unsigned enter(struct bucket *b, uint64_t address)
{
	for (;;) {
		unsigned place = PLACES;
		uint64_t was = 0;

		for (unsigned i = 0; i < PLACES; i++) {
			uint64_t found = atomic_load_explicit(&b->lock[i], memory_order_relaxed);

			if (found && found >> COUNT_BITS == address) {
				place = i;
				was = found;
				break;
			}
			if (!found && place == PLACES)
				place = i;
		}
		if (place == PLACES)
			return PLACES;
		/* Acquire pairs with the release in leave(): the delays of who was here before are 0. */
		if (atomic_compare_exchange_strong_explicit(
			    &b->lock[place], &was, (was ? was : address << COUNT_BITS) + 1,
			    memory_order_acq_rel, memory_order_relaxed))
			return place;
	}
}

static void leave(_Atomic uint64_t *lock)
{
	uint64_t was = atomic_load_explicit(lock, memory_order_relaxed), next;

	do {
		if (!was) /* a fork has come between */
			return;
		next = (was - 1) & ((UINT64_C(1) << COUNT_BITS) - 1) ? was - 1 : 0;
	} while (!atomic_compare_exchange_weak_explicit(lock, &was, next, memory_order_release,
							memory_order_relaxed));
}

/* Who comes after a release with a later time begins then: it was not there to be charged for. */
static void start(struct delays *d, struct contention *w, uint64_t now)
{
	struct delays was = guess(d);
	struct fields f;

	do {
		f = unpack(was);
		w->since = now;
		w->stamp = f.stamp;
		if (f.stamp && (int64_t)(time_of(f.stamp, now) - now) > 0)
			w->since = time_of(f.stamp, now);
		f.waiters++;
		f.starts += w->since;
	} while (!change(d, &was, f));
}

static int64_t stop(struct delays *d, const struct contention *w, uint64_t now)
{
	struct delays was = guess(d);
	struct fields f;
	uint64_t from;

	do {
		f = unpack(was);
		if (!f.waiters) /* a fork has come between */
			return 0;
		from = f.stamp == w->stamp ? w->since : time_of(f.stamp, now);
		f.starts -= from;
		if (--f.waiters == 0)
			f = (struct fields){0};
	} while (!change(d, &was, f));
	return (int64_t)(now - from);
}

static int64_t withdraw(const struct contention *w, uint64_t address, uint64_t now)
{
	struct bucket *b = &table[w->place / PLACES];
	int64_t rest = stop(&b->delays[w->place % PLACES], w, now);

	leave(&b->lock[w->place % PLACES]);
	(void)count(address, -1);
	return rest;
}

bool contention_begin(struct contention *w, const void *lock, uint64_t now)
{
	uint64_t address = (uintptr_t)lock;
	unsigned bucket = bucket_of(address), place;
	uint64_t block = UINT64_C(1) << bucket / (BUCKETS / BLOCKS);

	w->lock = NULL;
	w->epoch = atomic_load_explicit(&state.epoch, memory_order_relaxed);
	if (address >> ADDRESS_BITS)
		return false;
	if (!(atomic_load_explicit(&state.used, memory_order_relaxed) & block))
		atomic_fetch_or_explicit(&state.used, block, memory_order_relaxed);
	if (!count(address, 1))
		return false;
	place = enter(&table[bucket], address);
	if (place == PLACES) {
		(void)count(address, -1);
		return false;
	}
	w->place = bucket * PLACES + place;
	start(&table[bucket].delays[place], w, now);
	/* A handler has forked in the middle of this, and we are the child: of what was done before nothing is left. */
	if (w->epoch != atomic_load_explicit(&state.epoch, memory_order_relaxed)) {
		(void)withdraw(w, address, now);
		return false;
	}
	w->lock = lock;
	return true;
}

int64_t contention_end(struct contention *w, uint64_t now)
{
	uint64_t address = (uintptr_t)w->lock;

	if (!address)
		return 0;
	w->lock = NULL;
	if (w->epoch != atomic_load_explicit(&state.epoch, memory_order_relaxed))
		return 0;
	return withdraw(w, address, now);
}

/* Every wait in S begins at L or later, so one release before another is charged nothing, and L never goes back. */
static uint64_t charge(struct bucket *b, unsigned place, uint64_t address, uint64_t now,
		       unsigned *waiters)
{
	struct delays was = guess(&b->delays[place]);

	for (;;) {
		struct fields f = unpack(was);
		int64_t delay = nearest(f.waiters * now - f.starts, START_BITS);
		/* Acquire in guess(), and change(), so after the delays: are they this lock's? */
		uint64_t owner =
			atomic_load_explicit(&b->lock[place], memory_order_relaxed) >> COUNT_BITS;

		if (owner != address)
			return 0;
		if (delay > 0) {
			f.stamp = stamp_at(now);
			f.starts = f.waiters * now;
		}
		/* Also when nothing changes: only now it is known that it was not half a guess. */
		if (change(&b->delays[place], &was, f)) {
			*waiters += (unsigned)f.waiters;
			return delay > 0 ? (uint64_t)delay : 0;
		}
	}
}

uint64_t contention_release(const void *lock, uint64_t now, unsigned *ret_waiters)
{
	uint64_t address = (uintptr_t)lock, delay = 0;
	struct bucket *b = &table[bucket_of(address)];

	*ret_waiters = 0;
	for (unsigned i = 0; i < PLACES; i++)
		if (atomic_load_explicit(&b->lock[i], memory_order_relaxed) >> COUNT_BITS ==
		    address)
			delay += charge(b, i, address, now, ret_waiters);
	return delay;
}

void contention_after_fork(void)
{
	uint64_t used = atomic_exchange_explicit(&state.used, 0, memory_order_relaxed);

	atomic_fetch_add_explicit(&state.epoch, 1, memory_order_relaxed);
	if (used)
		memset(contention_filter, 0, sizeof contention_filter);
	for (unsigned i = 0; i < BLOCKS; i++)
		if (used & UINT64_C(1) << i)
			memset((void *)&table[i * (BUCKETS / BLOCKS)], 0,
			       sizeof(struct bucket) * (BUCKETS / BLOCKS));
}
