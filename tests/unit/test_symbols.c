/* SPDX-License-Identifier: MIT */
#include "output/symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/store.h"
#include "output/elf.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

/* Names with a choice: the visible one, without underscores, is taken for all of them. */
int chosen_name(int x);
int __chosen_alias(int x) __attribute__((alias("chosen_name")));
__attribute__((noinline)) int chosen_name(int x)
{
	return x * 3 + 1;
}
int weak_alias(int x) __attribute__((weak, alias("_strong_name")));
int _strong_name(int x);
__attribute__((noinline)) int _strong_name(int x)
{
	return x * 5 + 1;
}

/* Code that no symbol covers, between two that do. */
extern const char sym_sized[], sym_bare[], sym_after[];
__asm__(".text\n"
	".globl sym_sized\n.type sym_sized, @notype\nsym_sized: nop\nnop\n.size sym_sized, 2\n"
	".globl sym_bare\n.type sym_bare, @function\nsym_bare: nop\nnop\n.size sym_bare, 0\n"
	".globl sym_after\n.type sym_after, @function\nsym_after: ret\n.size sym_after, 1\n");

static struct store store;
static struct arena arena;

static struct symbols_module module_of(const void *pc)
{
	struct symbols_module m = {.process_realtime_ns = UINT64_MAX};
	struct store_view v;

	storebuild_open(&store, 4 << 20);
	storebuild_modules(&store);
	store_view_of(&store, &v);
	CHECK_EQ(store_view_module(&v, storebuild_module_of(&store, pc), &m.info), 0);
	m.path = m.info.is_exe ? store.header->exe : m.info.path;
	return m;
}

static void done(void)
{
	arena_drop(&arena);
	storebuild_close(&store);
}

static const char *name_of(struct symbols_module *m, const void *pc)
{
	struct address a = {.address = (uint64_t)pc};

	(void)symbols_resolve(m, &arena, &a, 1);
	return a.name ? a.name : "(none)";
}

TEST(symbols_name_code_of_this_program)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);

	CHECK_STR(name_of(&m, (char *)(uintptr_t)symbols_resolve + 1), "symbols_resolve");
	CHECK_STR(m.canonical_path, store.header->exe);
	CHECK_STR(name_of(&m, (void *)(uintptr_t)module_of), "module_of");
	done();
}

TEST(symbols_choice_among_aliases_is_the_documented_one)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);

	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "chosen_name");
	CHECK_STR(name_of(&m, (void *)(uintptr_t)_strong_name), "weak_alias");
	done();
}

TEST(symbols_size_is_respected)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);

	CHECK_STR(name_of(&m, sym_sized), "sym_sized");
	CHECK_STR(name_of(&m, sym_sized + 1), "sym_sized");
	CHECK_STR(name_of(&m, sym_bare), "(none)"); /* no size: covers nothing */
	CHECK_STR(name_of(&m, sym_bare + 1), "(none)");
	CHECK_STR(name_of(&m, sym_after), "sym_after");
	done();
}

TEST(symbols_many_addresses_at_once)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);
	static struct address a[20000];
	unsigned named = 0, n = 0;

	for (uint64_t at = m.info.start; at < m.info.limit && n < 20000; at += 3)
		a[n++].address = at;
	CHECK_EQ(symbols_resolve(&m, &arena, a, n), 0);
	for (unsigned i = 0; i < n; i++)
		named += a[i].name != NULL;
	CHECK(named > n / 2);
	for (unsigned i = 0; i < n; i += n / 50 + 1) {
		const char *one = name_of(&m, (void *)a[i].address);

		CHECK_STR(a[i].name ? a[i].name : "(none)", one);
	}
	done();
}

TEST(symbols_of_libc_lose_their_version_and_get_the_canonical_path)
{
	void *at = dlsym(RTLD_NEXT, "hsearch_r"); /* not one that a sanitizer intercepts */
	struct symbols_module m = module_of(at);
	char real[4096];

	CHECK_STR(name_of(&m, at), "hsearch_r");
	CHECK(realpath(m.info.path, real) != NULL);
	CHECK_STR(m.canonical_path, real);
	done();
}

