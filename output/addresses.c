/* SPDX-License-Identifier: MIT */
#include "output/addresses.h"

#include <stddef.h>

#include "core/as_safe.h"

static unsigned first_between(const struct address *list, unsigned low, unsigned high,
			      uint64_t address)
{
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned addresses_first(const struct address *list, unsigned n, uint64_t address)
{
	return first_between(list, 0, n, address);
}

void addresses_index_make(struct addresses_index *x, const struct address *list, unsigned n)
{
	unsigned cell = 0;

	x->list = list;
	x->n = n;
	x->shift = 0;
	if (!n)
		return;
	while ((list[n - 1].address - list[0].address) >> x->shift >= ADDRESSES_CELLS)
		x->shift++;
	for (unsigned i = 0; i < n; i++)
		while (cell <= (list[i].address - list[0].address) >> x->shift)
			x->first[cell++] = i;
	while (cell <= ADDRESSES_CELLS)
		x->first[cell++] = n;
}

unsigned addresses_index_first(const struct addresses_index *x, uint64_t address)
{
	uint64_t cell;

	if (!x->n || address <= x->list[0].address)
		return 0;
	cell = (address - x->list[0].address) >> x->shift;
	if (cell >= ADDRESSES_CELLS)
		return x->n;
	return first_between(x->list, x->first[cell], x->first[cell + 1], address);
}

bool addresses_all_named(const struct address *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!list[i].name)
			return false;
	return true;
}
