/* SPDX-License-Identifier: MIT */
#include "core/live.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define PLACES 8u
#define SATURATED                                                                                  \
	255u /* of the large filter; of the small one, which has as many for 16 of its classes: */
#define SATURATED_SMALL 65535u
/* Each counter of the small filter is one higher while there are so many, until there are less than half of them. */
#define MANY	128
#define FILLING 1u /* in place of an address */
#define PAGE	4096u

/* 256 bytes: four cache lines, the first of which is all that a search needs. */
struct line {
	_Atomic uint64_t address[PLACES]; /* 0: empty */
	struct live_entry entry[PLACES];
};

/* 33 million places in all, 1 GiB if somebody follows every allocation; with a sample for each 512 KiB the first two
 * levels hold a heap of 4 GiB. */
#define LEVELS 5u
static const uint8_t level_bits[LEVELS] = {6, 10, 14, 18, 22};
static _Atomic(struct line *) levels[LEVELS];

uint8_t live_filter[LIVE_FILTER_SIZE] __attribute__((aligned(PAGE)));
uint16_t live_small[LIVE_SMALL_SIZE] __attribute__((aligned(PAGE)));
static _Atomic int64_t live_count;
static _Atomic bool is_many, is_changing;
/* Pages of the filter that were ever written: so that a child of fork copies no others. */
static _Atomic uint32_t filter_pages;

static uint64_t level_bytes(unsigned level)
{
	return sizeof(struct line) << level_bits[level];
}

static struct line *line_of(struct line *level, unsigned bits, uint64_t address)
{
	return &level[(address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits)];
}

/* ---- the filter ---- */

