/* SPDX-License-Identifier: MIT */
#include "preload/heap.h"

#include "core/sampling.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/text.h"
#include "preload/alloc.h"
#include "preload/boot.h"
#include "preload/capture.h"
#include "preload/clock.h"
#include "preload/host.h"
#include "preload/limit.h"
#include "preload/pending.h"
#include "preload/recorder.h"
#include "preload/thread.h"

#include "core/as_safe.h"

/* So much stack must be left below us for the frames of the deepest stack (4 KiB), the unwinder and a store that is
 * being made; else only some frames are taken. */
#define ROOM_BYTES   32768u
#define SHALLOW_MAX  34u
#define NEVER	     UINT64_MAX
#define PERIOD_LATER UINT64_MAX /* before heap_start() */

/* In the row of a struct live_entry, above the place in the store: how often we have been the child of fork.  What was
 * begun in the parent is not in our rows. */
#define ROW_BITS  40
#define LIFE_MASK (UINT64_C(0xffff) << ROW_BITS)
static uint64_t life;

__thread struct heap_thread heap_thread;

static uint64_t period = PERIOD_LATER; /* written before there is a second thread */
static char remark[320];

static void begin(uint64_t period_bytes)
{
	period = period_bytes;
	heap_thread.left = period ? 0 : NEVER;
}

void heap_off(void)
{
	begin(0);
}

void heap_start(void)
{
	struct text t = TEXT_ON(remark);
	const char *other = alloc_other();

	limit_start(host.settings.heap_dump_above);
	begin(other ? 0 : host.settings.heap_sample_bytes);
	if (!other || !host.settings.heap_sample_bytes)
		return;
	text_str(&t, "cprof: heap off: ");
	text_str(&t, *other ? other : "the executable");
	text_str(&t, *other ? " defines malloc and comes before libcprof.so" : " defines malloc");
}

const char *heap_remark(void)
{
	return remark[0] ? remark : NULL;
}

uint64_t heap_period_bytes(void)
{
	return period == PERIOD_LATER ? 0 : period;
}

/* Draws the distance to the thread's next sample. */
static void draw(struct heap_thread *t)
{
	if (period <= 1) {
		t->left = period ? 0 : NEVER;
		return;
	}
	if (!t->seed)
		t->seed = __builtin_ia32_rdtsc() ^ (uint64_t)sys_gettid() << 32;
	t->left = sampling_gap(&t->seed, period);
}

/* The row that the sample was added to; false when there is no store to add it to. */
static __attribute__((noinline)) bool add(const struct thread *t, const void *entry,
					  const uint64_t *values, uint64_t *pc, unsigned max,
					  uint64_t *ret_row)
{
	struct uw_result end;
	struct store *s = recorder_existing();
	unsigned depth = capture_call(t, entry, pc, max, &end);

	/* Who wants to see every allocation has a store for them. */
	*ret_row = s || period == 1 ? 0 : pending_add(pc, depth, end, values);
	if (*ret_row)
		return true;
	s = recorder_store();
	if (!s)
		return false;
	depth = capture_finish(s, end, pc, depth);
	*ret_row = store_add(s, KIND_HEAP, pc, depth, 0, values);
	return true;
}

static __attribute__((noinline)) bool add_deep(const struct thread *t, const void *entry,
					       const uint64_t *values, uint64_t *ret_row)
{
	uint64_t pc[STORE_DEPTH_MAX];

	return add(t, entry, values, pc, STORE_DEPTH_MAX, ret_row);
}

static __attribute__((noinline)) bool add_shallow(const struct thread *t, const void *entry,
						  const uint64_t *values, uint64_t *ret_row)
{
	uint64_t pc[SHALLOW_MAX];

	return add(t, entry, values, pc, SHALLOW_MAX, ret_row);
}

/* Between enter and leave the rest of us may be in use; see heap_is_interrupted(). */
static bool enter(void)
{
	bool was = heap_thread.inside;

	heap_thread.inside = true;
	__asm__ volatile("" ::: "memory");
	return was;
}

static void leave(bool was)
{
	__asm__ volatile("" ::: "memory");
	heap_thread.inside = was;
}

