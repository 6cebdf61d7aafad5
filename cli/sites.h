/* SPDX-License-Identifier: MIT */
/*
 * cli/sites: the places of a heap profile that hold memory: what was allocated by one stack of functions, and how
 * much of that is still there.
 *
 * Functions that allocate for others (malloc, operator new, strdup) are no place: they are taken off the stack, and the
 * outermost of them is what the place is said to have called.  The sums of a difference are kept apart:
 * a place has what it is now and what it was in the base.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_SITES_H
#define CPROF_CLI_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pool.h"
#include "cli/profile.h"

struct site_sums {
	int64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
};

struct site {
	const char *by;	    /* the allocating function that it called; "" when there is none */
	size_t first_frame; /* of sites.frames, innermost first */
	uint32_t frame_count;
	struct site_sums now, base;
	bool in_base;
};

struct sites {
	struct site *list;
	size_t count, capacity;
	const char **frames; /* names; "[libfoo.so]" and "<unknown>" for what has none */
	size_t frame_count, frame_capacity;
	struct site_sums now, base; /* of all samples, those without a stack included */
	struct pool texts, keys;
};

/* 0, or -ENOENT when the profile has not the four columns of a heap.  depth: how many functions tell places apart,
 * from the innermost on; 0: all.  Stacks that are empty, filtered ones, are no place.  In the order of what they
 * hold, or of what they have grown when by_growth. */
int sites_make(struct sites *s, const struct profile *p, size_t depth, bool by_growth);
void sites_free(struct sites *s);

/* What it holds more than in the base. */
int64_t site_growth(const struct site *s);

/* A function that allocates for who calls it. */
bool sites_is_allocator(const char *name);

#endif
