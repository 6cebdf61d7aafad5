/* SPDX-License-Identifier: MIT */
#include "output/plt.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "core/text.h"
#include "output/sort.h"

#include "core/as_safe.h"

#define STUB_BYTES  16u
#define NAME_BYTES  2048u
#define BLOCK_RELAS 128u
#define RELAS_MAX   (UINT64_C(8) << 20) /* of one section; libLLVM has 300,000 */
#define WORK_MAX    50000000u		/* stubs times relocations of one slot: damage ends there */
#define TAIL	    "@plt"

/* One run over a module. */
struct run {
	const struct elf *elf;
	uint64_t bias;
	struct arena *arena;
	struct address *list;
	/* Of each stub that is looked for its slot as linked, and the index of its address. */
	struct sort_item *slots;
	unsigned slot_count;
	/* Of each that has a resolver that, and again the index. */
	struct sort_item *resolvers;
	unsigned resolver_count;
	unsigned work;
};

/* The slot that a stub jumps through, given where it is linked; 0: it is none of the known forms. */
static uint64_t slot_of(const struct run *r, const uint8_t *code, uint64_t stub)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const struct elf_section *relas = &r->elf->section[ELF_RELA_PLT];
	unsigned i = memcmp(code, endbr64, sizeof endbr64) == 0 ? 4 : 0;
	Elf64_Rela rela;
	int32_t displacement;
	uint32_t number;

	if (code[i] == 0xff && code[i + 1] == 0x35)
		return 0;      /* push *x(%rip): the entry that all share */
	if (code[i] == 0x68) { /* push $number: see the header */
		memcpy(&number, code + i + 1, sizeof number);
		if (number < relas->bytes / sizeof rela &&
		    elf_read(r->elf, relas->at + number * sizeof rela, &rela, sizeof rela) == 0)
			return rela.r_offset;
		return 0;
	}
	if (code[i] == 0xf2) /* bnd */
		i++;
	if (code[i] != 0xff || code[i + 1] != 0x25) /* jmp *x(%rip) */
		return 0;
	memcpy(&displacement, code + i + 2, sizeof displacement);
	return stub + i + 6 + (uint64_t)(int64_t)displacement;
}

static void add_stub(struct run *r, const struct elf_section *s, unsigned index)
{
	uint64_t size = s->entry_bytes == 8 ? 8 : STUB_BYTES;
	uint64_t at = (r->list[index].address - r->bias - s->address) / size * size;
	uint8_t code[STUB_BYTES] = {0};

	if (s->bytes - at < size || elf_read(r->elf, s->at + at, code, size) < 0)
		return;
	uint64_t slot = slot_of(r, code, s->address + at);
	if (slot)
		r->slots[r->slot_count++] = (struct sort_item){.key = slot, .value = index};
}

/* Notes the slots of all addresses in stubs.  -ENOMEM or 0. */
static int find_slots(struct run *r, unsigned n)
{
	for (enum elf_section_kind kind = ELF_PLT; kind <= ELF_PLT_GOT; kind++) {
		const struct elf_section *s = &r->elf->section[kind];
		uint64_t start = s->address + r->bias, end = start + s->bytes;

		if (s->bytes == 0 || end < start)
			continue;
		for (unsigned i = addresses_first(r->list, n, start);
		     i < n && r->list[i].address < end; i++) {
			/* A section may claim what another has claimed: at most three times. */
			if (!r->slots)
				r->slots = arena_alloc(r->arena, 3 * n * sizeof *r->slots);
			if (!r->slots)
				return -ENOMEM;
			if (!r->list[i].name)
				add_stub(r, s, i);
		}
	}
	return 0;
}

