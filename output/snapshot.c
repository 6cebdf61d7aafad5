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

/* Objects or contentions as a whole number: a row of few samples keeps its half an object at most.  All 64 bits: a
 * busy row has as many objects in a year. */
static int64_t whole(uint64_t objects)
{
	const uint64_t half = UINT64_C(1) << (SAMPLING_OBJECT_BITS - 1);

	return (int64_t)((objects >> SAMPLING_OBJECT_BITS) + ((objects & (2 * half - 1)) >= half));
}

/* Samples and their time.  A sample in a wait is there with all of its time, so what stays is samples times period too; but in a
 * damaged store, where time that stays has one sample at least. */
static void take_cpu(int64_t *column, const uint64_t *total, const uint64_t *base,
		     bool without_waits)
{
	int64_t samples = not_negative(total[0] - base[0]), ns = not_negative(total[1] - base[1]),
		in_waits = without_waits ? not_negative(total[2] - base[2]) : 0;
	uint64_t each = samples ? (uint64_t)(ns / samples) : 0;

	column[0] = samples;
	column[1] = ns > in_waits ? ns - in_waits : 0;
	if (!in_waits)
		return;
	if (each)
		column[0] = (int64_t)(((uint64_t)column[1] + each / 2) / each);
	if (!column[0] || !column[1])
		column[0] = column[1] > 0;
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

/* Rounded before the difference is taken, so that windows add up to the whole.  Who has waited has waited once at
 * least: only a row that was read between its two additions could say otherwise. */
static void take_waits(int64_t *column, const uint64_t *total, const uint64_t *base)
{
	column[0] = not_negative((uint64_t)whole(total[0]) - (uint64_t)whole(base[0]));
	column[1] = not_negative(total[1] - base[1]);
	if (!column[0])
		column[0] = column[1] > 0;
}

/* Fills a sample; false when there is nothing in it.  A base above its total is damage and counts as no
 * gain. */
static bool take_row(struct snapshot_sample *sample, struct snapshot_row *row,
		     const struct file_kind *kind)
{
	static const uint64_t start[STORE_VALUES_MAX];
	const uint64_t *total = row->in.total, *base = kind->is_window ? row->in.base : start;
	bool any = false;

	*sample = (struct snapshot_sample){.row = row};
	if (row->in.kind == KIND_CPU)
		take_cpu(sample->column, total, base, kind->rows & KIND_BIT(KIND_BLOCK));
	else if (row->in.kind == KIND_HEAP)
		take_heap(sample->column, total);
	else
		take_waits(sample->column, total, base);
	for (unsigned i = 0; i < kind->column_count; i++)
		any = any || sample->column[i] > 0;
	return any;
}

static int sort_samples(struct snapshot_file *f, struct arena *a)
{
	struct snapshot_sample *sorted = arena_alloc(a, f->count * sizeof *sorted);
	struct sort_item *order = arena_alloc(a, f->count * sizeof *order);

	if (!sorted || !order)
		return -ENOMEM;
	for (unsigned i = 0; i < f->count; i++) {
		order[i].key = ~(uint64_t)f->samples[i].column[f->columns - 1];
		order[i].value = i;
	}
	sort_items(order, f->count);
	for (unsigned i = 0; i < f->count; i++)
		sorted[i] = f->samples[order[i].value];
	f->samples = sorted;
	return 0;
}

int snapshot_select(struct snapshot_file *f, const struct snapshot *s, const struct file_kind *kind,
		    uint32_t rows, struct arena *a)
{
	unsigned most = 0;

	*f = (struct snapshot_file){.columns = kind->column_count};
	if (!(s->kinds & rows))
		return 0;
	for (unsigned i = 0; i < s->count; i++)
		most += !!(rows & KIND_BIT(s->rows[i].in.kind));
	f->samples = arena_alloc(a, most * sizeof *f->samples);
	if (!f->samples)
		return -ENOMEM;
	for (unsigned i = 0; i < s->count; i++)
		if (rows & KIND_BIT(s->rows[i].in.kind) &&
		    take_row(&f->samples[f->count], &s->rows[i], kind))
			f->count++;
	return f->count ? sort_samples(f, a) : 0;
}

static bool is_empty(const struct store_sample *row)
{
	for (unsigned i = 0; i < row->values; i++)
		if (row->total[i])
			return false;
	return true;
}

int snapshot_take(struct snapshot *s, const struct store_view *view, struct arena *a)
{
	uint32_t cursor = 0;

	/* Address space for a full table; only what is used becomes memory. */
	*s = (struct snapshot){.rows = arena_alloc(a, STORE_INDEX_SLOTS * sizeof *s->rows)};
	if (!s->rows)
		return -ENOMEM;
	while (s->count < STORE_INDEX_SLOTS &&
	       store_view_next(view, &cursor, &s->rows[s->count].in)) {
		if (is_empty(&s->rows[s->count].in))
			continue;
		s->kinds |= KIND_BIT(s->rows[s->count].in.kind);
		s->count++;
	}
	return 0;
}
