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

#include "core/hot.h"

#define LIVE_CLASSES 65536u /* of the largest filter */
#define LIVE_FILTERS 3u

/* One sampled allocation: the row that it was added to, and how much. */
struct live_entry {
	uint64_t row_at;
	uint64_t objects, bytes;
};

/* Filter i, from 1 on, begins at live_filter[i * LIVE_CLASSES], as far as it has classes; what is before that stays 0.  live_filter_look:
 * i in the upper half and its number of classes - 1 in the lower, of the one to look at; one word, so that both belong together.
 * 0 when nothing was ever in the table: then that is the first counter, of none.  Hidden, so that free() gets at them by one
 * instruction; only for live_maybe(). */
extern uint32_t live_filter_look HOT_DATA __attribute__((visibility("hidden")));
extern uint8_t live_filter[(1 + LIVE_FILTERS) * LIVE_CLASSES] __attribute__((visibility("hidden")));
#define LIVE_LOOK(filter, classes) ((filter)*LIVE_CLASSES + (classes)-1)
#define LIVE_LARGEST		   LIVE_LOOK(LIVE_FILTERS, LIVE_CLASSES)
#define LIVE_ANY		   (3 * LIVE_CLASSES) /* the bits of every filter */

/* Where in the filters the counter of an address is that look says.  64 bytes of memory share one, and neighbours in memory
 * are neighbours in the filter: a heap touches a 64th of its size of it, so that what the program has in the caches stays
 * there. */
static inline unsigned live_place(uint64_t address, uint32_t look)
{
	return ((unsigned)(address >> 6) | LIVE_ANY) & look;
}

/* False: it is not in the table.  Relaxed: whoever frees it has got the address from whoever allocated it, who has seen
 * a look that is not 0.  By instructions that take their operand from memory, which gcc does not use for atomics.
 * Context: signal. */
static inline bool live_maybe(const void *address)
{
	uint64_t place = (unsigned)((uintptr_t)address >> 6) | LIVE_ANY;
	bool maybe;

	__asm__("andl %1, %k0" : "+r"(place) : "m"(live_filter_look) : "cc");
	__asm__("cmpb $0, %1" : "=@ccne"(maybe) : "m"(live_filter[place]));
	return __builtin_expect(maybe, 0);
}

/* The same by the largest filter, which tells more apart. */
static inline bool live_likely(const void *address)
{
	return __atomic_load_n(&live_filter[live_place((uintptr_t)address, LIVE_LARGEST)],
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
