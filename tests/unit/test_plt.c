/* SPDX-License-Identifier: MIT */
#include "output/plt.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

#define BIAS UINT64_C(0x7f0000000000)

/* A file with one stub section, a GOT from 0x3000 on, and relocations; offsets are addresses. */
static struct {
	Elf64_Ehdr head;
	Elf64_Shdr section[8];
	char section_names[96];
	char strings[64];
	Elf64_Sym symbols[4];
	Elf64_Rela plt[4], dyn[4];
	uint8_t code[128];
} image;

#define AT(member) ((uint64_t)((char *)image.member - (char *)&image))

static void add_section(unsigned i, const char *name, uint32_t type, uint64_t flags, uint64_t at,
			uint64_t bytes, uint64_t entry)
{
	static size_t used;

	if (i == 1)
		used = 1;
	image.section[i] = (Elf64_Shdr){
		.sh_name = (uint32_t)used,
		.sh_type = type,
		.sh_flags = flags,
		.sh_addr = at,
		.sh_offset = at,
		.sh_size = bytes,
		.sh_entsize = entry,
		.sh_link = 2, /* the strings, for the symbols */
	};
	strcpy(image.section_names + used, name);
	used += strlen(name) + 1;
}

static void build(const char *stubs, uint64_t entry)
{
	static const char strings[] = "\0alpha\0beta\0gamma";

	memset(&image, 0, sizeof image);
	memcpy(image.head.e_ident, ELFMAG, SELFMAG);
	image.head.e_ident[EI_CLASS] = ELFCLASS64;
	image.head.e_ident[EI_DATA] = ELFDATA2LSB;
	image.head.e_machine = EM_X86_64;
	image.head.e_shoff = AT(section);
	image.head.e_shentsize = sizeof(Elf64_Shdr);
	image.head.e_shnum = 7;
	image.head.e_shstrndx = 1;
	add_section(1, ".shstrtab", SHT_STRTAB, 0, AT(section_names), sizeof image.section_names,
		    0);
	add_section(2, ".dynstr", SHT_STRTAB, SHF_ALLOC, AT(strings), sizeof image.strings, 0);
	add_section(3, ".dynsym", SHT_DYNSYM, SHF_ALLOC, AT(symbols), sizeof image.symbols,
		    sizeof(Elf64_Sym));
	add_section(4, ".rela.plt", SHT_RELA, SHF_ALLOC, AT(plt), sizeof image.plt,
		    sizeof(Elf64_Rela));
	add_section(5, ".rela.dyn", SHT_RELA, SHF_ALLOC, AT(dyn), sizeof image.dyn,
		    sizeof(Elf64_Rela));
	add_section(6, stubs, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, AT(code), sizeof image.code,
		    entry);
	memcpy(image.strings, strings, sizeof strings);
	image.symbols[1].st_name = 1;
	image.symbols[2].st_name = 7;
	image.symbols[3].st_name = 12;
}

static Elf64_Rela rela(uint64_t slot, unsigned type, uint64_t symbol, int64_t addend)
{
	return (Elf64_Rela){slot, ELF64_R_INFO(symbol, type), addend};
}

/* The bytes of a jump to a slot at code[at]. */
static void jump(unsigned at, const char *before, size_t n, uint64_t slot)
{
	int32_t displacement = (int32_t)(slot - (AT(code) + at + n + 6));

	memcpy(image.code + at, before, n);
	memcpy(image.code + at + n, "\xff\x25", 2);
	memcpy(image.code + at + n + 2, &displacement, 4);
}

static struct arena arena;
static struct plt_resolvers resolvers;

static const char *name_at(unsigned code_offset)
{
	static char name[64];
	struct address a = {.address = BIAS + AT(code) + code_offset};
	struct elf e;

	CHECK_EQ(elf_open_image(&e, &image, sizeof image), 0);
	CHECK_EQ(plt_resolve(&e, BIAS, &arena, &a, 1, &resolvers), 0);
	snprintf(name, sizeof name, "%s", a.name ? a.name : "(none)");
	return name;
}

