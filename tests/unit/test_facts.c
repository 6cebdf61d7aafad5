/* SPDX-License-Identifier: MIT */
#include "cli/facts.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/program.h"
#include "tests/support/check.h"

static struct facts f;
static char image[4 << 20];
static size_t image_bytes;

static void load(const char *path)
{
	FILE *file = fopen(path, "r");

	CHECK(file != NULL);
	image_bytes = fread(image, 1, sizeof image, file);
	fclose(file);
}

static int read_bytes(const void *bytes, size_t n)
{
	int fd = memfd_create("facts", 0), rc;

	CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	rc = facts_read(&f, fd);
	close(fd);
	return rc;
}

TEST(facts_of_this_program)
{
	bool libc = false;
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK_EQ(facts_read(&f, fd), 0);
	close(fd);
	CHECK(f.is_64 && f.is_x86_64 && f.has_symtab && f.has_unwind && !f.go);
	CHECK(strstr(f.loader, PROGRAM_GLIBC_LOADER) != NULL);
	for (unsigned i = 0; i < f.needed_count; i++)
		libc |= strcmp(f.needed[i], "libc.so.6") == 0;
	CHECK(libc);
}

TEST(facts_of_what_is_no_program)
{
	CHECK_EQ(read_bytes("", 0), -ENOEXEC);
	CHECK_EQ(read_bytes("#!/bin/sh\n", 10), -ENOEXEC);
	CHECK_EQ(read_bytes(ELFMAG, 4), -ENOEXEC);
}

TEST(facts_of_another_class_and_machine)
{
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32}, .e_machine = EM_386};

	CHECK_EQ(read_bytes(&h, sizeof h), 0);
	CHECK(!f.is_64 && !f.is_x86_64);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_machine = EM_AARCH64;
	CHECK_EQ(read_bytes(&h, sizeof h), 0);
	CHECK(f.is_64 && !f.is_x86_64);
	CHECK_EQ(f.machine, EM_AARCH64);
}

TEST(facts_of_a_go_note)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		Elf64_Nhdr n;
		char name[4], id[4];
	} file = {
		.h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64},
		      .e_machine = EM_X86_64,
		      .e_phoff = sizeof(Elf64_Ehdr),
		      .e_phentsize = sizeof(Elf64_Phdr),
		      .e_phnum = 1},
		.p = {.p_type = PT_NOTE,
		      .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
		      .p_filesz = sizeof(Elf64_Nhdr) + 8},
		.n = {.n_namesz = 4, .n_descsz = 4, .n_type = 4},
		.name = "Go",
	};

	CHECK_EQ(read_bytes(&file, sizeof file), 0);
	CHECK(f.go);
	file.n.n_descsz = 0xfffffff0; /* outside */
	CHECK_EQ(read_bytes(&file, sizeof file), 0);
	CHECK(!f.go);
	file.n.n_namesz = 0xffffffff;
	CHECK_EQ(read_bytes(&file, sizeof file), 0);
	CHECK(!f.go);
}

TEST(facts_of_damaged_programs_are_no_crash)
{
	unsigned seed = 1;

	load("/bin/true");
	if (image_bytes < 1024)
		SKIP("no /bin/true");
	for (unsigned round = 0; round < 1500; round++) {
		static char damaged[sizeof image];
		size_t n = round % 3 ? image_bytes : (size_t)rand_r(&seed) % image_bytes;

		memcpy(damaged, image, image_bytes);
		for (unsigned i = 0; i < 1 + round % 20; i++) {
			/* the header, the segments, or the sections at the end */
			size_t at = round % 2 ? (size_t)rand_r(&seed) % 1024
					      : image_bytes - 1 - (size_t)rand_r(&seed) % 2048;

			damaged[at] = (char)rand_r(&seed);
		}
		memcpy(damaged, ELFMAG, 4);
		int rc = read_bytes(damaged, n);
		CHECK(rc == 0 || rc == -ENOEXEC);
		CHECK(f.needed_count <= FACTS_NEEDED);
		CHECK(strnlen(f.loader, sizeof f.loader) < sizeof f.loader);
	}
}
