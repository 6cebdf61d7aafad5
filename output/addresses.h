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

/* The same for a long table of ranges: which addresses are in each 2^shift bytes of what the list covers.
 * A table of 40,000 symbols costs half a millisecond less. */
#define ADDRESSES_CELLS 2048u
struct addresses_index {
	const struct address *list;
	unsigned n, shift;
	uint32_t first[ADDRESSES_CELLS + 1]; /* of each cell */
};
void addresses_index_make(struct addresses_index *x, const struct address *list, unsigned n);
unsigned addresses_index_first(const struct addresses_index *x, uint64_t address);

bool addresses_all_named(const struct address *list, unsigned n);

#endif
