/* SPDX-License-Identifier: MIT */
/*
 * output/sort: sorting without malloc (libc's qsort has one) and without recursion.
 *
 * Items are small and carry the index of what they stand for.  The order is total, by key and then
 * by value, so equal keys come out the same way in every run although the sort is not stable.
 */
#ifndef CPROF_OUTPUT_SORT_H
#define CPROF_OUTPUT_SORT_H

#include <stddef.h>
#include <stdint.h>

struct sort_item {
	uint64_t key;
	uint64_t value;
};

/* Ascending heap sort, n log n in the worst case.
 * Context: signal.  Allocates: no.  Locks: none. */
void sort_items(struct sort_item *items, size_t n);

#endif
