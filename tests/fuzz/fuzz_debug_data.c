/* SPDX-License-Identifier: MIT */
/* .gnu_debugdata: any bytes as an xz file, and what comes out as an ELF file. */
#include "output/debug_data.h"

static bool look(void *opaque, const struct elf_symbol *symbol)
{
	char name[64];

	(void)elf_name(opaque, ELF_SYMTAB, symbol->name, name, sizeof name);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct elf e = {.fd = -1, .image = bytes, .size_bytes = n}, inner;
	struct arena arena = {.max_bytes = 16 << 20};

	e.section[ELF_DEBUG_DATA] = (struct elf_section){.bytes = n};
	if (debug_data_open(&e, &arena, &inner) == 0)
		(void)elf_symbols(&inner, ELF_SYMTAB, look, &inner);
	arena_drop(&arena);
	return 0;
}
