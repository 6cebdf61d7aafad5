/* SPDX-License-Identifier: MIT */
#include "preload/boot.h"

#include <stdatomic.h>
#include <stdint.h>

#include "core/live.h"

#include "core/as_safe.h"

#define BYTES  65536u
#define HEADER 16u /* in front of each: its size */
#define BLOCKS 512u

static _Alignas(4096) char arena[BYTES];
static _Atomic size_t used;
static void *_Atomic blocks[BLOCKS];
static _Atomic unsigned block_count;

void *boot_alloc(size_t alignment, size_t size)
{
	size_t at = atomic_load_explicit(&used, memory_order_relaxed), from;
	unsigned n;

	do {
		from = (at + HEADER + alignment - 1) / alignment * alignment;
		if (alignment > BYTES || size > BYTES || from + size > BYTES)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&used, &at, from + size, memory_order_relaxed, memory_order_relaxed));
	*(size_t *)(arena + from - HEADER) = size;
	n = atomic_fetch_add_explicit(&block_count, 1, memory_order_relaxed);
	if (n >= BLOCKS) /* it would not be marked in a child */
		return NULL;
	atomic_store_explicit(&blocks[n], arena + from, memory_order_relaxed);
	live_mark(arena + from);
	return arena + from;
}

bool boot_owns(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)arena && (uintptr_t)p < (uintptr_t)arena + BYTES;
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
