/* SPDX-License-Identifier: MIT */
/*
 * preload/pending: the first sampled allocations and waits of a process that has no store yet.
 *
 * To make a store takes a third of a millisecond, and most processes that a shell or a build starts have ended before
 * their first CPU sample, but not before half a megabyte was allocated.  So the first samples of the heap wait here, and
 * move into the store when something else makes one, or when there are too many.
 *
 * Without locks: an entry is filled, then published, and whoever wins one compare-and-swap moves it.  What is freed
 * meanwhile is noted in the entry.
 */
#ifndef CPROF_PRELOAD_PENDING_H
#define CPROF_PRELOAD_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/store.h"
#include "preload/record.h"
#include "unwind/unwind.h"

#define PENDING_DEPTH 64u

/* Keeps a sample, with pc as capture_call() gives them.  The result stands for a row in
 * struct live_entry, and is known by pending_is(); 0 when there is no place, or a store by now.
 * Context: wrapper.  Allocates: no.  Locks: none. */
uint64_t pending_add(const struct record_sample *sample, const uint64_t *pc, unsigned depth,
		     struct uw_result end);

static inline bool pending_is(uint64_t row_at)
{
	return row_at >> 63;
}

/* What such a row of the heap stands for was freed: objects and bytes.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void pending_freed(uint64_t row_at, const uint64_t values[2]);

/* Is there one?  And one that is worth a file: that a process was idle is not.
 * Context: signal. */
bool pending_any(void);
bool pending_news(void);

/* The store is there.
 * Context: signal.  Allocates: store.  Locks: none. */
void pending_flush(struct store *s);

/* In the child of fork: forgets all.
 * Context: signal. */
void pending_after_fork(void);

#endif
