/* SPDX-License-Identifier: MIT */
/*
 * output/intern: small numbers for strings, 0, 1, 2... in the order of first sight.
 *
 * Strings are not copied: they must live as long as the table, which lives in an arena.
 */
#ifndef CPROF_OUTPUT_INTERN_H
#define CPROF_OUTPUT_INTERN_H

#include <stdint.h>

#include "core/arena.h"

struct intern {
	struct arena *arena;
	const char **strings; /* [count] */
	uint32_t *slots;      /* number + 1, 0: empty; a power of two, at most half full */
	unsigned count, capacity;
};

#define INTERN_FAILED UINT32_MAX

/* The number of a string, or INTERN_FAILED when there is no memory.
 * Context: signal.  Allocates: arena.  Locks: none. */
uint32_t intern_string(struct intern *t, const char *s);

#endif
