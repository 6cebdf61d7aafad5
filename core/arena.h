/* SPDX-License-Identifier: MIT */
/*
 * core/arena: memory that lives as long as one piece of work (a dump, a command) and is dropped
 * whole.
 *
 * It comes from mmap, so nothing here enters the host's malloc: a dump works while every malloc
 * lock is held or the heap is corrupt.  One owner at a time; no lock.  A child of fork does not
 * inherit it (MADV_DONTFORK): it must forget the arena.
 */
#ifndef CPROF_CORE_ARENA_H
#define CPROF_CORE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; owner, or who finds the owner dead */
	size_t mapped_bytes;	    /* sum of all chunks, for tests and for a cap */
	size_t max_bytes;	    /* 0: no cap */
};

/* Returns n zeroed bytes aligned to 16, or NULL when the kernel or the cap refuses.
 * Context: signal.  Allocates: mmap, in steps of at least 256 KiB.  Locks: none. */
void *arena_alloc(struct arena *a, size_t n);

/* Copies n bytes and appends a NUL; NULL as arena_alloc.
 * Context: signal.  Allocates: arena.  Locks: none. */
char *arena_strndup(struct arena *a, const char *s, size_t n);

/* Gives everything back; the arena is then empty and usable again.  Also for an arena whose owner,
 * another process with our memory, was killed at any instruction.
 * Context: signal.  Allocates: no.  Locks: none. */
void arena_drop(struct arena *a);

#endif