TEST(plt_classic_stubs_are_named_by_the_slot_and_not_by_their_order)
{
	build(".plt", 16);
	image.plt[0] = rela(0x3018, R_X86_64_JUMP_SLOT, 1, 0);
	image.plt[1] = rela(0x3020, R_X86_64_JUMP_SLOT, 2, 0);
	memcpy(image.code, "\xff\x35\0\0\0\0\xff\x25", 8); /* the entry that all share */
	jump(16, "", 0, 0x3020);
	jump(32, "", 0, 0x3018);
	jump(48, "", 0, 0x3028); /* a slot that nothing fills */
	CHECK_STR(name_at(16), "beta@plt");
	CHECK_STR(name_at(22), "beta@plt"); /* behind the jump, when it is bound lazily */
	CHECK_STR(name_at(31), "beta@plt");
	CHECK_STR(name_at(32), "alpha@plt");
	CHECK_STR(name_at(0), "(none)");
	CHECK_STR(name_at(8), "(none)");
	CHECK_STR(name_at(48), "(none)");
	CHECK_STR(name_at(64), "(none)"); /* zeros are no stub */
	arena_drop(&arena);
}

TEST(plt_stubs_for_ibt_are_named)
{
	build(".plt.sec", 16);
	image.plt[0] = rela(0x3018, R_X86_64_JUMP_SLOT, 1, 0);
	image.plt[1] = rela(0x3020, R_X86_64_JUMP_SLOT, 3, 0);
	jump(0, "\xf3\x0f\x1e\xfa\xf2", 5, 0x3018); /* endbr64; bnd jmp */
	jump(16, "\xf3\x0f\x1e\xfa", 4, 0x3020);    /* as newer linkers have it */
	CHECK_STR(name_at(0), "alpha@plt");
	CHECK_STR(name_at(4), "alpha@plt");
	CHECK_STR(name_at(20), "gamma@plt");
	arena_drop(&arena);
}

TEST(plt_lazy_half_of_an_ibt_stub_is_named_by_its_number)
{
	build(".plt", 16);
	image.plt[0] = rela(0x3018, R_X86_64_JUMP_SLOT, 1, 0);
	image.plt[1] = rela(0x3020, R_X86_64_JUMP_SLOT, 2, 0);
	memcpy(image.code + 16, "\xf3\x0f\x1e\xfa\x68\1\0\0\0\xf2\xe9", 11);
	memcpy(image.code + 32, "\xf3\x0f\x1e\xfa\x68\0\0\0\x80\xf2\xe9", 11);
	CHECK_STR(name_at(16), "beta@plt");
	CHECK_STR(name_at(25), "beta@plt");
	CHECK_STR(name_at(32), "(none)"); /* no such number */
	arena_drop(&arena);
}

TEST(plt_got_stubs_of_eight_bytes_are_named_by_other_relocations)
{
	build(".plt.got", 8);
	image.dyn[0] = rela(0x3018, R_X86_64_RELATIVE, 0, 0x1000);
	image.dyn[1] = rela(0x3020, R_X86_64_GLOB_DAT, 3, 0);
	jump(0, "", 0, 0x3018);
	jump(8, "", 0, 0x3020);
	CHECK_STR(name_at(0), "(none)");
	CHECK_STR(name_at(8), "gamma@plt");
	CHECK_STR(name_at(15), "gamma@plt");
	arena_drop(&arena);
}

TEST(plt_stub_of_a_resolver_gets_the_resolvers_name)
{
	build(".plt", 16);
	image.plt[0] = rela(0x3018, R_X86_64_IRELATIVE, 0, 0x5000);
	image.plt[1] = rela(0x3020, R_X86_64_IRELATIVE, 0, 0x4000);
	jump(16, "", 0, 0x3018);
	jump(32, "", 0, 0x3020);
	struct address a[] = {{.address = BIAS + AT(code) + 16},
			      {.address = BIAS + AT(code) + 18},
			      {.address = BIAS + AT(code) + 32}};
	struct elf e;
	CHECK_EQ(elf_open_image(&e, &image, sizeof image), 0);
	CHECK_EQ(plt_resolve(&e, BIAS, &arena, a, 3, &resolvers), 0);
	CHECK_EQ(resolvers.n, 3);
	CHECK_EQ(resolvers.list[0].address, BIAS + 0x4000); /* ascending */
	CHECK_EQ(resolvers.list[1].address, BIAS + 0x5000);
	resolvers.list[1].name = resolvers.list[2].name = "memcpy";
	CHECK_EQ(plt_name_by_resolvers(&resolvers, &arena), 0);
	CHECK_STR(a[0].name, "memcpy@plt");
	CHECK(a[1].name == a[0].name);
	CHECK(a[2].name == NULL);
	arena_drop(&arena);
}

