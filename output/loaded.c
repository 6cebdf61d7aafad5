/* SPDX-License-Identifier: MIT */
#include "output/loaded.h"

#include <elf.h>
#include <errno.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define SEGMENTS_MAX 64u
#define DYNAMIC_MAX  512u
#define HASH_MAX     (1u << 20) /* buckets or symbols; a larger table is damage */
#define BLOCK_WORDS  256u

/* What the dynamic section says; offsets from the bias, 0: nothing. */
struct dynamic {
	uint64_t symbols, strings, strings_bytes, gnu_hash, hash;
};

static void read_dynamic(const struct elf *e, uint64_t at, struct dynamic *d)
{
	Elf64_Dyn entry;

	for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
		if (elf_read(e, at + i * sizeof entry, &entry, sizeof entry) < 0 ||
		    entry.d_tag == DT_NULL)
			return;
		uint64_t value = entry.d_un.d_val;
		/* The loader has made addresses of them, but for a section that is read-only. */
		uint64_t offset = value >= e->base ? value - e->base : value;

		switch (entry.d_tag) {
		case DT_SYMTAB:
			d->symbols = offset;
			break;
		case DT_STRTAB:
			d->strings = offset;
			break;
		case DT_STRSZ:
			d->strings_bytes = value;
			break;
		case DT_GNU_HASH:
			d->gnu_hash = offset;
			break;
		case DT_HASH:
			d->hash = offset;
			break;
		default:
			break;
		}
	}
}

/* The largest of n words; 0 when they cannot be read. */
static uint32_t largest(const struct elf *e, uint64_t at, uint32_t n)
{
	uint32_t block[BLOCK_WORDS], most = 0;

	while (n) {
		uint32_t some = n < BLOCK_WORDS ? n : BLOCK_WORDS;

		if (elf_read(e, at, block, some * sizeof block[0]) < 0)
			return 0;
		for (uint32_t i = 0; i < some; i++)
			most = block[i] > most ? block[i] : most;
		at += some * sizeof block[0];
		n -= some;
	}
	return most;
}

/* How many symbols there are; nothing else says it in memory.  The chain of the bucket with the
 * largest first symbol ends at the last one (binutils, "GNU hash section format"). */
static uint64_t count_symbols(const struct elf *e, const struct dynamic *d)
{
	uint32_t head[4], word = 0; /* buckets, first hashed symbol, words of the filter, shift */

	if (!d->gnu_hash) {
		if (!d->hash || elf_read(e, d->hash, head, 2 * sizeof head[0]) < 0)
			return 0;
		return head[1] < HASH_MAX ? head[1] : 0;
	}
	if (elf_read(e, d->gnu_hash, head, sizeof head) < 0 || head[0] > HASH_MAX ||
	    head[2] > HASH_MAX)
		return 0;
	uint64_t buckets = d->gnu_hash + sizeof head + (uint64_t)head[2] * 8;
	uint64_t chains = buckets + (uint64_t)head[0] * sizeof word;
	uint32_t last = largest(e, buckets, head[0]);
	for (; last >= head[1] && last < HASH_MAX; last++) {
		if (elf_read(e, chains + (uint64_t)(last - head[1]) * sizeof word, &word,
			     sizeof word) < 0)
			return 0;
		if (word & 1)
			return (uint64_t)last + 1;
	}
	return 0;
}

int loaded_read(struct elf *e)
{
	struct dynamic d = {0};
	uint64_t dynamic_at = 0;
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	int rc = elf_read(e, 0, &head, sizeof head);

	if (rc < 0)
		return -ENOENT;
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof segment || head.e_phnum > SEGMENTS_MAX)
		return -ENOENT;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (elf_read(e, head.e_phoff + i * sizeof segment, &segment, sizeof segment) < 0)
			return -ENOEXEC;
		if (segment.p_type == PT_NOTE && !e->build_id_bytes)
			elf_scan_notes(e, segment.p_vaddr, segment.p_memsz, segment.p_align);
		if (segment.p_type == PT_DYNAMIC)
			dynamic_at = segment.p_vaddr;
	}
	if (!dynamic_at)
		return -ENOEXEC;
	read_dynamic(e, dynamic_at, &d);
	e->table[ELF_DYNSYM] = (struct elf_table){
		.at = d.symbols,
		.bytes = count_symbols(e, &d) * sizeof(Elf64_Sym),
		.strings_at = d.strings,
		.strings_bytes = d.strings_bytes,
	};
	return d.symbols && d.strings && e->table[ELF_DYNSYM].bytes ? 0 : -ENOEXEC;
}

int loaded_open(struct elf *e, uint64_t bias)
{
	if (!bias) /* a program at a fixed position has no header there */
		return -ENOENT;
	int fd = sys_open("/proc/thread-self/mem", O_RDONLY, 0);
	if (fd < 0)
		return fd;
	*e = (struct elf){.fd = fd, .base = bias, .size_bytes = INT64_MAX - bias};
	int rc = loaded_read(e);
	if (rc == 0)
		return fd;
	sys_close(fd);
	return rc;
}