TEST(symbols_of_the_stubs_inside_libc_with_resolvers)
{
	struct symbols_module m = module_of(dlsym(RTLD_NEXT, "hsearch_r"));
	unsigned named = 0, strlens = 0, stubs = 0;
	int fd = open(m.path, O_RDONLY);
	struct elf e;

	CHECK_EQ(elf_open_fd(&e, fd), 0);
	close(fd);
	const struct elf_section *plt = &e.section[ELF_PLT];
	for (uint64_t at = 16; at < plt->bytes; at += 16, stubs++) {
		const char *name = name_of(&m, (char *)m.info.bias + plt->address + at);
		size_t n = strlen(name);

		named += n > 4 && strcmp(name + n - 4, "@plt") == 0;
		strlens += strcmp(name, "strlen@plt") == 0;
	}
	if (stubs < 10) {
		done();
		SKIP("libc has no .plt");
	}
	CHECK(named > stubs / 2); /* all, with libc's debug file */
	CHECK_EQ(strlens, 1);
	done();
}

TEST(symbols_of_the_vdso)
{
	struct symbols_module m;
	struct store_view v;
	unsigned id, found = 0;

	storebuild_open(&store, 4 << 20);
	storebuild_modules(&store);
	store_view_of(&store, &v);
	for (id = 1; store_view_module(&v, id, &m.info) == 0 && !m.info.is_vdso; id++)
		;
	if (!m.info.is_vdso) {
		done();
		SKIP("no vdso");
	}
	m.path = "[vdso]";
	for (uint64_t at = m.info.start; at < m.info.limit; at += 16)
		found += name_of(&m, (void *)at)[0] != '(';
	CHECK_STR(m.canonical_path, "[vdso]");
	CHECK(found > 0);
	/* Another kernel's vdso names nothing. */
	uint8_t other[20] = {1};
	m.info.build_id = other;
	struct address a = {.address = m.info.start + 0x800};
	CHECK_EQ(symbols_resolve(&m, &arena, &a, 1), -ESTALE);
	CHECK(a.name == NULL);
	CHECK_STR(m.canonical_path, "[vdso]");
	done();
}

TEST(symbols_of_a_replaced_binary_are_not_used)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);
	uint8_t other[20];

	memcpy(other, m.info.build_id, 20);
	other[19] ^= 1;
	m.info.build_id = other;
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	CHECK_STR(m.canonical_path, store.header->exe);
	/* A record without a build id does not fit a file that has one. */
	m.info.build_id_bytes = 0;
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	done();
}

TEST(symbols_of_a_deleted_main_program_come_from_its_link)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);

	m.path = "/nonexistent/program (deleted)";
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "chosen_name");
	CHECK_STR(m.canonical_path, store.header->exe);
	/* A library has no such link. */
	m.info.is_exe = false;
	m.info.start = m.info.limit = 0; /* nor does map_files know it */
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	CHECK_STR(m.canonical_path, "/nonexistent/program");
	done();
}

TEST(symbols_of_a_removed_library_that_is_loaded_come_from_memory)
{
	char dir[] = "/tmp/cprof-loaded-XXXXXX", command[512], path[64];
	static const char *const styles[] = {"gnu", "sysv", "both"};

	CHECK(mkdtemp(dir) != NULL);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s.so", dir, styles[i]);
		snprintf(command, sizeof command,
			 "echo 'int f(int x) { return x * 3; } static int g(int x) { return x * "
			 "f(x); } "
			 "int (*p)(int) = g;' | gcc -O1 -fno-inline -shared -fPIC "
			 "-Wl,--build-id,--hash-style=%s -x c - -o %s",
			 styles[i], path);
		CHECK_EQ(system(command), 0);
		void *library = dlopen(path, RTLD_NOW);
		CHECK(library != NULL);
		void *f = dlsym(library, "f"), *g = *(void **)dlsym(library, "p");
		CHECK_EQ(unlink(path), 0);
		struct symbols_module m = module_of(f);
		m.info.start = m.info.limit = 0; /* as if map_files could not be read */
		CHECK_STR(name_of(&m, f), "f");
		CHECK_STR(name_of(&m, g), "(none)"); /* only .symtab knew it */
		uint8_t other[20];
		memcpy(other, m.info.build_id, sizeof other);
		other[0] ^= 1;
		m.info.build_id = other; /* another process's */
		CHECK_STR(name_of(&m, f), "(none)");
		CHECK_EQ(dlclose(library), 0);
		other[0] ^= 1;
		CHECK_STR(name_of(&m, f), "(none)"); /* not a fault */
		done();
	}
	CHECK_EQ(rmdir(dir), 0);
}

