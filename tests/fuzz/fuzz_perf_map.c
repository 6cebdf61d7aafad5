/* SPDX-License-Identifier: MIT */
/* The perf map reader: any bytes as a map, whose own addresses are looked up. */
#include <stdlib.h>
#include <string.h>

#include "output/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct perf_map map = {.fd = -1, .image = (const char *)bytes, .size_bytes = n};
	struct address list[64] = {{0}};
	struct arena arena = {.max_bytes = 16 << 20};
	struct perf_map_line line;

	(void)perf_map_parse((const char *)bytes, n, &line);
	for (unsigned i = 0; i < 64; i++)
		list[i].address = (uint64_t)i << (i % 24);
	/* Ascending, as they must be; and one that the first line may cover. */
	for (unsigned i = 1; i < 64; i++)
		if (list[i].address < list[i - 1].address)
			list[i].address = list[i - 1].address;
	if (perf_map_resolve(&map, &arena, list, 64) == 0)
		for (unsigned i = 0; i < 64; i++)
			if (list[i].name && strlen(list[i].name) >= PERF_MAP_NAME_MAX)
				abort();
	arena_drop(&arena);
	return 0;
}
