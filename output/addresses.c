/* SPDX-License-Identifier: MIT */
#include "output/addresses.h"

#include <stddef.h>

#include "core/as_safe.h"

unsigned addresses_first(const struct address *list, unsigned n, uint64_t address)
{
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool addresses_all_named(const struct address *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!list[i].name)
			return false;
	return true;
}
