/* SPDX-License-Identifier: MIT */
#include "output/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/check.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The test program itself as bytes. */
static uint8_t *own_image(size_t *ret_n)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	uint8_t *p = malloc((size_t)st.st_size);
	CHECK_EQ(read(fd, p, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_n = (size_t)st.st_size;
	return p;
}

struct search {
	const struct elf *e;
	enum elf_table_kind kind;
	const char *name;
	unsigned seen, found;
	struct elf_symbol symbol;
};

static bool search_symbol(void *opaque, const struct elf_symbol *s)
{
	struct search *search = opaque;
	char name[256];

	search->seen++;
	if (elf_name(search->e, search->kind, s->name, name, sizeof name) > 0 &&
	    strcmp(name, search->name) == 0) {
		search->found++;
		search->symbol = *s;
	}
	return true;
}

TEST(elf_reads_symbols_and_build_id_of_this_program)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct elf e;
	struct search search = {.e = &e, .kind = ELF_SYMTAB, .name = "elf_symbols"};

	CHECK_EQ(elf_open_fd(&e, fd), 0);
	CHECK_EQ(e.build_id_bytes, 20);
	CHECK_EQ(elf_symbols(&e, ELF_SYMTAB, search_symbol, &search), 0);
	CHECK_EQ(search.found, 1);
	CHECK(search.seen > 300); /* more than one block */
	CHECK_EQ(search.symbol.type, STT_FUNC);
	CHECK((uintptr_t)elf_symbols % 4096 == search.symbol.value % 4096);
	CHECK(search.symbol.size_bytes > 50);
	close(fd);
}

TEST(elf_finds_sections_by_their_whole_name)
{
	size_t n;
	uint8_t *image = own_image(&n);
	Elf64_Ehdr *head = (Elf64_Ehdr *)image;
	Elf64_Shdr *s = (Elf64_Shdr *)(image + head->e_shoff);
	char *names = (char *)image + s[head->e_shstrndx].sh_offset;
	struct elf e;

	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.section[ELF_DEBUG_LINK].bytes, 0);
	for (unsigned i = 1; i < head->e_shnum; i++) {
		const char *name = names + s[i].sh_name;

		if (strcmp(name, ".rela.dyn") == 0) {
			CHECK_EQ(e.section[ELF_RELA_DYN].at, s[i].sh_offset);
			CHECK_EQ(e.section[ELF_RELA_DYN].bytes, s[i].sh_size);
			CHECK_EQ(e.section[ELF_RELA_DYN].address, s[i].sh_addr);
			CHECK_EQ(e.section[ELF_RELA_DYN].entry_bytes, sizeof(Elf64_Rela));
		}
		if (strcmp(name, ".comment") == 0) /* now one with a name that is too long */
			strcpy(names + s[i].sh_name, ".plt.sex");
	}
	CHECK(e.section[ELF_RELA_DYN].bytes > 0);
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.section[ELF_PLT_SEC].bytes, 0);
	/* Names that are outside of their table, and no table at all. */
	s[head->e_shstrndx].sh_size = 4;
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.section[ELF_RELA_DYN].bytes, 0);
	head->e_shstrndx = 0xfff0;
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.section[ELF_RELA_DYN].bytes, 0);
	CHECK(e.table[ELF_SYMTAB].bytes > 0);
	/* The number of a section that does not fit into 16 bits. */
	head->e_shstrndx = SHN_XINDEX;
	s[0].sh_link = 0;
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.section[ELF_RELA_DYN].bytes, 0);
	free(image);
}

TEST(elf_image_and_file_agree)
{
	size_t n;
	uint8_t *image = own_image(&n);
	int fd = open("/proc/self/exe", O_RDONLY);
	struct elf a, b;
	struct search x = {.e = &a, .kind = ELF_DYNSYM, .name = "main"};
	struct search y = {.e = &b, .kind = ELF_DYNSYM, .name = "main"};

	CHECK_EQ(elf_open_image(&a, image, n), 0);
	CHECK_EQ(elf_open_fd(&b, fd), 0);
	CHECK(memcmp(a.build_id, b.build_id, sizeof a.build_id) == 0);
	CHECK(memcmp(a.table, b.table, sizeof a.table) == 0);
	CHECK(memcmp(a.section, b.section, sizeof a.section) == 0);
	CHECK_EQ(elf_symbols(&a, ELF_SYMTAB, search_symbol, &x), 0);
	CHECK_EQ(elf_symbols(&b, ELF_SYMTAB, search_symbol, &y), 0);
	CHECK_EQ(x.seen, y.seen);
	close(fd);
	free(image);
}

