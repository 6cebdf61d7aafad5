/* SPDX-License-Identifier: MIT */
#include "output/elf.h"

#include <elf.h>
#include <errno.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define SECTIONS_MAX	65536u /* a count above it is damage */
#define SEGMENTS_MAX	256u
#define NOTES_BYTES_MAX 65536u
#define BLOCK_SYMBOLS	256u
#define BLOCK_SECTIONS	16u
#define SECTION_NAME	16u /* the longest that we look for, with its NUL */

int elf_read(const struct elf *e, uint64_t at, void *buf, size_t n)
{
	if (at > e->size_bytes || n > e->size_bytes - at)
		return -ENOEXEC;
	if (e->fd < 0) {
		memcpy(buf, e->image + at, n);
		return 0;
	}
	for (size_t done = 0; done < n;) {
		ssize_t got = sys_pread(e->fd, (char *)buf + done, n - done, e->base + at + done);

		if (got < 0)
			return (int)got;
		if (got == 0)
			return -ENOEXEC; /* the file became shorter */
		done += (size_t)got;
	}
	return 0;
}

static bool inside(const struct elf *e, uint64_t at, uint64_t n)
{
	return at <= e->size_bytes && n <= e->size_bytes - at;
}

void elf_scan_notes(struct elf *e, uint64_t at, uint64_t bytes, uint64_t align)
{
	uint64_t pad = align == 8 ? 7 : 3;

	if (bytes > NOTES_BYTES_MAX || !inside(e, at, bytes))
		return;
	for (uint64_t end = at + bytes; end - at >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr note;
		char name[4];

		if (elf_read(e, at, &note, sizeof note) < 0)
			return;
		uint64_t desc = sizeof note + ((note.n_namesz + pad) & ~pad);
		uint64_t whole = desc + ((note.n_descsz + pad) & ~pad);
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof name &&
		    note.n_descsz > 0 && note.n_descsz <= sizeof e->build_id &&
		    elf_read(e, at + sizeof note, name, sizeof name) == 0 &&
		    memcmp(name, ELF_NOTE_GNU, sizeof name) == 0) {
			if (elf_read(e, at + desc, e->build_id, note.n_descsz) == 0)
				e->build_id_bytes = note.n_descsz;
			return;
		}
		if (whole > end - at)
			return;
		at += whole;
	}
}

static void scan_segments(struct elf *e, const Elf64_Ehdr *head)
{
	if (head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum > SEGMENTS_MAX)
		return;
	for (unsigned i = 0; i < head->e_phnum && !e->build_id_bytes; i++) {
		Elf64_Phdr segment;

		if (elf_read(e, head->e_phoff + i * sizeof segment, &segment, sizeof segment) < 0)
			return;
		if (segment.p_type == PT_NOTE)
			elf_scan_notes(e, segment.p_offset, segment.p_filesz, segment.p_align);
	}
}

static int read_section(const struct elf *e, const Elf64_Ehdr *head, uint64_t i,
			Elf64_Shdr *ret_section)
{
	uint64_t at;

	if (__builtin_add_overflow(head->e_shoff, i * sizeof *ret_section, &at))
		return -ENOEXEC;
	return elf_read(e, at, ret_section, sizeof *ret_section);
}

static void add_table(struct elf *e, const Elf64_Ehdr *head, const Elf64_Shdr *symbols,
		      enum elf_table_kind kind)
{
	Elf64_Shdr strings;

	if (symbols->sh_entsize != sizeof(Elf64_Sym) ||
	    !inside(e, symbols->sh_offset, symbols->sh_size) ||
	    read_section(e, head, symbols->sh_link, &strings) < 0 ||
	    strings.sh_type != SHT_STRTAB || !inside(e, strings.sh_offset, strings.sh_size))
		return;
	e->table[kind] = (struct elf_table){
		.at = symbols->sh_offset,
		.bytes = symbols->sh_size,
		.strings_at = strings.sh_offset,
		.strings_bytes = strings.sh_size,
	};
}

