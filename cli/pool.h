/* SPDX-License-Identifier: MIT */
/*
 * cli/pool: equal byte strings get one number, 0, 1, 2... in the order of their first appearance.
 *
 * The bytes are copied, end with a NUL that is not counted, and stay where they are until
 * pool_free(), so equal strings are also equal pointers.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_POOL_H
#define CPROF_CLI_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool_entry {
	uint64_t hash;
	const char *bytes;
	size_t n;
};

struct pool_chunk;
struct pool { /* all zero: empty */
	struct pool_entry *entries;
	size_t count, capacity;
	uint32_t *slots; /* number + 1; 0: free */
	size_t slot_count;
	struct pool_chunk *chunks;
};

/* Number of the string; *ret_new, when not NULL: it is a new one. */
uint32_t pool_put(struct pool *t, const void *bytes, size_t n, bool *ret_new);

/* The copy of a string. */
const char *pool_text(struct pool *t, const char *s);

void pool_free(struct pool *t);

#endif