TEST(elf_reads_the_vdso_from_memory)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct elf e;
	struct search search = {.e = &e, .kind = ELF_DYNSYM, .name = "__vdso_clock_gettime"};

	if (!vdso)
		SKIP("no vdso");
	CHECK_EQ(elf_open_image(&e, vdso, 8192), 0);
	CHECK(e.build_id_bytes > 0);
	CHECK_EQ(elf_symbols(&e, ELF_DYNSYM, search_symbol, &search), 0);
	CHECK_EQ(search.found, 1);
}

TEST(elf_refuses_what_is_none)
{
	static const char script[] = "#!/bin/sh\nexit 0; # a long enough line for a header of 64\n";
	int ends[2], dir = open("/tmp", O_RDONLY | O_DIRECTORY), null = open("/dev/null", O_RDONLY);
	size_t n;
	uint8_t *image = own_image(&n);
	struct elf e;

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(elf_open_image(&e, script, sizeof script), -ENOEXEC);
	CHECK_EQ(elf_open_image(&e, "", 0), -ENOEXEC);
	CHECK_EQ(elf_open_fd(&e, -1), -EBADF);
	CHECK_EQ(elf_open_fd(&e, ends[0]), -ENOEXEC);
	CHECK_EQ(elf_open_fd(&e, dir), -ENOEXEC);
	CHECK_EQ(elf_open_fd(&e, null), -ENOEXEC);
	image[EI_CLASS] = ELFCLASS32;
	CHECK_EQ(elf_open_image(&e, image, n), -ENOEXEC);
	image[EI_CLASS] = ELFCLASS64;
	image[EI_DATA] = ELFDATA2MSB;
	CHECK_EQ(elf_open_image(&e, image, n), -ENOEXEC);
	image[EI_DATA] = ELFDATA2LSB;
	((Elf64_Ehdr *)image)->e_machine = EM_AARCH64;
	CHECK_EQ(elf_open_image(&e, image, n), -ENOEXEC);
	close(ends[0]);
	close(ends[1]);
	close(dir);
	close(null);
	free(image);
}

TEST(elf_file_that_shrinks_is_an_error_and_not_a_fault)
{
	char path[] = "/tmp/cprof-elf-XXXXXX";
	int fd = mkstemp(path);
	size_t n;
	uint8_t *image = own_image(&n);
	struct elf e;
	struct search search = {.e = &e, .kind = ELF_SYMTAB, .name = "main"};

	unlink(path);
	CHECK_EQ(write(fd, image, n), (ssize_t)n);
	CHECK_EQ(elf_open_fd(&e, fd), 0);
	CHECK_EQ(ftruncate(fd, (off_t)e.table[ELF_SYMTAB].at + 1000), 0);
	CHECK_EQ(elf_symbols(&e, ELF_SYMTAB, search_symbol, &search), -ENOEXEC);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(elf_open_fd(&e, fd), -ENOEXEC);
	close(fd);
	free(image);
}

TEST(elf_more_sections_than_sixteen_bits_hold)
{
	size_t n;
	uint8_t *image = own_image(&n);
	Elf64_Ehdr *head = (Elf64_Ehdr *)image;
	struct elf e;

	((Elf64_Shdr *)(image + head->e_shoff))->sh_size = head->e_shnum;
	head->e_shnum = 0;
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK(e.table[ELF_SYMTAB].bytes > 0);
	((Elf64_Shdr *)(image + head->e_shoff))->sh_size = UINT64_MAX;
	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(e.table[ELF_SYMTAB].bytes, 0);
	free(image);
}