/* Those sections that only their name tells. */
static void add_named_section(struct elf *e, const struct elf_table *names, const Elf64_Shdr *s)
{
	static const char known[ELF_SECTIONS][SECTION_NAME] = {
		".plt",	     ".plt.sec",       ".plt.got",	 ".rela.plt",
		".rela.dyn", ".gnu_debuglink", ".gnu_debugdata",
	};
	char name[SECTION_NAME] = "";

	if (s->sh_name >= names->strings_bytes || !inside(e, s->sh_offset, s->sh_size))
		return;
	uint64_t n = names->strings_bytes - s->sh_name;
	if (elf_read(e, names->strings_at + s->sh_name, name, n < sizeof name ? n : sizeof name) <
	    0)
		return;
	for (unsigned i = 0; i < ELF_SECTIONS; i++)
		/* All bytes up to the NUL of the known one. */
		if (memcmp(name, known[i], strlen(known[i]) + 1) == 0)
			e->section[i] = (struct elf_section){
				.at = s->sh_offset,
				.bytes = s->sh_size,
				.address = s->sh_addr,
				.entry_bytes = s->sh_entsize,
			};
}

static void add_section(struct elf *e, const Elf64_Ehdr *head, const struct elf_table *names,
			const Elf64_Shdr *s)
{
	bool is_data = s->sh_type == SHT_PROGBITS &&
		       ((s->sh_flags & SHF_EXECINSTR) || !(s->sh_flags & SHF_ALLOC));

	if (s->sh_type == SHT_SYMTAB)
		add_table(e, head, s, ELF_SYMTAB);
	else if (s->sh_type == SHT_DYNSYM)
		add_table(e, head, s, ELF_DYNSYM);
	else if (s->sh_type == SHT_NOTE && !e->build_id_bytes)
		elf_scan_notes(e, s->sh_offset, s->sh_size, s->sh_addralign);
	else if (is_data || s->sh_type == SHT_RELA)
		add_named_section(e, names, s);
}

static void scan_sections(struct elf *e, const Elf64_Ehdr *head)
{
	Elf64_Shdr block[BLOCK_SECTIONS];
	struct elf_table names = {0};
	uint64_t count = head->e_shnum, strings = head->e_shstrndx;

	if (head->e_shoff == 0 || head->e_shentsize != sizeof block[0])
		return;
	if (count == 0 ||
	    strings == SHN_XINDEX) { /* more than fit into 16 bits: section 0 has them */
		if (read_section(e, head, 0, block) < 0)
			return;
		count = count ? count : block[0].sh_size;
		strings = strings == SHN_XINDEX ? block[0].sh_link : strings;
	}
	if (count > SECTIONS_MAX)
		return;
	if (strings < count && read_section(e, head, strings, block) == 0 &&
	    inside(e, block[0].sh_offset, block[0].sh_size))
		names = (struct elf_table){.strings_at = block[0].sh_offset,
					   .strings_bytes = block[0].sh_size};
	for (uint64_t i = 1; i < count; i += BLOCK_SECTIONS) {
		uint64_t n = count - i < BLOCK_SECTIONS ? count - i : BLOCK_SECTIONS;

		if (elf_read(e, head->e_shoff + i * sizeof block[0], block, n * sizeof block[0]) <
		    0)
			return;
		for (uint64_t k = 0; k < n; k++)
			add_section(e, head, &names, &block[k]);
	}
}

static int elf_open(struct elf *e)
{
	Elf64_Ehdr head;
	int rc = elf_read(e, 0, &head, sizeof head);

	if (rc < 0)
		return rc;
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_machine != EM_X86_64)
		return -ENOEXEC;
	scan_segments(e, &head);
	scan_sections(e, &head);
	return 0;
}

int elf_open_fd(struct elf *e, int fd)
{
	struct stat st;
	int rc = sys_fstat(fd, &st);

	if (rc < 0)
		return rc;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	*e = (struct elf){.fd = fd, .size_bytes = (uint64_t)st.st_size};
	return elf_open(e);
}

