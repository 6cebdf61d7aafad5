/* SPDX-License-Identifier: MIT */
#include "cli/facts.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADERS_MAX 1024u /* of segments, of sections; more are not looked at */
#define DYNAMIC_MAX 4096u
#define SYMBOLS_MAX (1u << 20)
#define NOTES_BYTES 4096u
#define NOTE_GO	    4 /* name "Go": the build id of cmd/link, in every Go program */

struct reader {
	struct facts *f;
	int fd;
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Phdr segments[HEADERS_MAX];
	unsigned segment_count;
};

static bool get(const struct reader *r, void *to, uint64_t n, uint64_t at)
{
	return at <= r->size && n <= r->size - at && pread(r->fd, to, n, (off_t)at) == (ssize_t)n;
}

/* A string of at most size - 1 bytes, cut; "" when it is outside the file. */
static void get_string(const struct reader *r, char *to, size_t size, uint64_t at)
{
	ssize_t n = at < r->size ? pread(r->fd, to, size - 1, (off_t)at) : 0;

	to[n > 0 ? n : 0] = '\0';
}

/* Where an address is in the file; UINT64_MAX when it is not. */
static uint64_t place_of(const struct reader *r, uint64_t address)
{
	for (unsigned i = 0; i < r->segment_count; i++) {
		const Elf64_Phdr *p = &r->segments[i];

		if (p->p_type == PT_LOAD && address >= p->p_vaddr &&
		    address - p->p_vaddr < p->p_filesz)
			return p->p_offset + (address - p->p_vaddr);
	}
	return UINT64_MAX;
}

static void read_notes(struct reader *r, uint64_t at, uint64_t bytes)
{
	char buf[NOTES_BYTES];
	uint64_t n = bytes < sizeof buf ? bytes : sizeof buf;
	Elf64_Nhdr note;

	if (!get(r, buf, n, at))
		return;
	for (uint64_t i = 0; n - i >= sizeof note;) {
		memcpy(&note, buf + i, sizeof note);
		uint64_t name = i + sizeof note, value = name + (note.n_namesz + 3ull) / 4 * 4;

		if (value > n || note.n_descsz > n - value)
			return;
		if (note.n_namesz == 4 && memcmp(buf + name, "Go\0", 4) == 0 &&
		    note.n_type == NOTE_GO)
			r->f->go = true;
		i = value + (note.n_descsz + 3ull) / 4 * 4;
		if (i > n)
			return;
	}
}

static void read_dynamic(struct reader *r, uint64_t at, uint64_t bytes)
{
	uint64_t strings = UINT64_MAX;
	Elf64_Dyn d;

	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t i = 0; i < bytes / sizeof d && i < DYNAMIC_MAX; i++) {
			struct facts *f = r->f;

			if (!get(r, &d, sizeof d, at + i * sizeof d) || d.d_tag == DT_NULL)
				break;
			if (pass == 0 && d.d_tag == DT_STRTAB)
				strings = place_of(r, d.d_un.d_ptr);
			if (pass == 1 && d.d_tag == DT_NEEDED && strings != UINT64_MAX &&
			    d.d_un.d_val < r->size && f->needed_count < FACTS_NEEDED) {
				char *name = f->needed[f->needed_count++];

				get_string(r, name, sizeof f->needed[0], strings + d.d_un.d_val);
			}
		}
	}
}

static void read_dynamic_symbols(struct reader *r, const Elf64_Shdr *symbols,
				 const Elf64_Shdr *strings)
{
	uint64_t count = symbols->sh_size / sizeof(Elf64_Sym);
	Elf64_Sym block[128];

	for (uint64_t i = 0; i < count && i < SYMBOLS_MAX; i += 128) {
		uint64_t n = count - i < 128 ? count - i : 128;

		if (!get(r, block, n * sizeof *block, symbols->sh_offset + i * sizeof *block))
			return;
		for (uint64_t k = 0; k < n; k++) {
			char name[16];

			if (block[k].st_shndx == SHN_UNDEF ||
			    ELF64_ST_TYPE(block[k].st_info) != STT_FUNC ||
			    block[k].st_name >= strings->sh_size)
				continue;
			get_string(r, name, sizeof name, strings->sh_offset + block[k].st_name);
			if (strcmp(name, "malloc") == 0 || strcmp(name, "free") == 0)
				r->f->own_malloc = true;
		}
	}
}

static void read_sections(struct reader *r)
{
	const Elf64_Ehdr *h = &r->header;
	Elf64_Shdr names, s, strings;
	char name[32];

	if (h->e_shentsize != sizeof s ||
	    !get(r, &names, sizeof names, h->e_shoff + h->e_shstrndx * sizeof names))
		return;
	for (unsigned i = 0; i < h->e_shnum && i < HEADERS_MAX; i++) {
		if (!get(r, &s, sizeof s, h->e_shoff + i * sizeof s))
			return;
		if (names.sh_offset > r->size || s.sh_name > r->size)
			continue;
		get_string(r, name, sizeof name, names.sh_offset + s.sh_name);
		if (s.sh_type == SHT_SYMTAB && s.sh_size > sizeof(Elf64_Sym))
			r->f->has_symtab = true;
		if (s.sh_type == SHT_DYNSYM && s.sh_link < h->e_shnum &&
		    get(r, &strings, sizeof strings, h->e_shoff + s.sh_link * sizeof strings))
			read_dynamic_symbols(r, &s, &strings);
		if (strcmp(name, ".go.buildinfo") == 0)
			r->f->go = true;
	}
}

static void read_segments(struct reader *r)
{
	const Elf64_Ehdr *h = &r->header;

	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return;
	for (unsigned i = 0; i < h->e_phnum && i < HEADERS_MAX; i++)
		if (get(r, &r->segments[i], sizeof(Elf64_Phdr),
			h->e_phoff + i * sizeof(Elf64_Phdr)))
			r->segment_count = i + 1;
		else
			break;
	for (unsigned i = 0; i < r->segment_count; i++) {
		const Elf64_Phdr *p = &r->segments[i];

		if (p->p_type == PT_INTERP && p->p_filesz && p->p_filesz < sizeof r->f->loader &&
		    get(r, r->f->loader, p->p_filesz, p->p_offset))
			r->f->loader[p->p_filesz] = '\0';
		else if (p->p_type == PT_NOTE)
			read_notes(r, p->p_offset, p->p_filesz);
		else if (p->p_type == PT_GNU_EH_FRAME)
			r->f->has_unwind = true;
		else if (p->p_type == PT_DYNAMIC)
			read_dynamic(r, p->p_offset, p->p_filesz);
	}
}

int facts_read(struct facts *f, int fd)
{
	static struct reader r; /* 56 KiB */
	struct stat st;

	memset(f, 0, sizeof *f);
	memset(&r, 0, sizeof r);
	if (fstat(fd, &st) < 0)
		return -errno;
	r.f = f;
	r.fd = fd;
	r.size = (uint64_t)st.st_size;
	/* The part that both classes share. */
	if (!get(&r, &r.header, offsetof(Elf64_Ehdr, e_entry), 0) ||
	    memcmp(r.header.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	f->is_64 = r.header.e_ident[EI_CLASS] == ELFCLASS64;
	f->machine = r.header.e_machine;
	f->is_x86_64 = f->is_64 && f->machine == EM_X86_64;
	if (!f->is_x86_64 || !get(&r, &r.header, sizeof r.header, 0))
		return 0;
	read_segments(&r);
	read_sections(&r);
	return 0;
}
