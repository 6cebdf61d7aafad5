/* SPDX-License-Identifier: MIT */
/*
 * core/live: the sampled allocations that have not been freed yet, by their address.
 *
 * In front of the table are filters of saturating counters, for 512, 4,096 and 65,536 classes of addresses.  An address
 * that is in the table counts in all of them; free() looks at the smallest that is selective with so many in the table,
 * and is nearly always done; then at the largest.  Small, since what free() looks at the program no longer has in its
 * cache: a compiler's heap is followed by 30 samples, and half a kilobyte tells them apart as well as 64.  The counters
 * change with sampled allocations only, and go down again, so the filters are as selective after a year as they were
 * at the start.
 *
 * The table has no lock: an address belongs to one thread between its malloc and its free, so two threads never
 * look for the same one (but for a double free, where one of them wins).  Levels of growing size, each 16 times the one
 * before; a line of 8 places per address and level; a place that is given back is simply empty, there are no
 * tombstones.  When no level has a place the allocation is not followed, which the caller makes visible.
 *
 * It is memory of the process, not part of the store: what a killed process had in use is in its rows.
 */
#ifndef CPROF_CORE_LIVE_H
#define CPROF_CORE_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#define LIVE_CLASSES 65536u /* of the largest filter */

/* One sampled allocation: the row that it was added to, and how much. */
struct live_entry {
	uint64_t row_at;
	uint64_t objects, bytes;
};

/* The filter of n classes, a power of two, is count[n] to count[2 * n - 1].  head[LIVE_MASK] is n - 1 of the one to look at;
 * 0 when nothing was ever in the table: then that is count[1], which stays 0.  Hidden, so that free() gets at it by one
 * instruction; only for live_maybe(). */
extern union live_filter {
	uint32_t head[16];
	uint8_t count[2 * LIVE_CLASSES];
} live_filter __attribute__((visibility("hidden")));
#define LIVE_MASK 2

/* 64 bytes of memory share a counter, and neighbours in memory are neighbours in the filter: a heap touches
 * a 64th of its size of it, so that what the program has in the caches stays there. */
static inline unsigned live_class(uint64_t address)
{
	return (unsigned)(address >> 6) % LIVE_CLASSES;
}

static inline unsigned live_place(uint64_t address, unsigned mask)
{
	return ((unsigned)(address >> 6) & mask) + mask + 1;
}

/* False: it is not in the table.  Relaxed: whoever frees it has got the address from whoever allocated it, who has seen
 * a mask that is not 0.
 * Context: signal. */
static inline bool live_maybe(const void *address)
{
	uint64_t at = (uintptr_t)address;
	uint32_t mask = __atomic_load_n(&live_filter.head[LIVE_MASK], __ATOMIC_RELAXED);

	return __builtin_expect(__atomic_load_n(&live_filter.count[live_place(at, mask)],
						__ATOMIC_RELAXED) != 0,
				0) &&
	       __atomic_load_n(&live_filter.count[live_place(at, LIVE_CLASSES - 1)],
			       __ATOMIC_RELAXED) != 0;
}

/* From now on live_maybe() is true for it, for ever.
 * Context: signal.  Allocates: no.  Locks: none. */
void live_mark(const void *address);

/* Enters an address, which is not 0 nor 1 nor in the table; false when there is no place for it.
 * Context: signal.  Allocates: mmap, kept.  Locks: none. */
bool live_add(const void *address, const struct live_entry *entry);

/* Removes an address, which may be NULL; false when it was not there.
 * Context: signal.  Allocates: no.  Locks: none. */
bool live_take(const void *address, struct live_entry *ret_entry);

/* In the child of fork: forgets everything but the marks that it is given again.
 * Context: signal.  Allocates: no.  Locks: none. */
void live_forget(void);

/* The same in the middle of another function of these, which goes on afterwards: its memory is emptied and stays.
 * Context: signal.  Allocates: no.  Locks: none. */
void live_forget_in_place(void);

#endif
