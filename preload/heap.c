/* SPDX-License-Identifier: MIT */
#include "preload/heap.h"

#include "core/hot.h"
#include "core/sampling.h"
#include "core/store.h"
#include "core/sys.h"
#include "core/text.h"
#include "preload/alloc.h"
#include "preload/boot.h"
#include "preload/clock.h"
#include "preload/host.h"
#include "preload/limit.h"
#include "preload/pending.h"
#include "preload/record.h"
#include "preload/recorder.h"

#include "core/as_safe.h"

#define NEVER	     INT64_MAX
#define PERIOD_LATER UINT64_MAX /* before heap_start() */

/* In the row of a struct live_entry, above the place in the store: how often we have been the child of fork.  What was
 * begun in the parent is not in our rows. */
#define ROW_BITS  40
#define LIFE_MASK (UINT64_C(0xffff) << ROW_BITS)
static uint64_t life;

__thread struct heap_thread heap_thread;
_Static_assert(offsetof(struct heap_thread, left) == 0, "heap_passes() counts at its start");
/* An own relocation (IRELATIVE): its resolver reads what the linker's table says, which comes before. */
__asm__(".pushsection cprof_hot, \"aw\"\n"
	".balign 8\n"
	".globl heap_offset\n"
	".hidden heap_offset\n"
	"heap_offset: .quad heap_offset_now\n"
	".popsection\n"
	".pushsection .text\n"
	".type heap_offset_now, @gnu_indirect_function\n"
	"heap_offset_now: movq heap_thread@gottpoff(%rip), %rax\n"
	"ret\n"
	".size heap_offset_now, . - heap_offset_now\n"
	".popsection");

static uint64_t period = PERIOD_LATER; /* written before there is a second thread */
static char remark[320];

static void begin(uint64_t period_bytes)
{
	period = period_bytes;
	heap_thread.left = period ? 0 : NEVER;
}

void heap_stop_in_thread(void)
{
	heap_thread.left = NEVER;
	heap_thread.stopped = true;
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
	if (period <= 1 || t->stopped) {
		t->left = period && !t->stopped ? 0 : NEVER;
		return;
	}
	if (!t->seed)
		t->seed = clock_now_ns() ^ (uint64_t)sys_gettid() << 32;
	t->left = (int64_t)sampling_gap(&t->seed, period);
}

static bool is_of_this_life(const struct live_entry *entry)
{
	return (entry->row_at & LIFE_MASK) == life;
}

/* In its row it is no longer in use. */
HOT_PATH static void forget_row(const struct live_entry *entry)
{
	const uint64_t values[] = {entry->objects, entry->bytes};
	struct store *s = recorder_existing();

	if (pending_is(entry->row_at))
		pending_freed(entry->row_at, values);
	else if (s)
		store_add_to(s, entry->row_at & ~LIFE_MASK, HEAP_FREE_OBJECTS, values, 2);
}

HOT_PATH static void freed(const struct live_entry *entry)
{
	if (!is_of_this_life(entry))
		return;
	limit_freed(entry->bytes);
	forget_row(entry);
}

HOT_PATH static void record(const void *p, size_t size, const void *entry)
{
	struct sampling_weight weight = sampling_weigh(size, period);
	const struct record_sample sample = {
		.kind = KIND_HEAP,
		.leaf = entry,
		.values = {weight.objects, weight.bytes, 0, 0},
		.may_wait = period > 1, /* who wants to see every allocation has a store for them */
	};
	struct live_entry live = {.objects = weight.objects, .bytes = weight.bytes};
	struct live_entry old;
	const uint64_t now_life = life;
	struct store *s;
	uint64_t now_ns;

	if (!record_call(&sample, &live.row_at)) {
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

HOT_PATH void heap_allocated(const void *p, size_t size, const void *entry)
{
	struct heap_thread *t = &heap_thread;
	bool born = t->seed != 0;

	if (period == PERIOD_LATER) /* the loader, before our start */
		return;
	draw(t);
	if (t->stopped)
		return;
	/* The first allocation of a thread only gets it a distance. */
	if (period > 1 && !born && size < (uint64_t)t->left) {
		t->left -= (int64_t)size;
		return;
	}
	if (period > 1 && !born)
		draw(t);
	if (p && period && record_is_on()) {
		bool was = record_enter();

		record(p, size, entry);
		record_leave(was);
	}
}

HOT_PATH bool heap_release(const void *p, struct live_entry *ret_entry)
{
	bool was, found;

	(void)host_memory_is_here(); /* in a copy of our memory nothing is followed */
	was = record_enter();
	found = live_take(p, ret_entry);
	record_leave(was);
	return found;
}

HOT_PATH void heap_freed(const struct live_entry *entry)
{
	bool was = record_enter();

	freed(entry);
	record_leave(was);
}

void heap_kept(const void *p, const struct live_entry *entry)
{
	bool was = record_enter();

	if (is_of_this_life(entry) && !live_add(p, entry)) {
		recorder_lost(LOST_LIVE, 1);
		freed(entry);
	}
	record_leave(was);
}

void heap_after_fork(void)
{
	if (record_is_interrupted())
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
