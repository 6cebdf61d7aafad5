/* SPDX-License-Identifier: MIT */
#include "output/snapshot.h"

#include <errno.h>
#include <stdbool.h>

#include "core/sampling.h"
#include "output/sort.h"

#include "core/as_safe.h"

static int64_t not_negative(uint64_t value)
{
	return (int64_t)value > 0 ? (int64_t)value : 0;
}

/* Objects as a whole number: a row of few samples keeps its half an object at most.  All 64 bits: a busy row has as
 * many objects in a year. */
static int64_t whole(uint64_t objects)
{
	const uint64_t half = UINT64_C(1) << (SAMPLING_OBJECT_BITS - 1);

	return (int64_t)((objects >> SAMPLING_OBJECT_BITS) + ((objects & (2 * half - 1)) >= half));
}

/* The four columns of Go's heap profile. */
static void take_heap(int64_t *column, const uint64_t *total)
{
	column[0] = whole(total[HEAP_ALLOC_OBJECTS]);
	column[1] = not_negative(total[HEAP_ALLOC_SPACE]);
	column[2] =
		whole((uint64_t)not_negative(total[HEAP_ALLOC_OBJECTS] - total[HEAP_FREE_OBJECTS]));
	column[3] = not_negative(total[HEAP_ALLOC_SPACE] - total[HEAP_FREE_SPACE]);
}

/* Fills a row; false when there is nothing in it.  A base above its total is damage and counts as no
 * gain. */
static bool take_row(struct snapshot_row *row, const struct store_sample *sample)
{
	bool any = false;

	*row = (struct snapshot_row){
		.frames = sample->frames,
		.depth = sample->depth,
		.label = sample->label,
		.row_at = sample->row_at,
	};
	for (unsigned i = 0; i < sample->values; i++) {
		row->total[i] = sample->total[i];
		row->column[i] = not_negative(sample->total[i] - sample->base[i]);
	}
	if (sample->kind == KIND_HEAP)
		take_heap(row->column, sample->total);
	if (sample->kind == KIND_BLOCK || sample->kind == KIND_MUTEX) {
		row->column[0] = whole(sample->total[0]);
		row->column[1] = not_negative(sample->total[1]);
	}
	for (unsigned i = 0; i < (sample->kind == KIND_CPU ? 2 : sample->values); i++)
		any = any || row->column[i] > 0;
	return any;
}

static int sort_rows(struct snapshot *s, struct arena *a)
{
	struct snapshot_row *sorted = arena_alloc(a, s->count * sizeof *sorted);
	struct sort_item *order = arena_alloc(a, s->count * sizeof *order);

	if (!sorted || !order)
		return -ENOMEM;
	for (unsigned i = 0; i < s->count; i++) {
		order[i].key = ~(uint64_t)s->rows[i].column[s->values - 1];
		order[i].value = i;
	}
	sort_items(order, s->count);
	for (unsigned i = 0; i < s->count; i++)
		sorted[i] = s->rows[order[i].value];
	s->rows = sorted;
	return 0;
}

int snapshot_take(struct snapshot *s, const struct store_view *view, enum store_kind kind,
		  struct arena *a)
{
	struct store_sample sample;
	uint32_t cursor = 0;

	/* Address space for a full table; only what is used becomes memory. */
	*s = (struct snapshot){
		.rows = arena_alloc(a, STORE_INDEX_SLOTS * sizeof *s->rows),
		.values = kind == KIND_CPU ? 2 : store_kind_values(kind),
	};
	if (!s->rows)
		return -ENOMEM;
	while (s->count < STORE_INDEX_SLOTS && store_view_next(view, &cursor, &sample))
		if (sample.kind == kind && take_row(&s->rows[s->count], &sample))
			s->count++;
	return s->count ? sort_rows(s, a) : 0;
}
