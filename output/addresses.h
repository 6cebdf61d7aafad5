/* SPDX-License-Identifier: MIT */
/*
 * output/addresses: code addresses that want names, in ascending order.
 *
 * Whoever knows names (a symbol table, a PLT, a perf map) streams through what it knows, which may be
 * millions of ranges, and asks for each which of the few addresses are in it.
 *
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_OUTPUT_ADDRESSES_H
#define CPROF_OUTPUT_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

struct address {
	uint64_t address; /* at run time */
	const char *name; /* result: linkage name without a version, NULL: nobody knows one */
	/* How good the name is, and where it comes from; for who is naming. */
	uint64_t symbol_start;
	unsigned symbol_rank;
	uint64_t symbol_name; /* where the name is, + 1, while it is not copied; 0: nowhere */
};

/* Index of the first one that is at or above an address; n when there is none. */
unsigned addresses_first(const struct address *list, unsigned n, uint64_t address);

bool addresses_all_named(const struct address *list, unsigned n);

#endif
