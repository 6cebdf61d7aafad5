/* SPDX-License-Identifier: MIT */
#include "preload/thread.h"

#include "core/hot.h"
#include "core/sys.h"

#include "core/as_safe.h"

#define CHUNK_SLOTS 64u
#define CHUNKS	    1024u /* 65536 threads */

static struct thread *_Atomic chunks[CHUNKS];
static _Atomic uint32_t chunk_count;
/* Head of the free list: index + 1 in the lower half, a count of changes in the upper, which makes
 * the compare-and-swap fail when the head was taken and put back in between. */
static _Atomic uint64_t free_head;

static __thread struct thread *self;
static __thread unsigned busy;

static struct thread *slot(uint32_t index)
{
	return &atomic_load_explicit(&chunks[index / CHUNK_SLOTS],
				     memory_order_acquire)[index % CHUNK_SLOTS];
}

void thread_put(struct thread *t)
{
	uint64_t head = atomic_load_explicit(&free_head, memory_order_relaxed), next;

	atomic_store_explicit(&t->tid, 0, memory_order_relaxed);
	do {
		atomic_store_explicit(&t->next_free, (uint32_t)head, memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | (t->index + 1);
		/* Release pairs with the acquire in thread_take(): next_free is visible. */
	} while (!atomic_compare_exchange_weak_explicit(
		&free_head, &head, next, memory_order_release, memory_order_relaxed));
}

/* Adds a chunk of slots: the first is returned, the others go to the free list. */
static struct thread *add_chunk(void)
{
	uint32_t n = atomic_fetch_add_explicit(&chunk_count, 1, memory_order_relaxed);

	if (n >= CHUNKS) {
		atomic_fetch_sub_explicit(&chunk_count, 1, memory_order_relaxed);
		return NULL;
	}
	struct thread *c = sys_mmap(NULL, CHUNK_SLOTS * sizeof *c, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(c))
		return NULL; /* the number stays used, with a NULL chunk */
	for (uint32_t i = 0; i < CHUNK_SLOTS; i++)
		c[i].index = n * CHUNK_SLOTS + i;
	/* Release pairs with the acquire in slot() and thread_each(). */
	atomic_store_explicit(&chunks[n], c, memory_order_release);
	for (uint32_t i = 1; i < CHUNK_SLOTS; i++)
		thread_put(&c[i]);
	return c;
}

struct thread *thread_take(void)
{
	uint64_t head = atomic_load_explicit(&free_head, memory_order_acquire), next;
	struct thread *t;

	do {
		if ((uint32_t)head == 0) {
			t = add_chunk();
			break;
		}
		t = slot((uint32_t)head - 1);
		next = ((head >> 32) + 1) << 32 |
		       atomic_load_explicit(&t->next_free, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		&free_head, &head, next, memory_order_acquire, memory_order_acquire));
	if (t) {
		t->timer = -1;
		t->start_function = 0;
		t->stack = (struct uw_stack){0, 0};
		t->stack_bytes = 0;
		t->prof_hidden = false;
		t->prof_awaited = false; /* the last one may have been cancelled */
		atomic_store_explicit(&t->attributed_ns, 0, memory_order_relaxed);
	}
	return t;
}

HOT_PATH struct thread *thread_self(void)
{
	return self;
}

void thread_set_self(struct thread *t)
{
	self = t;
	__asm__ volatile("" ::: "memory"); /* a handler on this thread sees it from here on */
}

void thread_busy_begin(void)
{
	busy++;
	__asm__ volatile("" ::: "memory");
}

void thread_busy_end(void)
{
	__asm__ volatile("" ::: "memory");
	busy--;
}

bool thread_is_busy(void)
{
	return busy != 0;
}

void thread_each(void (*visit)(struct thread *t))
{
	uint32_t count = atomic_load_explicit(&chunk_count, memory_order_acquire);

	for (uint32_t n = 0; n < count && n < CHUNKS; n++) {
		struct thread *c = atomic_load_explicit(&chunks[n], memory_order_acquire);

		for (uint32_t i = 0; c && i < CHUNK_SLOTS; i++)
			if (atomic_load_explicit(&c[i].tid, memory_order_relaxed))
				visit(&c[i]);
	}
}

int thread_for_signal(void)
{
	uint32_t count = atomic_load_explicit(&chunk_count, memory_order_acquire);
	int waits = 0;

	for (uint32_t n = 0; n < count && n < CHUNKS; n++) {
		struct thread *c = atomic_load_explicit(&chunks[n], memory_order_acquire);

		for (uint32_t i = 0; c && i < CHUNK_SLOTS; i++) {
			int tid = atomic_load_explicit(&c[i].tid, memory_order_relaxed);

			if (tid && !atomic_load_explicit(&c[i].prof_hidden, memory_order_relaxed))
				return tid;
			if (tid && atomic_load_explicit(&c[i].prof_awaited, memory_order_relaxed))
				waits = tid;
		}
	}
	return waits;
}

static void put_other(struct thread *t)
{
	if (t != self)
		thread_put(t);
}

void thread_after_fork(void)
{
	busy = 0;
	thread_each(put_other);
}
