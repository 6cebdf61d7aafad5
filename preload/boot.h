/* SPDX-License-Identifier: MIT */
/*
 * preload/boot: memory for calls of malloc that come while the real one is being looked for: dlsym() may allocate.
 *
 * A few KiB that are never given back.  Such a pointer may come back to free() or realloc() at
 * any later time; it is marked in the filter of core/live, so that the fast path of free() need not know of it.
 *
 * Context of all: wrapper.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_PRELOAD_BOOT_H
#define CPROF_PRELOAD_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_BYTES 65536u

/* Hidden, and here only for boot_owns(). */
extern char boot_arena[BOOT_BYTES] __attribute__((visibility("hidden")));

/* Zeroed memory; alignment: a power of two, at least 16.  NULL when there is no more. */
void *boot_alloc(size_t alignment, size_t size);

static inline bool boot_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)boot_arena < BOOT_BYTES;
}

/* What was asked for. */
size_t boot_size(const void *p);

/* Marks again, after live_forget(). */
void boot_mark(void);

#endif
