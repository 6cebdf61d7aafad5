/* SPDX-License-Identifier: MIT */
/*
 * Stripped copies of a library that is loaded, and its symbols beside them, made with binutils and xz,
 * named through output/symbols; the places below /usr/lib/debug only where we may write there.
 */
#include "output/debug_file.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store.h"
#include "output/debug_data.h"
#include "output/symbols.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

static struct store store;
static struct arena arena;
static char dir[64];
static void *library, *only_in_symtab;

__attribute__((format(printf, 1, 2))) static void sh(const char *format, ...)
{
	char command[8192];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (system(command) != 0)
		check_fail(__FILE__, __LINE__, "%s", command);
}

/* dir/x: the library, stripped, with a link to x.debug; dir/x.debug: its symbols, of which .dynsym lacks
 * one. */
static void begin(const char *strip_options)
{
	char path[128];

	snprintf(dir, sizeof dir, "/tmp/cprof-debug-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	sh("cd %s && echo 'static int only_in_symtab(int x) { return x * 3; } "
	   "int (*known)(int) = only_in_symtab;' | gcc -O1 -shared -fPIC -Wl,--build-id -x c - -o "
	   "lib",
	   dir);
	snprintf(path, sizeof path, "%s/lib", dir);
	library = dlopen(path, RTLD_NOW);
	CHECK(library != NULL);
	only_in_symtab = *(void **)dlsym(library, "known");
	sh("cd %s && objcopy %s lib whole && objcopy --only-keep-debug --strip-debug whole x.debug "
	   "&& "
	   "strip -o x whole && objcopy --add-gnu-debuglink=x.debug x && rm whole lib",
	   dir, strip_options);
}

static void end(void)
{
	CHECK_EQ(dlclose(library), 0);
	sh("rm -rf %s", dir);
	arena_drop(&arena);
}

/* What the stripped copy's code is called when it is loaded in our place. */
static const char *name_of(const char *file, bool with_build_id)
{
	struct symbols_module m = {.process_realtime_ns = UINT64_MAX};
	struct address a = {.address = (uint64_t)only_in_symtab};
	static char name[256];
	char path[128];
	struct store_view v;

	storebuild_open(&store, 4 << 20);
	storebuild_modules(&store);
	store_view_of(&store, &v);
	unsigned id = storebuild_module_of(&store, only_in_symtab);
	CHECK_EQ(store_view_module(&v, id, &m.info), 0);
	snprintf(path, sizeof path, "%s/%s", dir, file);
	m.path = path;
	m.info.start = m.info.limit = 0; /* its link in map_files would give the removed file */
	if (!with_build_id)
		m.info.build_id_bytes = 0;
	(void)symbols_resolve(&m, &arena, &a, 1);
	snprintf(name, sizeof name, "%s", a.name ? a.name : "(none)");
	storebuild_close(&store);
	return name;
}

TEST(debug_file_beside_the_stripped_one_or_in_its_directory_for_such)
{
	begin("");
	CHECK_STR(name_of("x", true), "only_in_symtab");
	sh("mkdir %s/.debug && mv %s/x.debug %s/.debug/", dir, dir, dir);
	CHECK_STR(name_of("x", true), "only_in_symtab");
	sh("rm -r %s/.debug", dir);
	CHECK_STR(name_of("x", true), "(none)");
	end();
}

TEST(debug_file_by_a_link_to_the_stripped_one)
{
	begin("");
	sh("mkdir %s/bin && ln -s ../x %s/bin/y && mkdir %s/bin/.debug && mv %s/x.debug "
	   "%s/bin/.debug/",
	   dir, dir, dir, dir, dir);
	CHECK_STR(name_of("bin/y", true), "only_in_symtab"); /* where it was opened */
	sh("mv %s/bin/.debug %s/.debug", dir, dir);
	CHECK_STR(name_of("bin/y", true), "only_in_symtab"); /* where it is */
	end();
}