TEST(symbols_without_a_path_or_with_a_relative_one)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);

	m.info.is_exe = false;
	m.info.start = m.info.limit = 0;
	m.path = "";
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	CHECK_STR(m.canonical_path, "");
	m.path = "build/unit/test_symbols";
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	done();
}

TEST(symbols_a_path_that_is_a_fifo_or_a_directory_does_not_hang)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);
	char fifo[] = "/tmp/cprof-fifo-XXXXXX";

	CHECK(mkdtemp(fifo) != NULL);
	m.info.is_exe = false;
	m.info.start = m.info.limit = 0;
	m.path = fifo;
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	CHECK_EQ(rmdir(fifo), 0);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	CHECK_EQ(unlink(fifo), 0);
	done();
}

/* Copies the program without its build id note. */
static void copy_without_build_id(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_RDWR | O_CREAT | O_TRUNC, 0700);
	static char bytes[8 << 20];
	ssize_t n = read(in, bytes, sizeof bytes);

	CHECK(n > 0);
	Elf64_Ehdr *head = (Elf64_Ehdr *)bytes;
	Elf64_Phdr *p = (Elf64_Phdr *)(bytes + head->e_phoff);
	Elf64_Shdr *s = (Elf64_Shdr *)(bytes + head->e_shoff);
	for (unsigned i = 0; i < head->e_phnum; i++)
		if (p[i].p_type == PT_NOTE)
			p[i].p_type = PT_NULL;
	for (unsigned i = 0; i < head->e_shnum; i++)
		if (s[i].sh_type == SHT_NOTE)
			s[i].sh_type = SHT_PROGBITS;
	CHECK_EQ(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

TEST(symbols_without_a_build_id_need_a_file_older_than_the_profile)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);
	char path[] = "/tmp/cprof-noid-XXXXXX";
	struct timespec now;

	close(mkstemp(path));
	copy_without_build_id(path);
	clock_gettime(CLOCK_REALTIME, &now);
	m.path = path;
	m.info.build_id_bytes = 0;
	m.process_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "chosen_name");
	m.process_realtime_ns -= 10000000000u; /* the file was changed after the process began */
	CHECK_STR(name_of(&m, (void *)(uintptr_t)chosen_name), "(none)");
	unlink(path);
	done();
}

#define CRAFTED_AT 0x10000u

/* A file with a symbol table and nothing else: names of symbol i by describe(). */
static struct symbols_module crafted(char *path, unsigned count,
				     void (*describe)(unsigned i, Elf64_Sym *symbol, char *name))
{
	Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_ehsize = sizeof head,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 3,
			   .e_shoff = sizeof head};
	Elf64_Shdr sections[3] = {{0}};
	FILE *f = fdopen(mkstemp(path), "w");
	uint64_t strings = 1;
	static char name[2 * SYMBOL_NAME_MAX];

	CHECK(f != NULL);
	sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
				   .sh_link = 2,
				   .sh_offset = sizeof head + sizeof sections,
				   .sh_size = count * sizeof(Elf64_Sym),
				   .sh_entsize = sizeof(Elf64_Sym)};
	sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
				   .sh_offset = sections[1].sh_offset + sections[1].sh_size};
	CHECK_EQ(fseek(f, (long)sections[1].sh_offset, SEEK_SET), 0);
	for (unsigned i = 0; i < count; i++) {
		Elf64_Sym s = {.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1};

		describe(i, &s, name);
		s.st_name = (uint32_t)strings;
		strings += strlen(name) + 1;
		CHECK_EQ(fwrite(&s, sizeof s, 1, f), 1);
	}
	fputc(0, f);
	for (unsigned i = 0; i < count; i++) {
		Elf64_Sym s;

		describe(i, &s, name);
		CHECK_EQ(fwrite(name, strlen(name) + 1, 1, f), 1);
	}
	sections[2].sh_size = strings;
	rewind(f);
	CHECK_EQ(fwrite(&head, sizeof head, 1, f), 1);
	CHECK_EQ(fwrite(sections, sizeof sections, 1, f), 1);
	fclose(f);
	return (struct symbols_module){.path = path, .process_realtime_ns = UINT64_MAX};
}

