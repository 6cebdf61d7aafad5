/* SPDX-License-Identifier: MIT */
/* An ELF file's stubs and link: any bytes as a file, addresses all over its stub sections. */
#include <string.h>

#include "output/debug_file.h"
#include "output/plt.h"

#define ADDRESSES 96u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena arena = {.max_bytes = 16 << 20};
	struct plt_resolvers resolvers;
	struct debug_link link;
	struct elf e;

	if (elf_open_image(&e, bytes, n) < 0)
		return 0;
	(void)debug_link_read(&e, &link);
	for (enum elf_section_kind kind = ELF_PLT; kind <= ELF_PLT_GOT; kind++) {
		struct address list[ADDRESSES] = {{0}};

		for (unsigned i = 0; i < ADDRESSES; i++)
			list[i].address = e.section[kind].address + i * 5;
		if (list[ADDRESSES - 1].address < list[0].address)
			continue;
		if (plt_resolve(&e, 0, &arena, list, ADDRESSES, &resolvers) == 0) {
			for (unsigned i = 0; i < resolvers.n; i++)
				resolvers.list[i].name = i % 2 ? "f" : NULL;
			(void)plt_name_by_resolvers(&resolvers, &arena);
		}
	}
	arena_drop(&arena);
	return 0;
}
