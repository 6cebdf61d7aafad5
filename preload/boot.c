/* SPDX-License-Identifier: MIT */
#include "preload/boot.h"

#include <stdatomic.h>
#include <stdint.h>

#include "core/live.h"

#include "core/as_safe.h"

/* In front of each: its size, and what glibc has in front of a mapping of that size, so that its
 * malloc_usable_size() has an answer. */
#define HEADER	   16u
#define IS_MMAPPED 2u
#define BLOCKS	   512u

char boot_arena[BOOT_BYTES] __attribute__((aligned(4096)));
static _Atomic size_t used;
static void *_Atomic blocks[BLOCKS];
static _Atomic unsigned block_count;

void *boot_alloc(size_t alignment, size_t size)
{
	size_t at = atomic_load_explicit(&used, memory_order_relaxed), from;
	unsigned n;

	do {
		from = (at + HEADER + alignment - 1) / alignment * alignment;
		if (alignment > BOOT_BYTES || size > BOOT_BYTES || from + size > BOOT_BYTES)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&used, &at, from + size, memory_order_relaxed, memory_order_relaxed));
	*(size_t *)(boot_arena + from - HEADER) = size;
	*(size_t *)(boot_arena + from - sizeof(size_t)) =
		(size + 2 * HEADER - 1) / HEADER * HEADER | IS_MMAPPED;
	n = atomic_fetch_add_explicit(&block_count, 1, memory_order_relaxed);
	if (n >= BLOCKS) /* it would not be marked in a child */
		return NULL;
	atomic_store_explicit(&blocks[n], boot_arena + from, memory_order_relaxed);
	live_mark(boot_arena + from);
	return boot_arena + from;
}

size_t boot_size(const void *p)
{
	return *(const size_t *)((const char *)p - HEADER);
}

void boot_mark(void)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		void *p = atomic_load_explicit(&blocks[i], memory_order_relaxed);

		if (p)
			live_mark(p);
	}
}
