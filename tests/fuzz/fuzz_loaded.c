/* SPDX-License-Identifier: MIT */
/* A module in memory: any bytes as what is loaded, without relocation. */
#include "output/loaded.h"

static bool look(void *opaque, const struct elf_symbol *symbol)
{
	char name[64];

	(void)elf_name(opaque, ELF_DYNSYM, symbol->name, name, sizeof name);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct elf e = {.fd = -1, .image = bytes, .size_bytes = n};

	if (loaded_read(&e) == 0)
		(void)elf_symbols(&e, ELF_DYNSYM, look, &e);
	return 0;
}