static void count_small(unsigned class, int change)
{
	uint16_t *counter = &live_small[class];
	uint16_t was = __atomic_load_n(counter, __ATOMIC_RELAXED), now;

	do {
		if (was == SATURATED_SMALL || (was == 0 && change < 0))
			return;
		now = (uint16_t)(was + change);
	} while (!__atomic_compare_exchange_n(counter, &was, now, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static void count_large(uint64_t address, int change)
{
	uint8_t *counter = &live_filter[live_class(address)];
	uint8_t was = __atomic_load_n(counter, __ATOMIC_RELAXED), now;
	uint32_t page = UINT32_C(1) << live_class(address) / PAGE;

	if (!(atomic_load_explicit(&filter_pages, memory_order_relaxed) & page))
		atomic_fetch_or_explicit(&filter_pages, page, memory_order_relaxed);
	do {
		/* At the top it no longer knows how many there are, and stays. */
		if (was == SATURATED || (was == 0 && change < 0))
			return;
		now = (uint8_t)(was + change);
	} while (!__atomic_compare_exchange_n(counter, &was, now, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

/* One thread at a time, or a counter could go down before it has gone up; who comes meanwhile leaves it to the next. */
static void set_many(bool many)
{
	if (atomic_load_explicit(&is_many, memory_order_relaxed) == many ||
	    atomic_exchange_explicit(&is_changing, true, memory_order_acquire))
		return;
	if (atomic_exchange_explicit(&is_many, many, memory_order_relaxed) != many)
		for (unsigned i = 0; i < LIVE_SMALL_SIZE; i++)
			count_small(i, many ? 1 : -1);
	atomic_store_explicit(&is_changing, false, memory_order_release);
}

/* Relaxed: each filter is right by itself. */
static void filter_count(uint64_t address, int change)
{
	int64_t count;

	count_small(live_small_class(address), change);
	count_large(address, change);
	count = atomic_fetch_add_explicit(&live_count, change, memory_order_relaxed) + change;
	if (count >= MANY || count < MANY / 2)
		set_many(count >= MANY);
}

void live_mark(const void *address)
{
	uint64_t at = (uintptr_t)address;

	count_large(at, 1); /* for the page */
	__atomic_store_n(&live_small[live_small_class(at)], SATURATED_SMALL, __ATOMIC_RELAXED);
	__atomic_store_n(&live_filter[live_class(at)], SATURATED, __ATOMIC_RELAXED);
}

/* ---- the table ---- */

/* The level, made now if need be. */
static struct line *level_at(unsigned level)
{
	/* Acquire pairs with the release below: fresh memory is zero. */
	struct line *l = atomic_load_explicit(&levels[level], memory_order_acquire), *none = NULL;
	void *p;

	if (l)
		return l;
	p = sys_mmap_lazy(level_bytes(level), MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (sys_failed(p))
		return NULL;
	if (atomic_compare_exchange_strong_explicit(&levels[level], &none, p, memory_order_acq_rel,
						    memory_order_acquire))
		return p;
	sys_munmap(p, level_bytes(level));
	return none;
}

static bool enter(struct line *line, uint64_t address, const struct live_entry *entry)
{
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t empty = 0;

		/* Acquire pairs with the release in live_take(): the entry is no longer read. */
		if (atomic_load_explicit(&line->address[i], memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong_explicit(&line->address[i], &empty, FILLING,
							    memory_order_acquire,
							    memory_order_relaxed)) {
			line->entry[i] = *entry;
			/* Release pairs with the acquire in live_take(). */
			atomic_store_explicit(&line->address[i], address, memory_order_release);
			return true;
		}
	}
	return false;
}

bool live_add(const void *address, const struct live_entry *entry)
{
	uint64_t at = (uintptr_t)address;

	/* The filter first: who frees it looks there first. */
	filter_count(at, 1);
	for (unsigned n = 0; n < LEVELS; n++) {
		struct line *level = level_at(n);

		if (!level)
			break;
		if (enter(line_of(level, level_bits[n], at), at, entry))
			return true;
	}
	filter_count(at, -1);
	return false;
}

bool live_take(const void *address, struct live_entry *ret_entry)
{
	uint64_t at = (uintptr_t)address;

	if (at <=
	    FILLING) /* free(NULL), when the filter says maybe: every empty place would be it */
		return false;
	for (unsigned n = 0; n < LEVELS; n++) {
		struct line *level = atomic_load_explicit(&levels[n], memory_order_acquire), *line;

		if (!level)
			break;
		line = line_of(level, level_bits[n], at);
		for (unsigned i = 0; i < PLACES; i++) {
			uint64_t found =
				atomic_load_explicit(&line->address[i], memory_order_acquire);

			if (found != at)
				continue;
			*ret_entry = line->entry[i];
			/* Of two threads that free the same address one is second. */
			if (!atomic_compare_exchange_strong_explicit(&line->address[i], &found, 0,
								     memory_order_release,
								     memory_order_relaxed))
				return false;
			filter_count(at, -1);
			return true;
		}
	}
	return false;
}

static void forget_filter(void)
{
	uint32_t pages = atomic_exchange_explicit(&filter_pages, 0, memory_order_relaxed);

	for (unsigned i = 0; i < LIVE_FILTER_SIZE / PAGE; i++)
		if (pages & UINT32_C(1) << i)
			memset(live_filter + i * PAGE, 0, PAGE);
	if (pages)
		memset(live_small, 0, sizeof live_small);
	atomic_store_explicit(&live_count, 0, memory_order_relaxed);
	atomic_store_explicit(&is_many, false, memory_order_relaxed);
	atomic_store_explicit(&is_changing, false, memory_order_relaxed);
}

void live_forget(void)
{
	forget_filter();
	for (unsigned n = 0; n < LEVELS; n++) {
		struct line *level =
			atomic_exchange_explicit(&levels[n], NULL, memory_order_relaxed);

		if (level)
			sys_munmap(level, level_bytes(n));
	}
}

void live_forget_in_place(void)
{
	forget_filter();
	for (unsigned n = 0; n < LEVELS; n++) {
		struct line *level = atomic_load_explicit(&levels[n], memory_order_relaxed);

		if (level && sys_madvise(level, level_bytes(n), MADV_DONTNEED) < 0)
			atomic_store_explicit(&levels[n], NULL, memory_order_relaxed);
	}
}
