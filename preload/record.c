/* SPDX-License-Identifier: MIT */
#include "preload/record.h"

#include "core/hot.h"
#include "core/store.h"
#include "preload/capture.h"
#include "preload/host.h"
#include "preload/pending.h"
#include "preload/recorder.h"
#include "preload/signals.h"
#include "preload/thread.h"

#include "core/as_safe.h"

/* So much stack must be left below us for the frames of the deepest stack (4 KiB), the unwinder and a store that is
 * being made; else only some frames are taken. */
#define ROOM_BYTES  32768u
#define SHALLOW_MAX 34u

static __thread bool inside __attribute__((tls_model("initial-exec")));

HOT_PATH bool record_enter(void)
{
	bool was = inside;

	inside = true;
	__asm__ volatile("" ::: "memory");
	return was;
}

HOT_PATH void record_leave(bool was)
{
	__asm__ volatile("" ::: "memory");
	inside = was;
}

bool record_is_interrupted(void)
{
	return inside;
}

HOT_PATH bool record_is_on(void)
{
	return host.on && host_memory_is_here() && (recorder_existing() || host_is_here()) &&
	       !recorder_has_ended();
}

static bool is_below(const uint64_t *pc, unsigned depth, uintptr_t caller)
{
	for (unsigned i = 0; i < depth; i++)
		if (pc[i] == caller - 1) /* as the unwinder gives it */
			return true;
	return false;
}

HOT_PATH static __attribute__((noinline)) bool add(const struct thread *t,
						   const struct record_sample *sample, uint64_t *pc,
						   unsigned max, uint64_t *ret_row)
{
	struct uw_result end;
	struct store *s = recorder_existing();
	unsigned depth = capture_call(t, sample->leaf, pc, max, &end);

	if (sample->not_below && is_below(pc, depth, sample->not_below)) {
		*ret_row = RECORD_NOTHING;
		return true;
	}
	*ret_row = s || !sample->may_wait ? 0 : pending_add(sample, pc, depth, end);
	if (*ret_row)
		return true;
	s = recorder_store();
	if (!s)
		return false;
	depth = capture_finish(s, end, pc, depth);
	*ret_row = store_add(s, sample->kind, pc, depth, sample->label, sample->values);
	return true;
}

HOT_PATH static __attribute__((noinline)) bool
add_deep(const struct thread *t, const struct record_sample *sample, uint64_t *ret_row)
{
	uint64_t pc[STORE_DEPTH_MAX];

	return add(t, sample, pc, STORE_DEPTH_MAX, ret_row);
}

static __attribute__((noinline)) bool
add_shallow(const struct thread *t, const struct record_sample *sample, uint64_t *ret_row)
{
	uint64_t pc[SHALLOW_MAX];

	return add(t, sample, pc, SHALLOW_MAX, ret_row);
}

HOT_PATH bool record_call(const struct record_sample *sample, uint64_t *ret_row)
{
	const struct thread *t = thread_self();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uint64_t mask;
	bool done;

	if (t && here < t->stack.hi && here > t->stack.lo && here - t->stack.lo > ROOM_BYTES)
		return add_deep(t, sample, ret_row);
	/* Perhaps a handler's of 8 KiB, which has no room for a tick on top of this. */
	signals_block(&mask);
	done = add_shallow(t, sample, ret_row);
	signals_restore(&mask);
	return done;
}
