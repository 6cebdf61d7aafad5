/* SPDX-License-Identifier: MIT */
/*
 * preload/heap: the sampled allocations of this process: from a wrapper to the store and back.
 *
 * The wrappers (wrap_alloc.c) decide in a few instructions that a call is no sample; what is here runs for one
 * call in a thousand.  The invariant: what an allocation has added to its row is remembered with its address
 * and subtracted when it is freed, before the allocator has it back, so what is in use is never negative and
 * never somebody else's.  A child of fork begins with nothing: what it has inherited is in its parent's profile.
 */
#ifndef CPROF_PRELOAD_HEAP_H
#define CPROF_PRELOAD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/live.h"

/* Of each thread; zero at first, so that its first allocation comes by. */
struct heap_thread {
	int64_t left; /* an allocation of at least so many bytes is to be looked at; below 0 until it was */
	bool stopped; /* for ever */
	uint64_t seed;
};
extern __thread struct heap_thread heap_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Where heap_thread is, behind the thread pointer: beside the rest of HOT_DATA, where the linker's own table would be a line of the
 * cache more. */
extern const uint64_t heap_offset __attribute__((visibility("hidden")));

/* An allocation of size bytes: may it pass without a look?  Inline in every wrapper.  One instruction, so that a handler of the
 * host's that allocates takes nothing away from it, and no compiler makes three of it; what it leaves below 0 is looked at
 * next time, in a handler too, unless this one has drawn anew.  A size that is negative would add: it is always looked at.
 * Context: wrapper. */
static inline bool heap_passes(size_t size)
{
	bool look;

	if (__builtin_expect((int64_t)size < 0, 0))
		return false;
	__asm__("subq %2, %%fs:(%1)" : "=@ccle"(look) : "r"(heap_offset), "r"(size) : "memory");
	return !__builtin_expect(look, 0);
}

/* At start, and where nothing is to be recorded.  Before either the wrappers only forward.
 * Context: own.  Allocates: no.  Locks: none. */
void heap_start(void);
void heap_off(void);

/* The calling thread is to record nothing any more.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void heap_stop_in_thread(void);

/* A comment for every file when allocations are not seen though they were asked for; else NULL.
 * Context: signal. */
const char *heap_remark(void);

/* The mean distance of samples in bytes, 0 when heap profiling is off.
 * Context: signal. */
uint64_t heap_period_bytes(void);

/* The real allocator has given p (NULL: nothing) for size bytes, and heap_passes() has not let the call
 * pass.  entry: of the real function that the host has called.
 * Context: wrapper.  Allocates: store, mmap.  Locks: none. */
void heap_allocated(const void *p, size_t size, const void *entry);

/* p, for which live_likely() is true, is about to be freed or moved: no longer followed.  True when it was a sample:
 * then it counts until heap_freed(), or is followed again, when it was not freed, after heap_kept().
 * Context: wrapper.  Allocates: no.  Locks: none. */
bool heap_release(const void *p, struct live_entry *ret_entry);
void heap_freed(const struct live_entry *entry);
void heap_kept(const void *p, const struct live_entry *entry);

/* In the child of fork.
 * Context: signal.  Allocates: no.  Locks: none. */
void heap_after_fork(void);

#endif
