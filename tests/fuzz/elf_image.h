/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/elf_image: the smallest ELF file with a build id and named functions.
 *
 * Code at virtual address 0x1000 to 0x1300: a C++ function, a Rust one, one without a readable name,
 * then code that no symbol covers.
 */
#ifndef CPROF_TESTS_FUZZ_ELF_IMAGE_H
#define CPROF_TESTS_FUZZ_ELF_IMAGE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ELF_IMAGE_BUILD_ID "one build id of 20 b"

struct elf_image {
	Elf64_Ehdr head;
	Elf64_Phdr note_segment;
	struct {
		Elf64_Nhdr head;
		char name[4], build_id[20];
	} note;
	Elf64_Sym symbols[4];
	char strings[64];
	Elf64_Shdr sections[3];
};
#define ELF_IMAGE_BYTES sizeof(struct elf_image)

static inline void elf_image(void *to)
{
	static const char strings[] = "\0_ZN3foo3barIiEEvT_\0_RNvC1a4main\0plain\xff@@V1";
	struct elf_image e = {
		.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     1},
			 .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_version = 1,
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phoff = offsetof(struct elf_image, note_segment),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shoff = offsetof(struct elf_image, sections),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3},
		.note_segment = {.p_type = PT_NOTE,
				 .p_offset = offsetof(struct elf_image, note),
				 .p_filesz = sizeof e.note,
				 .p_align = 4},
		.note = {{4, 20, NT_GNU_BUILD_ID}, ELF_NOTE_GNU, ELF_IMAGE_BUILD_ID},
		.sections = {[1] = {.sh_type = SHT_SYMTAB,
				    .sh_offset = offsetof(struct elf_image, symbols),
				    .sh_size = sizeof e.symbols,
				    .sh_entsize = sizeof(Elf64_Sym),
				    .sh_link = 2},
			     [2] = {.sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct elf_image, strings),
				    .sh_size = sizeof e.strings}},
	};
	static const unsigned names[] = {1, 21, 34};

	for (unsigned i = 0; i < 3; i++)
		e.symbols[i + 1] = (Elf64_Sym){.st_name = names[i],
					       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					       .st_shndx = 1,
					       .st_value = 0x1000 + 0x100 * i,
					       .st_size = 0x100};
	memcpy(e.strings, strings, sizeof strings);
	memcpy(to, &e, sizeof e);
}

#endif
