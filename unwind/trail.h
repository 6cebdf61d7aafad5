/* SPDX-License-Identifier: MIT */
/*
 * unwind/trail: the rules of the frames that the last walk of a stack met.
 *
 * Between two samples of a thread the outer frames stay where they are, but their slots in the rule
 * cache, each on a line and mostly on a page of its own, have left the processor's caches.  A trail
 * has them side by side, and says which rule comes next without waiting for the return address.
 *
 * The invariant: a trail only answers for the very address that a rule was stored for, and only
 * since the last dlclose (the gate's salt).  So it can be wrong about nothing: where a frame was
 * before is a hint where to look, every return address is still read from the stack.
 *
 * Trails are a fixed pool that stacks are hashed to.  Whoever finds one in use walks without.
 */
#ifndef CPROF_UNWIND_TRAIL_H
#define CPROF_UNWIND_TRAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TRAIL_FRAMES 40
#define TRAIL_FRESH  22

struct trail_frame {
	uint64_t sp, address, rule;
};

/* All but `holder` belongs to the walk that holds the trail. */
struct trail {
	_Atomic uint32_t holder; /* 0: free; else the life (see trail.c) that holds it */
	uint32_t first;		 /* of frame[], innermost */
	uint64_t salt;
	uint64_t fresh_count; /* of this walk; the last TRAIL_FRESH of them are in fresh[] */
	uint32_t next;	      /* the first frame that is not below the walk */
	uint32_t tail;	      /* frame[tail..] stay when the walk ends */
	/* By growing sp, up to TRAIL_FRAMES - 1; behind them one with the largest sp. */
	struct trail_frame frame[TRAIL_FRAMES + 1];
	struct trail_frame fresh[TRAIL_FRESH];
};

/* The trail of a stack (any number that names it), for one walk; NULL when it is in use.
 * Context: signal.  Allocates: no.  Locks: none. */
struct trail *trail_take(uintptr_t stack, uint64_t salt);

/* Asks the processor for it.
 * Context: signal.  Allocates: no.  Locks: none. */
void trail_expect(uintptr_t stack);

/* Keeps the frames of this walk.  Context: signal.  Allocates: no.  Locks: none. */
void trail_put(struct trail *t);

/* In the child of fork: who held a trail is gone.  Context: own. */
void trail_after_fork(void);

/* The rule of the frame at sp, if it is the one that was there before. */
static inline bool trail_get(struct trail *t, uint64_t sp, uint64_t address, uint64_t *ret_rule)
{
	const struct trail_frame *f = &t->frame[t->next];

	while (f->sp < sp)
		f++;
	t->next = (uint32_t)(f - t->frame);
	*ret_rule = f->rule;
	return f->sp == sp && f->address == address;
}

/* What trail_get did not know. */
static inline void trail_add(struct trail *t, uint64_t sp, uint64_t address, uint64_t rule)
{
	struct trail_frame *f = &t->frame[t->next];

	if (f->sp != sp || t->next == TRAIL_FRAMES) {
		f = &t->fresh[t->fresh_count++ % TRAIL_FRESH];
		t->tail = t->next;
	}
	*f = (struct trail_frame){.sp = sp, .address = address, .rule = rule};
}

#endif