TEST(debug_file_of_another_build_names_nothing)
{
	begin("");
	/* The build id's last byte, behind the note's name. */
	sh("cd %s && objcopy -O binary --only-section=.note.gnu.build-id x id && "
	   "printf '\\0' | dd of=id bs=1 seek=35 conv=notrunc status=none && "
	   "objcopy --update-section .note.gnu.build-id=id x.debug",
	   dir);
	CHECK_STR(name_of("x", true), "(none)");
	/* Nor does one without a build id where the program has one, whatever its CRC. */
	sh("cd %s && objcopy --remove-section=.note.gnu.build-id x.debug && "
	   "objcopy --remove-section=.gnu_debuglink x && objcopy --add-gnu-debuglink=x.debug x",
	   dir);
	CHECK_STR(name_of("x", true), "(none)");
	end();
}

TEST(debug_file_without_build_ids_is_told_by_its_crc)
{
	begin("--remove-section=.note.gnu.build-id");
	CHECK_STR(name_of("x", false), "only_in_symtab");
	sh("echo >> %s/x.debug", dir);
	CHECK_STR(name_of("x", false), "(none)");
	end();
}

TEST(debug_file_that_others_could_have_written_is_not_used)
{
	begin("");
	sh("chmod o+w %s/x.debug", dir);
	CHECK_STR(name_of("x", true), "(none)");
	sh("chmod o-w %s/x.debug", dir);
	CHECK_STR(name_of("x", true), "only_in_symtab");
	if (geteuid() == 0) {
		sh("chown 12345 %s/x.debug", dir);
		CHECK_STR(name_of("x", true), "(none)");
		sh("chown 12345 %s/x", dir); /* who could change the program */
		CHECK_STR(name_of("x", true), "only_in_symtab");
	}
	sh("rm %s/x.debug && mkfifo %s/x.debug", dir, dir);
	CHECK_STR(name_of("x", true), "(none)");
	end();
}

TEST(debug_file_in_the_systems_directory)
{
	char place[128];

	begin("");
	snprintf(place, sizeof place, "/usr/lib/debug%s", dir);
	if (system("mkdir -p /usr/lib/debug/tmp 2> /dev/null") != 0 || mkdir(place, 0755) < 0) {
		end();
		SKIP("/usr/lib/debug cannot be written");
	}
	sh("mv %s/x.debug %s/", dir, place);
	CHECK_STR(name_of("x", true), "only_in_symtab");
	sh("rm -r %s; rmdir --ignore-fail-on-non-empty /usr/lib/debug/tmp", place);
	end();
}

TEST(debug_file_by_build_id_also_when_the_file_is_gone)
{
	char id[41], place[64], command[128];
	FILE *f;

	begin("");
	snprintf(command, sizeof command, "readelf -n %s/x | sed -n 's/.*Build ID: //p'", dir);
	f = popen(command, "r");
	CHECK(f && fread(id, 1, 40, f) == 40);
	pclose(f);
	id[40] = '\0';
	snprintf(place, sizeof place, "/usr/lib/debug/.build-id/%.2s", id);
	bool made = mkdir(place, 0755) == 0;
	if (access(place, W_OK) < 0) {
		end();
		SKIP("/usr/lib/debug cannot be written");
	}
	sh("mv %s/x.debug %s/%s.debug", dir, place, id + 2);
	CHECK_STR(name_of("x", true), "only_in_symtab");
	CHECK_STR(name_of("gone", true), "only_in_symtab");
	CHECK_STR(name_of("gone", false), "(none)");
	sh("cp /bin/true %s/x", dir); /* replaced by another program */
	CHECK_STR(name_of("x", true), "only_in_symtab");
	sh("rm %s/%s.debug", place, id + 2);
	CHECK_STR(name_of("x", true), "(none)");
	if (made)
		CHECK_EQ(rmdir(place), 0);
	end();
}

/* A file that is nothing but a link. */
static int read_link(const void *bytes, uint64_t n, struct debug_link *link)
{
	struct elf e = {.fd = -1, .image = bytes, .size_bytes = n};

	e.section[ELF_DEBUG_LINK] = (struct elf_section){.bytes = n};
	return debug_link_read(&e, link);
}

