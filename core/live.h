/* SPDX-License-Identifier: MIT */
/*
 * core/live: the sampled allocations that have not been freed yet, by their address.
 *
 * In front of the table are two filters of saturating counters, one for each of 4,096 and of 65,536 classes of
 * addresses.  An address that is in the table counts in both; free() looks at the small one, which stays in the first
 * cache, and is nearly always done; then at the large one.  When much is in the table, each counter of the small one is one
 * higher, so that free() does not have to guess what it will say.  The counters change with sampled allocations only,
 * and go down again, so the filters are as selective after a year as they were at the start.
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

#define LIVE_FILTER_SIZE 65536u
#define LIVE_SMALL_SIZE	 4096u

/* One sampled allocation: the row that it was added to, and how much. */
struct live_entry {
	uint64_t row_at;
	uint64_t objects, bytes;
};

/* Hidden, so that free() gets at it by one instruction; only for live_maybe(). */
extern uint8_t live_filter[LIVE_FILTER_SIZE] __attribute__((visibility("hidden")));
extern uint16_t live_small[LIVE_SMALL_SIZE] __attribute__((visibility("hidden")));

/* 64 bytes of memory share a counter, and neighbours in memory are neighbours in the filter: a heap touches
 * a 64th of its size of it, so that what the program has in the caches stays there. */
static inline unsigned live_class(uint64_t address)
{
	return (unsigned)(address >> 6 ^ address >> 22) % LIVE_FILTER_SIZE;
}

static inline unsigned live_small_class(uint64_t address)
{
	return (unsigned)(address >> 6) % LIVE_SMALL_SIZE;
}

/* False: it is not in the table.  Relaxed: whoever frees it has got the address from whoever allocated it.
 * Context: signal. */
static inline bool live_maybe(const void *address)
{
	uint64_t at = (uintptr_t)address;

	return __builtin_expect(
		       __atomic_load_n(&live_small[live_small_class(at)], __ATOMIC_RELAXED) != 0,
		       0) &&
	       __atomic_load_n(&live_filter[live_class(at)], __ATOMIC_RELAXED) != 0;
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