TEST(plt_of_this_program_agrees_with_its_relocations)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct elf e;
	unsigned named = 0;

	CHECK_EQ(elf_open_fd(&e, fd), 0);
	const struct elf_section *plt = &e.section[ELF_PLT], *relas = &e.section[ELF_RELA_PLT];
	if (!plt->bytes || relas->bytes < 10 * sizeof(Elf64_Rela)) {
		close(fd);
		SKIP("linked without a classic .plt");
	}
	unsigned n = (unsigned)(plt->bytes / 16);
	struct address *a = calloc(n, sizeof *a);
	for (unsigned i = 0; i < n; i++)
		a[i].address = BIAS + plt->address + 16 * i + 3;
	CHECK_EQ(plt_resolve(&e, BIAS, &arena, a, n, &resolvers), 0);
	CHECK(a[0].name == NULL);
	for (unsigned i = 1; i < n; i++) { /* GNU ld keeps the order of the relocations */
		char wanted[256];
		Elf64_Rela r;
		uint64_t name;

		CHECK_EQ(elf_read(&e, relas->at + (i - 1) * sizeof r, &r, sizeof r), 0);
		CHECK_EQ(elf_symbol_name(&e, ELF_DYNSYM, ELF64_R_SYM(r.r_info), &name), 0);
		CHECK(elf_name(&e, ELF_DYNSYM, name, wanted, sizeof wanted - 4) > 0);
		strcat(wanted, "@plt");
		CHECK_STR(a[i].name ? a[i].name : "(none)", wanted);
		named++;
	}
	CHECK(named >= 10);
	free(a);
	close(fd);
	arena_drop(&arena);
}

TEST(plt_out_of_memory_is_an_error)
{
	struct arena tiny = {.max_bytes = 1};
	struct address a = {.address = BIAS + AT(code) + 16};
	struct elf e;

	build(".plt", 16);
	image.plt[0] = rela(0x3018, R_X86_64_JUMP_SLOT, 1, 0);
	jump(16, "", 0, 0x3018);
	CHECK_EQ(elf_open_image(&e, &image, sizeof image), 0);
	CHECK_EQ(plt_resolve(&e, BIAS, &tiny, &a, 1, &resolvers), -ENOMEM);
	a.address = BIAS + 1; /* in no stub: nothing is needed */
	CHECK_EQ(plt_resolve(&e, BIAS, &tiny, &a, 1, &resolvers), 0);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

TEST(plt_survives_damaged_files)
{
	struct address a[sizeof image.code];

	for (unsigned round = 0; round < 20000; round++) {
		struct elf e;

		build(round % 2 ? ".plt" : ".plt.sec", 16);
		for (unsigned i = 0; i < 4; i++)
			image.plt[i] = rela(0x3018 + 8 * i,
					    i == 3 ? R_X86_64_IRELATIVE : R_X86_64_JUMP_SLOT, i, 0);
		for (unsigned i = 0; i < 4; i++)
			jump(16 * i, "", 0, 0x3018 + 8 * i);
		for (unsigned k = next_random() % 8; k; k--) {
			uint64_t value = next_random() >> next_random() % 64;
			size_t at = sizeof image.head + next_random() % (sizeof image - 80);

			memcpy((char *)&image + at, &value, 1 + next_random() % 8);
		}
		if (elf_open_image(&e, &image, sizeof image) < 0)
			continue;
		for (unsigned i = 0; i < sizeof image.code; i++)
			a[i] = (struct address){.address = BIAS + AT(code) + i};
		(void)plt_resolve(&e, BIAS, &arena, a, sizeof image.code, &resolvers);
		arena_drop(&arena);
	}
}
