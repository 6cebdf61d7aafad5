/* SPDX-License-Identifier: MIT */
/*
 * preload/capture: a stack as frames for the store: unwound, tagged with modules, without frames of our own, and with
 * the reason at its end when it does not reach its root.
 */
#ifndef CPROF_PRELOAD_CAPTURE_H
#define CPROF_PRELOAD_CAPTURE_H

#include "core/store.h"
#include "preload/thread.h"
#include "unwind/unwind.h"

/* The stack of an interrupted context (the third argument of a handler) of thread t.  frame: room for max, which is
 * at least 2.  Returns the number of frames, at least 1.
 * Context: signal.  Allocates: store.  Locks: none. */
unsigned capture_interrupted(struct store *s, const struct thread *t, const void *context,
			     uint64_t *frame, unsigned max);

/* The stack of the caller of a wrapper, below its leaf: the entry of the real function.  t is NULL for a thread that
 * nobody knows: its stack is then probed.  Addresses and not yet frames, ours among them: for capture_finish().
 * Returns how many; max is at least 3, and one place is left free.
 * Context: wrapper.  Allocates: no.  Locks: none. */
unsigned capture_call(const struct thread *t, const void *leaf, uint64_t *pc, unsigned max,
		      struct uw_result *ret_end);

/* Makes frames of depth addresses, in place; there is room for one more.  Returns how many.
 * Context: signal.  Allocates: store.  Locks: none. */
unsigned capture_finish(struct store *s, struct uw_result end, uint64_t *pc, unsigned depth);

#endif
