/* SPDX-License-Identifier: MIT */
#include "output/sort.h"

#include <stdbool.h>

#include "core/as_safe.h"

static bool less(const struct sort_item *a, const struct sort_item *b)
{
	return a->key != b->key ? a->key < b->key : a->value < b->value;
}

/* Lets the item at the root of a heap of n sink to its place. */
static void sift_down(struct sort_item *heap, size_t at, size_t n)
{
	struct sort_item item = heap[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && less(&heap[child], &heap[child + 1]))
			child++;
		if (!less(&item, &heap[child]))
			break;
		heap[at] = heap[child];
	}
	heap[at] = item;
}

void sort_items(struct sort_item *items, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(items, i, n);
	for (size_t left = n; left > 1; left--) {
		struct sort_item top = items[0];

		items[0] = items[left - 1];
		items[left - 1] = top;
		sift_down(items, 0, left - 1);
	}
}
