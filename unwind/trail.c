/* SPDX-License-Identifier: MIT */
#include "unwind/trail.h"

#include <stddef.h>

#include "core/hot.h"

#include "core/as_safe.h"

#define TRAILS_LOG2 5

static _Alignas(64) struct trail trails[1 << TRAILS_LOG2];

/* Counts the forks between the first process and this one, from 1.  A trail that is held in another
 * life is held by nobody. */
static _Atomic uint32_t life = 1;

static struct trail *trail_of(uintptr_t stack)
{
	return &trails[stack * 0x9e3779b97f4a7c15u >> (64 - TRAILS_LOG2)];
}

void trail_expect(uintptr_t stack)
{
	const char *t = (const char *)trail_of(stack);

	__builtin_prefetch(&life);
	__builtin_prefetch(t);
}

HOT_PATH struct trail *trail_take(uintptr_t stack, uint64_t salt)
{
	struct trail *t = trail_of(stack);
	uint32_t now = atomic_load_explicit(&life, memory_order_relaxed);
	uint32_t holder = atomic_load_explicit(&t->holder, memory_order_relaxed);

	/* acquire, with the release in trail_put. */
	if (holder == now ||
	    !atomic_compare_exchange_strong_explicit(&t->holder, &holder, now, memory_order_acquire,
						     memory_order_relaxed))
		return NULL;
	if (t->salt != salt || holder != 0) {
		t->salt = salt;
		t->first = TRAIL_FRAMES;
		t->frame[TRAIL_FRAMES].sp = UINT64_MAX;
	}
	for (unsigned i = t->first; i < TRAIL_FRAMES; i++)
		__builtin_prefetch((void *)t->frame[i].sp);
	t->next = t->tail = t->first;
	t->fresh_count = 0;
	return t;
}

HOT_PATH void trail_put(struct trail *t)
{
	uint32_t keep = t->fresh_count < TRAIL_FRESH ? (uint32_t)t->fresh_count : TRAIL_FRESH;
	uint64_t from = t->fresh_count;

	if (keep > t->tail)
		keep = t->tail;
	t->first = t->tail;
	for (; keep > 0; keep--)
		t->frame[--t->first] = t->fresh[--from % TRAIL_FRESH];
	/* release, with the acquire in trail_take. */
	atomic_store_explicit(&t->holder, 0, memory_order_release);
}

void trail_after_fork(void)
{
	/* relaxed: the child has one thread. */
	atomic_fetch_add_explicit(&life, 1, memory_order_relaxed);
}
