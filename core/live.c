/* SPDX-License-Identifier: MIT */
#include "core/live.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/hot.h"
#include "core/sys.h"

#include "core/as_safe.h"

#define PLACES	  8u
#define SATURATED 255u
#define MIDDLE	  4096u
#define FILLING	  1u /* in place of an address */
#define PAGE	  4096u

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

uint32_t live_filter_look HOT_DATA __attribute__((aligned(64))) = 0; /* the first of them */
uint8_t live_filter[(1 + LIVE_FILTERS) * LIVE_CLASSES] __attribute__((aligned(PAGE)));
static const uint32_t classes[1 + LIVE_FILTERS] = {0, 512, MIDDLE, LIVE_CLASSES};
/* What counters of the small filters can not hold: so they need not stay at their top, when many were in the table and
 * are gone. */
static _Atomic uint32_t over[LIVE_FILTERS - 1][MIDDLE];
static _Atomic bool over_used;
static _Atomic int64_t live_count;
static _Atomic uint32_t times_forgotten;
/* Pages of the filters that were ever written: so that a child of fork copies no others. */
static _Atomic uint64_t filter_pages;

static uint64_t level_bytes(unsigned level)
{
	return sizeof(struct line) << level_bits[level];
}

static struct line *line_of(struct line *level, unsigned bits, uint64_t address)
{
	return &level[(address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits)];
}

/* ---- the filter ---- */

/* False: it is at this top.  One that is at SATURATED no longer knows how many there are, and stays. */
HOT_PATH static bool count_at(unsigned place, int change, unsigned top)
{
	uint8_t *counter = &live_filter[place];
	uint8_t was = __atomic_load_n(counter, __ATOMIC_RELAXED), now;
	uint64_t page = UINT64_C(1) << place / PAGE;

	if (!(atomic_load_explicit(&filter_pages, memory_order_relaxed) & page))
		atomic_fetch_or_explicit(&filter_pages, page, memory_order_relaxed);
	do {
		if (was == SATURATED || (was == 0 && change < 0))
			return true;
		if (was == top && change > 0)
			return false;
		now = (uint8_t)(was + change);
	} while (!__atomic_compare_exchange_n(counter, &was, now, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static _Atomic uint32_t *over_at(unsigned place)
{
	return &over[place / LIVE_CLASSES - 1][place % LIVE_CLASSES];
}

static bool take_over(unsigned place)
{
	uint32_t more = atomic_load_explicit(over_at(place), memory_order_seq_cst);

	while (more)
		if (atomic_compare_exchange_weak_explicit(over_at(place), &more, more - 1,
							  memory_order_seq_cst,
							  memory_order_relaxed))
			return true;
	return false;
}

/* What a counter of a small filter can not hold is in over, which goes up last and down first.  So the counter is 0 before over is
 * only when 254 threads stand between the two lines of the way down at once. */
static void count_small(unsigned place, int change)
{
	if (change < 0) {
		if (!take_over(place))
			(void)count_at(place, -1, SATURATED);
		return;
	}
	while (!count_at(place, 1, SATURATED - 1)) {
		atomic_store_explicit(&over_used, true, memory_order_relaxed);
		/* Sequentially consistent, with take_over(): whoever comes down from here on sees it. */
		atomic_fetch_add_explicit(over_at(place), 1, memory_order_seq_cst);
		if (__atomic_load_n(&live_filter[place], __ATOMIC_SEQ_CST) >= SATURATED - 1)
			return;
		/* It was emptied meanwhile: back, and again.  Whoever was quicker has left one in the counter for ours. */
		if (!take_over(place))
			return;
	}
}

/* The smallest filter that says maybe for one address in ten or less; not before there are half as few, downwards.
 * Any is right at any time, but for none at all, which is not chosen again.  Release: the counters were first. */
HOT_PATH static void choose(int64_t count)
{
	uint32_t look = __atomic_load_n(&live_filter_look, __ATOMIC_RELAXED), better;
	unsigned i = look ? look / LIVE_CLASSES : 1;

	while (i < LIVE_FILTERS && count > classes[i] / 10)
		i++;
	while (i > 1 && count < classes[i - 1] / 20)
		i--;
	better = LIVE_LOOK(i, classes[i]);
	if (better != look)
		__atomic_store_n(&live_filter_look, better, __ATOMIC_RELEASE);
}

/* Relaxed: each filter is right by itself. */
HOT_PATH static void filter_count(uint64_t address, int change)
{
	for (unsigned i = 1; i < LIVE_FILTERS; i++)
		count_small(live_place(address, LIVE_LOOK(i, classes[i])), change);
	(void)count_at(live_place(address, LIVE_LARGEST), change, SATURATED);
	choose(atomic_fetch_add_explicit(&live_count, change, memory_order_relaxed) + change);
}

void live_mark(const void *address)
{
	for (unsigned i = 1; i <= LIVE_FILTERS; i++) {
		unsigned place = live_place((uintptr_t)address, LIVE_LOOK(i, classes[i]));

		(void)count_at(place, 1, SATURATED); /* for the page */
		__atomic_store_n(&live_filter[place], SATURATED, __ATOMIC_RELAXED);
	}
	choose(atomic_load_explicit(&live_count, memory_order_relaxed));
}

/* ---- the table ---- */

/* The level, made now if need be. */
HOT_PATH static struct line *level_at(unsigned level)
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

HOT_PATH static bool enter(struct line *line, uint64_t address, const struct live_entry *entry)
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

HOT_PATH bool live_add(const void *address, const struct live_entry *entry)
{
	const uint32_t forgotten = atomic_load_explicit(&times_forgotten, memory_order_relaxed);
	uint64_t at = (uintptr_t)address;
	struct live_entry out;

	/* The filter first: who frees it looks there first. */
	filter_count(at, 1);
	for (unsigned n = 0; n < LEVELS; n++) {
		struct line *level = level_at(n);

		if (!level)
			break;
		if (!enter(line_of(level, level_bits[n], at), at, entry))
			continue;
		/* A handler has forked here: it is in the table, and not in all filters. */
		if (atomic_load_explicit(&times_forgotten, memory_order_relaxed) != forgotten)
			return !live_take(address, &out);
		return true;
	}
	filter_count(at, -1);
	return false;
}

HOT_PATH bool live_take(const void *address, struct live_entry *ret_entry)
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
	uint64_t pages = atomic_exchange_explicit(&filter_pages, 0, memory_order_relaxed);

	atomic_fetch_add_explicit(&times_forgotten, 1, memory_order_relaxed);
	for (unsigned i = LIVE_CLASSES / PAGE; i < sizeof live_filter / PAGE; i++)
		if (pages & UINT64_C(1) << i)
			memset(live_filter + i * PAGE, 0, PAGE);
	if (pages)
		__atomic_store_n(&live_filter_look, 0, __ATOMIC_RELAXED);
	if (atomic_exchange_explicit(&over_used, false, memory_order_relaxed))
		memset(over, 0, sizeof over);
	atomic_store_explicit(&live_count, 0, memory_order_relaxed);
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