static bool is_of_this_life(const struct live_entry *entry)
{
	return (entry->row_at & LIFE_MASK) == life;
}

/* In its row it is no longer in use. */
static void forget_row(const struct live_entry *entry)
{
	const uint64_t values[] = {entry->objects, entry->bytes};
	struct store *s = recorder_existing();

	if (pending_is(entry->row_at))
		pending_freed(entry->row_at, values);
	else if (s)
		store_add_to(s, entry->row_at & ~LIFE_MASK, HEAP_FREE_OBJECTS, values, 2);
}

static void freed(const struct live_entry *entry)
{
	if (!is_of_this_life(entry))
		return;
	limit_freed(entry->bytes);
	forget_row(entry);
}

static void record(const void *p, size_t size, const void *entry)
{
	const struct thread *t = thread_self();
	struct sampling_weight weight = sampling_weigh(size, period);
	const uint64_t values[] = {weight.objects, weight.bytes, 0, 0};
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct live_entry live = {.objects = weight.objects, .bytes = weight.bytes};
	struct live_entry old;
	const uint64_t now_life = life;
	struct store *s;
	uint64_t now_ns;
	bool added;

	if (t && here < t->stack.hi && here > t->stack.lo && here - t->stack.lo > ROOM_BYTES)
		added = add_deep(t, entry, values, &live.row_at);
	else
		added = add_shallow(t, entry, values, &live.row_at);
	if (!added) {
		recorder_lost(LOST_ALLOCATIONS, 1);
		return;
	}
	live.row_at |= now_life;
	now_ns = clock_now_ns();
	s = recorder_existing();
	if (s)
		store_used(s, now_ns);
	/* Freed behind our back, by a function that only this allocator has. */
	if (live_maybe(p) && live_take(p, &old))
		freed(&old);
	if (!live_add(p, &live)) {
		recorder_lost(LOST_LIVE, 1);
		if (is_of_this_life(&live))
			forget_row(&live);
		return;
	}
	limit_allocated(live.bytes, now_ns);
}

void heap_allocated(const void *p, size_t size, const void *entry)
{
	struct heap_thread *t = &heap_thread;
	bool born = t->seed != 0;

	if (period == PERIOD_LATER) /* the loader, before our start */
		return;
	draw(t);
	/* The first allocation of a thread only gets it a distance. */
	if (period > 1 && !born && t->left > size) {
		t->left -= size;
		return;
	}
	if (period > 1 && !born)
		draw(t);
	/* What a child of vfork allocates is its parent's, but the store must not get its name. */
	if (p && period && host.on && host_memory_is_here() &&
	    (recorder_existing() || host_is_here()) && !recorder_has_ended()) {
		bool was = enter();

		record(p, size, entry);
		leave(was);
	}
}

bool heap_release(const void *p, struct live_entry *ret_entry)
{
	bool was, found;

	(void)host_memory_is_here(); /* in a copy of our memory nothing is followed */
	was = enter();
	found = live_take(p, ret_entry);
	leave(was);
	return found;
}

void heap_freed(const struct live_entry *entry)
{
	bool was = enter();

	freed(entry);
	leave(was);
}

void heap_kept(const void *p, const struct live_entry *entry)
{
	bool was = enter();

	if (is_of_this_life(entry) && !live_add(p, entry)) {
		recorder_lost(LOST_LIVE, 1);
		freed(entry);
	}
	leave(was);
}

bool heap_is_interrupted(void)
{
	return heap_thread.inside;
}

void heap_after_fork(void)
{
	if (heap_is_interrupted())
		live_forget_in_place();
	else
		live_forget();
	pending_after_fork();
	limit_after_fork();
	boot_mark();
	/* Random numbers of its own: or all children of one parent would sample the same allocations, and their sum
	 * would be as uncertain as one of them. */
	heap_thread.left = period ? 0 : NEVER;
	heap_thread.seed = 0;
	life = (life + (UINT64_C(1) << ROW_BITS)) & LIFE_MASK;
	if (!host.on)
		heap_off();
}