int elf_open_image(struct elf *e, const void *image, uint64_t size_bytes)
{
	*e = (struct elf){.fd = -1, .image = image, .size_bytes = size_bytes};
	return elf_open(e);
}

/* May it name code?  A NOTYPE symbol with a size is hand-written assembly; one without is a label.
 */
static bool names_code(const Elf64_Sym *s)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);

	return s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS && s->st_name != 0 &&
	       s->st_size != 0 && (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

int elf_symbols(const struct elf *e, enum elf_table_kind kind,
		bool (*each)(void *opaque, const struct elf_symbol *symbol), void *opaque)
{
	const struct elf_table *t = &e->table[kind];
	Elf64_Sym block[BLOCK_SYMBOLS];
	uint64_t left = t->bytes / sizeof block[0];

	for (uint64_t at = t->at; left;) {
		uint64_t n = left < BLOCK_SYMBOLS ? left : BLOCK_SYMBOLS;
		int rc = elf_read(e, at, block, n * sizeof block[0]);

		if (rc < 0)
			return rc;
		for (uint64_t i = 0; i < n; i++) {
			const Elf64_Sym *s = &block[i];
			struct elf_symbol symbol = {
				.value = s->st_value,
				.size_bytes = s->st_size,
				.name = s->st_name,
				.type = ELF64_ST_TYPE(s->st_info),
				.binding = ELF64_ST_BIND(s->st_info),
			};

			if (names_code(s) && !each(opaque, &symbol))
				return 0;
		}
		at += n * sizeof block[0];
		left -= n;
	}
	return 0;
}

int elf_symbol_name(const struct elf *e, enum elf_table_kind kind, uint64_t index,
		    uint64_t *ret_name)
{
	const struct elf_table *t = &e->table[kind];
	Elf64_Sym symbol;

	if (index >= t->bytes / sizeof symbol)
		return -ENOEXEC;
	int rc = elf_read(e, t->at + index * sizeof symbol, &symbol, sizeof symbol);
	*ret_name = rc == 0 ? symbol.st_name : 0;
	return rc;
}

/* As elf_read(), of few bytes, through the window. */
static int read_near(const struct elf *e, struct elf_window *w, uint64_t at, void *buf, size_t n)
{
	if (!w || e->fd < 0)
		return elf_read(e, at, buf, n);
	if (at < w->at || n > w->bytes || at - w->at > w->bytes - n) {
		if (!inside(e, at, n))
			return -ENOEXEC;
		uint64_t left = e->size_bytes - at;
		size_t whole = left < sizeof w->data ? left : sizeof w->data;
		int rc = elf_read(e, at, w->data, whole);

		w->bytes = rc < 0 ? 0 : whole;
		w->at = at;
		if (rc < 0)
			return rc;
	}
	memcpy(buf, w->data + (at - w->at), n);
	return 0;
}

int elf_name_near(const struct elf *e, struct elf_window *w, enum elf_table_kind kind,
		  uint64_t name, char *buf, size_t size)
{
	const struct elf_table *t = &e->table[kind];
	size_t done = 0;

	if (name >= t->strings_bytes)
		return -ENOEXEC;
	while (done < size - 1 && name + done < t->strings_bytes) {
		uint64_t left = t->strings_bytes - name - done;
		size_t n = size - 1 - done < 256 ? size - 1 - done : 256;
		int rc;

		n = left < n ? left : n;
		rc = read_near(e, w, t->strings_at + name + done, buf + done, n);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < n; i++)
			if (!buf[done + i])
				return (int)(done + i);
		done += n;
	}
	buf[done] = '\0';
	return (int)done;
}

int elf_name(const struct elf *e, enum elf_table_kind kind, uint64_t name, char *buf, size_t size)
{
	return elf_name_near(e, NULL, kind, name, buf, size);
}
