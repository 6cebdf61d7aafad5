/* SPDX-License-Identifier: MIT */
/*
 * An ELF file of any bytes: the tables, the names, and what is named by them.
 *
 * The bytes are read as an image in memory and as a file; both must say the same.  symbols_resolve()
 * gets the file for every path that it tries.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/elf.h"
#include "output/symbols.h"

#define ADDRESSES_MAX 32u
#define BIAS	      0x10000u

static int file = -1;

struct seen {
	const struct elf *elf;
	enum elf_table_kind kind;
	struct address address[ADDRESSES_MAX];
	unsigned count;
	uint64_t sum;
};

static bool look(void *opaque, const struct elf_symbol *symbol)
{
	struct seen *s = opaque;
	char small[17], large[SYMBOL_NAME_MAX];
	int n = elf_name(s->elf, s->kind, symbol->name, large, sizeof large);
	int cut = elf_name(s->elf, s->kind, symbol->name, small, sizeof small);

	CLAIM((n < 0) == (cut < 0));
	if (n >= 0) {
		CLAIM((size_t)n == strlen(large) && (size_t)n < sizeof large);
		CLAIM((size_t)cut == strlen(small) && strncmp(small, large, (size_t)cut) == 0);
		CLAIM(cut == n || (cut < n && cut == 16));
		s->sum = s->sum * 31 + (uint64_t)n;
	}
	s->sum = s->sum * 31 + symbol->value + symbol->size_bytes + symbol->type;
	if (s->count + 2 < ADDRESSES_MAX) {
		s->address[s->count++].address = symbol->value + BIAS;
		s->address[s->count++].address = symbol->value + BIAS + symbol->size_bytes - 1;
	}
	return true;
}

static void look_at(const struct elf *e, struct seen *s)
{
	s->elf = e;
	for (s->kind = ELF_SYMTAB; s->kind < ELF_TABLES; s->kind++)
		(void)elf_symbols(e, s->kind, look, s);
}

static int open_file(int dir, const char *path, int flags, mode_t mode)
{
	static const char again[] = "/proc/thread-self/fd/"; /* core/regular */

	if (strncmp(path, again, sizeof again - 1) == 0)
		return __real_sys_openat(dir, path, flags, mode);
	return strncmp(path, "/proc/", 6) == 0 ? -ENOENT : fcntl(file, F_DUPFD_CLOEXEC, 3);
}

static int by_address(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void name_all(const struct elf *e, struct seen *s)
{
	struct symbols_module m = {
		.info = {.start = 0x1000,
			 .limit = UINT64_MAX,
			 .bias = BIAS,
			 .path = "/lib/any.so",
			 .build_id = e->build_id,
			 .build_id_bytes = e->build_id_bytes},
		.path = "/lib/any.so",
		.process_realtime_ns = UINT64_MAX,
	};
	struct arena arena = {.max_bytes = 8 << 20};

	s->address[s->count++].address = 0x1234;
	qsort(s->address, s->count, sizeof s->address[0], by_address);
	int rc = symbols_resolve(&m, &arena, s->address, s->count);
	CLAIM(m.canonical_path || rc == -ENOMEM);
	for (unsigned i = 0; i < s->count; i++)
		if (s->address[i].name)
			CLAIM(strlen(s->address[i].name) < SYMBOL_NAME_MAX);
	arena_drop(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	file = memfd_create("elf", MFD_CLOEXEC);
	fuzz_openat = open_file;
	return file < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen in_memory = {0}, in_file = {0};
	struct elf image, opened;

	CLAIM(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
	int rc = elf_open_image(&image, data, size);
	CLAIM(elf_open_fd(&opened, file) == rc);
	if (rc < 0)
		return 0;
	CLAIM(image.build_id_bytes == opened.build_id_bytes &&
	      memcmp(image.build_id, opened.build_id, image.build_id_bytes) == 0);
	look_at(&image, &in_memory);
	look_at(&opened, &in_file);
	CLAIM(in_memory.sum == in_file.sum && in_memory.count == in_file.count);
	name_all(&image, &in_memory);
	return 0;
}