TEST(debug_link_is_a_plain_name_and_a_checksum)
{
	struct debug_link link;
	char longest[DEBUG_LINK_NAME_MAX + 8];

	CHECK_EQ(read_link("abc\0\1\2\3\4", 8, &link), 0);
	CHECK_STR(link.name, "abc");
	CHECK_EQ(link.crc, 0x04030201);
	CHECK_EQ(read_link("abcd\0\0\0\0\1\2\3\4", 12, &link), 0);
	CHECK_STR(link.name, "abcd");
	CHECK_EQ(read_link("abcd\0\0\0\0\1\2\3", 11, &link), -ENOEXEC);
	CHECK_EQ(read_link("abcd", 4, &link), -ENOEXEC);
	CHECK_EQ(read_link("\0\0\0\0\1\2\3\4", 8, &link), -ENOEXEC);
	CHECK_EQ(read_link("../../x\0\1\2\3\4", 12, &link), -ENOEXEC);
	CHECK_EQ(read_link("", 0, &link), -ENOENT);
	memset(longest, 'x', sizeof longest);
	CHECK_EQ(read_link(longest, sizeof longest, &link), -ENOEXEC);
	longest[DEBUG_LINK_NAME_MAX - 1] = '\0';
	CHECK_EQ(read_link(longest, sizeof longest, &link), 0);
}

/* Puts x.debug, packed by a command, into "packed": a copy of x without the link. */
static void embed(const char *packer)
{
	sh("cd %s && (%s) < x.debug > data && objcopy --remove-section=.gnu_debuglink "
	   "--add-section .gnu_debugdata=data x packed",
	   dir, packer);
}

TEST(debug_data_names_what_the_stripped_file_does_not)
{
	begin("");
	embed("xz");
	CHECK_STR(name_of("packed", true), "only_in_symtab");
	embed("xz -9 --check=sha256 --block-size=65536");
	CHECK_STR(name_of("packed", true), "only_in_symtab");
	end();
}

TEST(debug_data_that_is_damaged_names_nothing)
{
	static const char *const packers[] = {
		"xz | head -c 600",			      /* cut */
		"xz | LC_ALL=C sed '1s/7zXZ/7zXY/'",	      /* no xz file */
		"xz | LC_ALL=C tr 'e' 'f'",		      /* wrong all over */
		"xz | tail -c +100",			      /* no beginning */
		"cat",					      /* not packed */
		"printf '' | xz",			      /* nothing */
		"head -c 1000 | xz",			      /* no whole ELF file */
		"true",					      /* an empty section */
		"xz --lzma2=dict=256MiB",		      /* wants too much memory */
		"(cat; head -c 100000000 /dev/zero) | xz -1", /* more than 64 MiB */
	};

	begin("");
	for (unsigned i = 0; i < sizeof packers / sizeof packers[0]; i++) {
		embed(packers[i]);
		CHECK_STR(name_of("packed", true), "(none)");
	}
	end();
}

TEST(debug_data_limits_are_those_of_the_arena)
{
	struct arena tiny = {.max_bytes = 1 << 20};
	struct elf e, inner;
	char path[128];

	begin("");
	embed("xz");
	snprintf(path, sizeof path, "%s/packed", dir);
	int fd = open(path, O_RDONLY);
	CHECK_EQ(elf_open_fd(&e, fd), 0);
	CHECK(e.section[ELF_DEBUG_DATA].bytes > 0);
	CHECK_EQ(debug_data_open(&e, &tiny, &inner), -ENOMEM);
	arena_drop(&tiny);
	tiny.max_bytes = DEBUG_DATA_MEMORY;
	CHECK_EQ(debug_data_open(&e, &tiny, &inner), 0);
	CHECK(inner.table[ELF_SYMTAB].bytes > 0);
	arena_drop(&tiny);
	e.section[ELF_DEBUG_DATA].bytes = 0;
	CHECK_EQ(debug_data_open(&e, &tiny, &inner), -ENOENT);
	close(fd);
	end();
}