TEST(elf_name_is_cut_and_bounded)
{
	size_t n;
	uint8_t *image = own_image(&n);
	struct elf e;
	struct search search = {.e = &e, .kind = ELF_SYMTAB, .name = "elf_symbols"};
	char name[6];

	CHECK_EQ(elf_open_image(&e, image, n), 0);
	CHECK_EQ(elf_symbols(&e, ELF_SYMTAB, search_symbol, &search), 0);
	CHECK_EQ(elf_name(&e, ELF_SYMTAB, search.symbol.name, name, sizeof name), 5);
	CHECK_STR(name, "elf_s");
	CHECK_EQ(elf_name(&e, ELF_SYMTAB, e.table[ELF_SYMTAB].strings_bytes, name, sizeof name),
		 -ENOEXEC);
	CHECK_EQ(elf_name(&e, ELF_SYMTAB, UINT64_MAX, name, sizeof name), -ENOEXEC);
	/* A table that does not end with a NUL. */
	e.table[ELF_SYMTAB].strings_bytes = search.symbol.name + 3;
	CHECK_EQ(elf_name(&e, ELF_SYMTAB, search.symbol.name, name, sizeof name), 3);
	CHECK_STR(name, "elf");
	free(image);
}

struct twice {
	const struct elf *e;
	struct elf_window window;
	unsigned seen, different;
};

static bool read_twice(void *opaque, const struct elf_symbol *s)
{
	struct twice *t = opaque;
	char near[2048], plain[2048];
	int a = elf_name(t->e, ELF_SYMTAB, s->name, plain, sizeof plain);
	int b = elf_name_near(t->e, &t->window, ELF_SYMTAB, s->name, near, sizeof near);

	t->seen++;
	t->different += a != b || strcmp(plain, near) != 0;
	return true;
}

TEST(elf_names_through_a_window_are_the_same)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	static struct twice t;
	struct elf e;

	CHECK_EQ(elf_open_fd(&e, fd), 0);
	t.e = &e;
	CHECK_EQ(elf_symbols(&e, ELF_SYMTAB, read_twice, &t), 0);
	CHECK(t.seen > 300);
	CHECK_EQ(t.different, 0);
	close(fd);
	/* An error leaves nothing behind that a later name could be read from. */
	e.fd = open("/dev/null", O_RDONLY);
	char name[64];
	CHECK(elf_name_near(&e, &t.window, ELF_SYMTAB, 1, name, sizeof name) < 0);
	CHECK_EQ(t.window.bytes, 0);
	close(e.fd);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool look(void *opaque, const struct elf_symbol *s)
{
	struct search *search = opaque;
	char name[64];

	(void)elf_name(search->e, search->kind, s->name, name, sizeof name);
	return ++search->seen < 300;
}

TEST(elf_survives_a_hundred_thousand_mutations)
{
	size_t n;
	uint8_t *own = own_image(&n);
	size_t mapped = (n + 4095) / 4096 * 4096;
	uint8_t *p = mmap(NULL, mapped + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	uint8_t *image = p + mapped - n; /* one byte too far is a fault */
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)own;
	struct timespec from, to;

	CHECK_EQ(mprotect(p + mapped, 4096, PROT_NONE), 0);
	memcpy(image, own, n);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	to = from;
	unsigned i;
	for (i = 0; i < 100000 && to.tv_sec - from.tv_sec < (SANITIZED ? 2 : 20); i++) {
		struct elf e;
		size_t at, length = 1 + next_random() % 8;
		uint64_t value = next_random() >> next_random() % 64;
		size_t size = next_random() % 4 ? n : next_random() % n;

		switch (next_random() % 4) {
		case 0:
			at = next_random() % (sizeof *head + head->e_phnum * sizeof(Elf64_Phdr));
			break;
		case 1: /* section headers */
			at = head->e_shoff + next_random() % (head->e_shnum * sizeof(Elf64_Shdr));
			break;
		case 2: /* notes */
			at = next_random() % 2048;
			break;
		default:
			at = next_random() % (n - 8);
		}
		if (at > n - 8)
			at = n - 8;
		memcpy(image + at, &value, length);
		if (elf_open_image(&e, image, size) == 0) {
			CHECK(e.build_id_bytes <= ELF_BUILD_ID_MAX);
			for (enum elf_table_kind k = 0; k < ELF_TABLES; k++) {
				struct search search = {.e = &e, .kind = k};

				(void)elf_symbols(&e, k, look, &search);
			}
		}
		memcpy(image + at, own + at, length);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	}
	munmap(p, mapped + 4096);
	free(own);
	CHECK(i >= (SANITIZED ? 5000 : 100000));
}
