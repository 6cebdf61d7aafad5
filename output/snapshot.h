/* SPDX-License-Identifier: MIT */
/*
 * output/snapshot: all rows of a store at one moment, and what each kind of file shows of them.
 *
 * Every counter is read once, and everything after it (all files and the new bases) uses that
 * reading, so what is added while a dump runs is in the next one: nothing is lost and nothing
 * counted twice, and the files of one dump agree.
 */
#ifndef CPROF_OUTPUT_SNAPSHOT_H
#define CPROF_OUTPUT_SNAPSHOT_H

#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"
#include "output/file_kind.h"

struct snapshot_row {
	struct store_sample in; /* in the store */
	const uint32_t *
		locations; /* [in.depth], by locations_add_stack(); NULL: not yet, or did not fit */
};

struct snapshot {
	struct snapshot_row *rows; /* without those that are all zero */
	unsigned count;
	uint32_t kinds; /* set of the kinds that they are of */
};

/* A row in a file. */
struct snapshot_sample {
	struct snapshot_row *row;
	int64_t column[STORE_VALUES_MAX]; /* as in the file; not all zero, none negative */
};

struct snapshot_file {
	struct snapshot_sample *samples; /* heaviest first, by the last column */
	unsigned count;
	unsigned columns;
};

/* Reads the rows.  0 or -ENOMEM.
 * Context: signal.  Allocates: arena.  Locks: none. */
int snapshot_take(struct snapshot *s, const struct store_view *view, struct arena *a);

/* The samples of a file of this kind, from rows of the kinds in the set.  0 or -ENOMEM.
 * Of CPU and of waits in a window the gain since the last complete dump, of waits else and of the heap the
 * sum since the start.  Where a file has waits, the CPU time in them is left out of its CPU rows.
 * Context: signal.  Allocates: arena.  Locks: none. */
int snapshot_select(struct snapshot_file *f, const struct snapshot *s, const struct file_kind *kind,
		    uint32_t rows, struct arena *a);

#endif
