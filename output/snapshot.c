/* SPDX-License-Identifier: MIT */
#include "output/snapshot.h"

#include <errno.h>
#include <stdbool.h>

#include "output/sort.h"

#include "core/as_safe.h"

/* Fills a row; false when it gained nothing.  A base above its total is damage and counts as no
 * gain. */
static bool take_row(struct snapshot_row *row, const struct store_sample *sample)
{
	bool gained = false;

	*row = (struct snapshot_row){
		.frames = sample->frames,
		.depth = sample->depth,
		.label = sample->label,
		.row_at = sample->row_at,
	};
	for (unsigned i = 0; i < sample->values; i++) {
		int64_t gain = (int64_t)(sample->total[i] - sample->base[i]);

		row->total[i] = sample->total[i];
		row->gain[i] = gain > 0 ? gain : 0;
		gained = gained || gain > 0;
	}
	return gained;
}

static int sort_rows(struct snapshot *s, struct arena *a)
{
	struct snapshot_row *sorted = arena_alloc(a, s->count * sizeof *sorted);
	struct sort_item *order = arena_alloc(a, s->count * sizeof *order);

	if (!sorted || !order)
		return -ENOMEM;
	for (unsigned i = 0; i < s->count; i++) {
		order[i].key = ~(uint64_t)s->rows[i].gain[s->values - 1];
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
		.values = store_kind_values(kind),
	};
	if (!s->rows)
		return -ENOMEM;
	while (s->count < STORE_INDEX_SLOTS && store_view_next(view, &cursor, &sample))
		if (sample.kind == kind && take_row(&s->rows[s->count], &sample))
			s->count++;
	return s->count ? sort_rows(s, a) : 0;
}
