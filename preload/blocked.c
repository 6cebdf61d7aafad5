/* SPDX-License-Identifier: MIT */
#include "preload/blocked.h"

#include "core/hot.h"
#include "core/sampling.h"
#include "core/store.h"
#include "core/sys.h"
#include "preload/host.h"
#include "preload/record.h"
#include "preload/recorder.h"
#include "preload/thread.h"
#include "unwind/stack.h"

#include "core/as_safe.h"

#define NEVER	  (INT64_MAX / 2)
#define DEFAULT_R 10000000u /* ns; for charges when no waits are recorded */

__thread struct blocked_thread blocked_thread;
__thread const struct blocked_call *blocked_around;

static enum { NOT_YET, OFF, ON } state; /* written before there is a second thread */

void blocked_start(bool recorded)
{
	state = recorded ? ON : OFF;
}

/*
 * May a stale struct be looked at?  The host may have jumped out of the wait from a stack of its own, a coroutine's, and have
 * unmapped that since; what lies between sp and the end of the stack that sp is on is there.
 */
HOT_PATH static bool is_there(const void *address, uintptr_t sp)
{
	const struct thread *t = thread_self();
	uintptr_t at = (uintptr_t)address;

	return (t && sp >= t->stack.lo && sp <= at && at < t->stack.hi) || stack_probe(at);
}

HOT_PATH static bool has_check(const struct blocked *b, uintptr_t sp, uintptr_t *ret_check)
{
	if (sp >= (uintptr_t)b || !is_there(&b->check, sp))
		return false;
	*ret_check = b->check ^ (uintptr_t)b;
	return true;
}

const struct blocked_call *blocked_inside_of(const struct blocked_call *c, uintptr_t sp)
{
	uintptr_t check;

	return has_check(&c->wait, sp, &check) && check == BLOCKED_CHECK ? c : NULL;
}

HOT_PATH bool blocked_is_under_way(uintptr_t sp)
{
	const struct blocked *b = blocked_thread.now;
	uintptr_t check;

	if (!b || !has_check(b, sp, &check))
		return false;
	if (check == MAYBE_CHECK) {
		const struct blocked_maybe *m = (const struct blocked_maybe *)b;

		/* The host may have jumped out of it, and be without the stream since. */
		return stack_probe((uintptr_t)m->watched) && *m->watched != m->was;
	}
	return check == BLOCKED_CHECK || check == WAIT_CHECK;
}

/* Threads by the hundred that wake up all the time, to do little, have nearly all their waits here; only wall shows them, unless
 * the program's owner wants them in block. */
#define IDLE_FACTOR 10u

HOT_PATH static uint64_t threshold_ns(const struct stretch *line)
{
	uint64_t ns = host.settings.block_threshold ? host.settings.block_threshold : DEFAULT_R;

	return line == &blocked_thread.idle && ns > 1 && !host.settings.block_idle
		       ? ns * IDLE_FACTOR
		       : ns;
}

/* What it stands for, in ns; false when it is not recorded.  Each line is in ticks, because nearly all that is done with it
 * is a subtraction. */
HOT_PATH static bool is_sample(struct stretch *line, const struct clock_rate *rate, uint64_t ticks,
			       struct stretch_weight *ret_weight)
{
	uint64_t threshold = clock_to_ticks(rate, threshold_ns(line));

	if (!line->end) {
		line->seed = clock_ticks() ^ (uint64_t)sys_gettid() << 32 ^ (uintptr_t)line;
		if (!clock_by_counter) /* it began by the other clock */
			ticks = 0;
	}
	/* Two processors may differ a little; or it began by another clock, and no wait is older than its process. */
	if ((int64_t)ticks < 0 || (line != &blocked_thread.charges && ticks > rate->ticks))
		ticks = 0;
	if (!stretch_pass(line, ticks, threshold ? threshold : 1, ret_weight))
		return false;
	ret_weight->delay = clock_to_ns(rate, ret_weight->delay);
	return true;
}

HOT_PATH static __attribute__((noinline)) void
record(enum store_kind kind, enum wait_class class, const void *entry,
       const struct stretch_weight *weight, uint64_t now_ns, const struct blocked_call *around)
{
	const struct record_sample sample = {
		.kind = kind,
		.label = host.settings.block_class ? class : 0,
		.leaf = entry,
		.values = {weight->contentions, weight->delay},
		.may_wait = host.settings.block_threshold > 1,
		.not_below = around ? around->caller : 0,
	};
	bool was = record_enter();
	uint64_t row;
	struct store *s;

	if (!record_call(&sample, &row))
		recorder_lost(LOST_WAITS, 1);
	if (around && row != RECORD_NOTHING)
		blocked_around = NULL; /* the host has jumped out of it */
	s = recorder_existing();
	if (s && kind != KIND_IDLE) /* an idle process has no news */
		store_used(s, now_ns);
	record_leave(was);
}

HOT_PATH void blocked_look(uint64_t ticks, enum wait_class class, const void *entry)
{
	struct stretch *line = blocked_line(class);
	struct clock_rate rate;
	struct stretch_weight weight;

	if (state != ON || !host.settings.block_threshold) {
		line->left = state == NOT_YET ? 0 : NEVER;
		return;
	}
	rate = clock_rate_now();
	if (is_sample(line, &rate, ticks, &weight) && class != WAIT_NO_CLASS && record_is_on())
		record(blocked_is_idle(class) ? KIND_IDLE : KIND_BLOCK, class, entry, &weight,
		       rate.now_ns, blocked_inside((uintptr_t)__builtin_frame_address(0)));
}

HOT_PATH void blocked_charge(uint64_t ticks, enum wait_class class, const void *entry)
{
	struct blocked_thread *t = &blocked_thread;
	const uint64_t n = host.settings.mutex_fraction;
	struct clock_rate rate;
	struct stretch_weight weight;

	if (state != ON || !n)
		return;
	if ((int64_t)ticks < t->charges.left) {
		t->charges.left -= (int64_t)ticks;
		return;
	}
	rate = clock_rate_now();
	if (!is_sample(&t->charges, &rate, ticks, &weight) || !record_is_on())
		return;
	if (n > 1 && sampling_random(&t->charges.seed) % n)
		return;
	weight.contentions *= n;
	weight.delay *= n;
	record(KIND_MUTEX, class, entry, &weight, rate.now_ns, NULL);
}

void blocked_stop_in_thread(void)
{
	blocked_thread.waits.left = blocked_thread.idle.left = blocked_thread.charges.left = NEVER;
}

void blocked_after_fork(void)
{
	/* Random numbers of its own, as the heap's. */
	blocked_thread.waits = blocked_thread.idle = blocked_thread.charges =
		(struct stretch){.left = 0};
	if (!host.on)
		state = OFF;
}
