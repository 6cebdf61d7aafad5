/* SPDX-License-Identifier: MIT */
/*
 * output/snapshot: the columns of one kind of rows at one moment: CPU as what it gained since the last complete dump,
 * the heap since the start and as it is now.
 *
 * Every counter is read once, and everything after it (the file and the new base) uses that
 * reading, so what is added while a dump runs is in the next one: nothing is lost and nothing
 * counted twice.
 */
#ifndef CPROF_OUTPUT_SNAPSHOT_H
#define CPROF_OUTPUT_SNAPSHOT_H

#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"

struct snapshot_row {
	const uint64_t *frames; /* in the store, leaf first */
	unsigned depth;
	uint64_t label;
	uint64_t row_at;
	uint64_t total[STORE_VALUES_MAX];
	int64_t column[STORE_VALUES_MAX]; /* as in the file; not all zero, none negative */
	const uint32_t *locations;	  /* [depth], by locations_add_stack(); NULL: did not fit */
};

struct snapshot {
	struct snapshot_row *rows; /* heaviest first, by the last value */
	unsigned count;
	unsigned values;
};

/* 0 or -ENOMEM.
 * Context: signal.  Allocates: arena.  Locks: none. */
int snapshot_take(struct snapshot *s, const struct store_view *view, enum store_kind kind,
		  struct arena *a);

#endif