/* The first stub with this slot; slot_count when there is none. */
static unsigned first_with(const struct run *r, uint64_t slot)
{
	unsigned low = 0, high = r->slot_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (r->slots[middle].key < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->slot_count && r->slots[low].key == slot ? low : r->slot_count;
}

static const char *with_tail(struct arena *a, const char *name, size_t length)
{
	char *copy = arena_alloc(a, length + sizeof TAIL);

	if (copy) {
		memcpy(copy, name, length);
		memcpy(copy + length, TAIL, sizeof TAIL);
	}
	return copy;
}

static int apply(struct run *r, const Elf64_Rela *rela)
{
	unsigned first = first_with(r, rela->r_offset);
	char buf[NAME_BYTES];
	const char *name = NULL;
	uint64_t at;

	if (first == r->slot_count)
		return 0;
	if (ELF64_R_TYPE(rela->r_info) != R_X86_64_IRELATIVE) {
		if (ELF64_R_SYM(rela->r_info) == 0 ||
		    elf_symbol_name(r->elf, ELF_DYNSYM, ELF64_R_SYM(rela->r_info), &at) < 0)
			return 0;
		int length = elf_name(r->elf, ELF_DYNSYM, at, buf, sizeof buf);
		if (length <= 0)
			return 0;
		name = with_tail(r->arena, buf, (size_t)length);
		if (!name)
			return -ENOMEM;
	}
	for (unsigned i = first; i < r->slot_count && r->slots[i].key == rela->r_offset; i++) {
		unsigned index = (unsigned)r->slots[i].value;

		if (++r->work > WORK_MAX)
			return -ENOEXEC;
		if (name) {
			r->list[index].name = name;
			r->list[index].symbol_start =
				r->list[index].address; /* no symbol is nearer */
		} else if (r->resolver_count < r->slot_count)
			r->resolvers[r->resolver_count++] = (struct sort_item){
				.key = (uint64_t)rela->r_addend + r->bias, .value = index};
	}
	return 0;
}

/* Streams one section of relocations. */
static int read_relas(struct run *r, const struct elf_section *s)
{
	Elf64_Rela block[BLOCK_RELAS];
	uint64_t left = s->bytes / sizeof block[0];

	if (left > RELAS_MAX)
		return 0;
	for (uint64_t at = s->at; left;) {
		uint64_t n = left < BLOCK_RELAS ? left : BLOCK_RELAS;
		int rc = elf_read(r->elf, at, block, n * sizeof block[0]);

		for (uint64_t i = 0; i < n && rc == 0; i++) {
			unsigned type = ELF64_R_TYPE(block[i].r_info);

			if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT ||
			    type == R_X86_64_IRELATIVE)
				rc = apply(r, &block[i]);
		}
		if (rc < 0)
			return rc;
		at += n * sizeof block[0];
		left -= n;
	}
	return 0;
}

static int list_resolvers(struct run *r, struct plt_resolvers *ret)
{
	if (r->resolver_count == 0)
		return 0;
	ret->list = arena_alloc(r->arena, r->resolver_count * sizeof *ret->list);
	ret->stub = arena_alloc(r->arena, r->resolver_count * sizeof *ret->stub);
	if (!ret->list || !ret->stub)
		return -ENOMEM;
	sort_items(r->resolvers, r->resolver_count);
	ret->n = r->resolver_count;
	for (unsigned i = 0; i < ret->n; i++) {
		ret->list[i].address = r->resolvers[i].key;
		ret->stub[i] = &r->list[r->resolvers[i].value];
	}
	return 0;
}

int plt_resolve(const struct elf *e, uint64_t bias, struct arena *a, struct address *list,
		unsigned n, struct plt_resolvers *ret_resolvers)
{
	struct run r = {.elf = e, .bias = bias, .arena = a, .list = list};
	int rc = find_slots(&r, n);

	*ret_resolvers = (struct plt_resolvers){0};
	if (rc < 0 || r.slot_count == 0)
		return rc;
	r.resolvers = arena_alloc(a, r.slot_count * sizeof *r.resolvers);
	if (!r.resolvers)
		return -ENOMEM;
	sort_items(r.slots, r.slot_count);
	rc = read_relas(&r, &e->section[ELF_RELA_PLT]);
	if (rc == 0)
		rc = read_relas(&r, &e->section[ELF_RELA_DYN]);
	return rc < 0 ? rc : list_resolvers(&r, ret_resolvers);
}

int plt_name_by_resolvers(const struct plt_resolvers *r, struct arena *a)
{
	for (unsigned i = 0; i < r->n; i++) {
		const char *name = r->list[i].name;

		if (!name)
			continue;
		/* Stubs of one resolver are neighbours here. */
		r->stub[i]->name = i && name == r->list[i - 1].name
					   ? r->stub[i - 1]->name
					   : with_tail(a, name, text_length(name));
		if (!r->stub[i]->name)
			return -ENOMEM;
	}
	return 0;
}