/* Each is better than the one before. */
static void describe_alias(unsigned i, Elf64_Sym *s, char *name)
{
	s->st_value = CRAFTED_AT;
	s->st_size = 16;
	memset(name, 'a', 2000);
	strcpy(name + 2000 - i / 2, i % 2 ? "a" : "b");
}

TEST(symbols_with_thousands_of_aliases_take_the_memory_of_one)
{
	char path[] = "/tmp/cprof-aliases-XXXXXX";
	struct symbols_module m = crafted(path, 3000, describe_alias); /* 4 MiB of names */
	struct arena small = {.max_bytes = 1 << 20};
	struct address a[] = {{.address = CRAFTED_AT}, {.address = CRAFTED_AT + 15}};

	CHECK_EQ(symbols_resolve(&m, &small, a, 2), 0);
	CHECK(a[0].name && a[0].name == a[1].name);
	CHECK_EQ(strlen(a[0].name), 2000 - 1499 + 1);
	CHECK_EQ(strspn(a[0].name, "a"), 2000 - 1499 + 1);
	arena_drop(&small);
	unlink(path);
}

static void describe_function(unsigned i, Elf64_Sym *s, char *name)
{
	s->st_value = CRAFTED_AT + 16 * i;
	s->st_size = 16;
	memset(name, 'f', 1900);
	sprintf(name + 1900, "%u", i);
}

TEST(symbols_with_endless_names_leave_memory_for_the_rest)
{
	char path[] = "/tmp/cprof-names-XXXXXX";
	struct symbols_module m = crafted(path, 2000, describe_function);
	struct arena capped = {.max_bytes = 16 << 20};
	static struct address a[2000];
	unsigned named = 0;

	for (unsigned i = 0; i < 2000; i++)
		a[i].address = CRAFTED_AT + 16 * i + 3;
	CHECK_EQ(symbols_resolve(&m, &capped, a, 2000), 0);
	for (unsigned i = 0; i < 2000; i++)
		named += a[i].name != NULL;
	CHECK(named > 500 && named <= (1 << 20) / 1900);
	CHECK(strtoul(a[499].name + 1900, NULL, 10) == 499);
	arena_drop(&capped);
	unlink(path);
}

/* Each covers everything and starts a little later, which is better. */
static void describe_layer(unsigned i, Elf64_Sym *s, char *name)
{
	s->st_value = CRAFTED_AT + i;
	s->st_size = 1 << 20;
	sprintf(name, "layer%u", i);
}

TEST(symbols_that_all_cover_everything_end_after_so_many_steps)
{
	char path[] = "/tmp/cprof-layers-XXXXXX";
	struct symbols_module m = crafted(path, 3000, describe_layer);
	static struct address a[20000];

	for (unsigned i = 0; i < 20000; i++)
		a[i].address = CRAFTED_AT + 4000 + i;
	CHECK_EQ(symbols_resolve(&m, &arena, a, 20000), 0);
	unsigned layer = (unsigned)atoi(a[0].name + strlen("layer"));
	CHECK(layer > 2000 && layer < 2999); /* of 60 million steps */
	arena_drop(&arena);
	unlink(path);
}

TEST(symbols_out_of_memory_is_an_error)
{
	struct symbols_module m = module_of((void *)(uintptr_t)chosen_name);
	struct arena tiny = {.max_bytes = 1};
	struct address a = {.address = (uint64_t)chosen_name};

	CHECK_EQ(symbols_resolve(&m, &tiny, &a, 1), -ENOMEM);
	done();
}
