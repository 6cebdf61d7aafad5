/* SPDX-License-Identifier: MIT */
#include "preload/pending.h"

#include "preload/capture.h"
#include "preload/recorder.h"
#include "unwind/gate.h"

#include "core/as_safe.h"

#define ENTRIES 32u

enum { EMPTY, KEPT, MOVED };

static struct entry {
	_Atomic int state;
	_Atomic uint64_t row_at; /* in the store, once it was moved; 0 is no row of a store's */
	_Atomic uint64_t freed_objects, freed_bytes;
	struct record_sample sample;
	struct uw_result end;
	unsigned depth;
	uint64_t pc[PENDING_DEPTH + 1]; /* and the reason at the end */
} entries[ENTRIES];
static _Atomic unsigned count; /* of entries that were given out */
static _Atomic bool news;
static struct store *_Atomic store;

/* Whoever comes second finds nothing. */
static void add_freed(struct store *s, struct entry *e, uint64_t row_at)
{
	const uint64_t values[] = {
		atomic_exchange_explicit(&e->freed_objects, 0, memory_order_seq_cst),
		atomic_exchange_explicit(&e->freed_bytes, 0, memory_order_seq_cst),
	};

	store_add_to(s, row_at, HEAP_FREE_OBJECTS, values, 2);
}

/* The libraries of these addresses may be closed, unlike those of a stack that somebody is on: whoever closes one
 * keeps us from reading what it is. */
static unsigned name(struct store *s, struct entry *e)
{
	unsigned depth = 0;

	if (gate_enter()) {
		depth = capture_finish(s, e->end, e->pc, e->depth);
		gate_leave();
	} else {
		store_lost(s, LOST_TRUNCATED, 1);
		e->pc[depth++] = FRAME(FRAME_SYNTHETIC, SYNTH_TRUNC_BUSY);
	}
	return depth;
}

static void move(struct store *s, struct entry *e)
{
	int kept = KEPT;
	unsigned depth;
	uint64_t row_at;

	/* Acquire pairs with the release in pending_add(). */
	if (!atomic_compare_exchange_strong_explicit(&e->state, &kept, MOVED, memory_order_acquire,
						     memory_order_relaxed))
		return;
	depth = name(s, e);
	row_at = store_add(s, e->sample.kind, e->pc, depth, e->sample.label, e->sample.values);
	/* In this order, and the other way round in pending_freed(): one of the two sees the other. */
	atomic_store_explicit(&e->row_at, row_at + 1, memory_order_seq_cst);
	if (e->sample.kind == KIND_HEAP)
		add_freed(s, e, row_at);
}

uint64_t pending_add(const struct record_sample *sample, const uint64_t *pc, unsigned depth,
		     struct uw_result end)
{
	struct store *s;
	struct entry *e;
	unsigned n;

	if (depth > PENDING_DEPTH || atomic_load_explicit(&store, memory_order_relaxed) ||
	    atomic_load_explicit(&count, memory_order_relaxed) >= ENTRIES)
		return 0;
	n = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
	if (n >= ENTRIES)
		return 0;
	e = &entries[n];
	e->sample = *sample;
	memcpy(e->pc, pc, depth * sizeof *pc);
	e->depth = depth;
	e->end = end;
	if (sample->kind != KIND_IDLE)
		atomic_store_explicit(&news, true, memory_order_relaxed);
	atomic_store_explicit(&e->state, KEPT, memory_order_seq_cst);
	/* A store that came meanwhile has not seen it, or has: either may move it. */
	s = atomic_load_explicit(&store, memory_order_seq_cst);
	if (s)
		move(s, e);
	return UINT64_C(1) << 63 | n;
}

void pending_freed(uint64_t row_at, const uint64_t values[2])
{
	struct entry *e = &entries[row_at % ENTRIES];

	atomic_fetch_add_explicit(&e->freed_objects, values[0], memory_order_seq_cst);
	atomic_fetch_add_explicit(&e->freed_bytes, values[1], memory_order_seq_cst);
	row_at = atomic_load_explicit(&e->row_at, memory_order_seq_cst);
	if (row_at)
		add_freed(atomic_load_explicit(&store, memory_order_relaxed), e, row_at - 1);
}

bool pending_any(void)
{
	return atomic_load_explicit(&count, memory_order_relaxed) != 0;
}

bool pending_news(void)
{
	return atomic_load_explicit(&news, memory_order_relaxed);
}

void pending_flush(struct store *s)
{
	atomic_store_explicit(&store, s, memory_order_seq_cst);
	for (unsigned i = 0; i < ENTRIES; i++)
		move(s, &entries[i]);
}

void pending_after_fork(void)
{
	unsigned n = atomic_load_explicit(&count, memory_order_relaxed);

	for (unsigned i = 0; i < n && i < ENTRIES; i++)
		memset(&entries[i], 0, sizeof entries[i]);
	atomic_store_explicit(&count, 0, memory_order_relaxed);
	atomic_store_explicit(&news, false, memory_order_relaxed);
	atomic_store_explicit(&store, NULL, memory_order_relaxed);
}
