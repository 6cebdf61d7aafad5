/* SPDX-License-Identifier: MIT */
#include "output/remapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/locations.h"
#include "output/maps.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

__attribute__((noinline)) int function_that_is_mapped_twice(int x);
__attribute__((noinline)) int function_that_is_mapped_twice(int x)
{
	return x * 7 + 1;
}
#define CODE ((const char *)(uintptr_t)function_that_is_mapped_twice)

static struct store store;
static struct store_view view;
static struct arena arena;
static struct locations locations;

TEST(maps_lines_of_the_kernel)
{
	static const char *const bad[] = {
		"",
		"1000",
		"1000-2000",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 fe:00",
		"1000-2000 r-xp 0 fe:00 12", /* the kernel puts a blank behind it */
		"-2000 r-xp 0 fe:00 12 ",
		"1000- r-xp 0 fe:00 12 ",
		"2000-1000 r-xp 0 fe:00 12 ",
		"1000-1000 r-xp 0 fe:00 12 ",
		"1000-2g00 r-xp 0 fe:00 12 ",
		"1000-2000 r-x 0 fe:00 12 ",
		"1000-2000 r-xp 0 fe00 12 ",
		"1000-2000 r-xp 0 fe:00 1a ",
		"11111111111111111-2000 r-xp 0 fe:00 12 ",
		"1000-2000 r-xp 0 fe:00 99999999999999999999 ",
		"[heap]",
	};
	struct maps_line l;

	CHECK(maps_parse("7fad03600000-7fad03792000 r-xp 014c4000 fe:1 247823                  "
			 "   /usr/bin/a node (deleted)",
			 &l));
	CHECK_EQ(l.start, 0x7fad03600000);
	CHECK_EQ(l.limit, 0x7fad03792000);
	CHECK_EQ(l.file_offset, 0x14c4000);
	CHECK_EQ(l.device, UINT64_C(0xfe) << 32 | 1);
	CHECK_EQ(l.inode, 247823);
	CHECK(l.executable);
	CHECK_STR(l.name, "/usr/bin/a node (deleted)");
	CHECK(maps_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 "
			 "                 [vsyscall]",
			 &l));
	CHECK_STR(l.name, "[vsyscall]");
	CHECK(l.executable && l.inode == 0);
	CHECK(maps_parse("1000-2000 rw-s 00000000 00:00 0 ", &l));
	CHECK_STR(l.name, "");
	CHECK(!l.executable);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (maps_parse(bad[i], &l))
			check_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
}

static bool count_lines(void *opaque, const struct maps_line *line)
{
	unsigned *n = opaque;

	return line->start < line->limit && ++*n < 5;
}

static bool finds_own_code(void *opaque, const struct maps_line *line)
{
	bool *found = opaque;

	if (line->start <= (uint64_t)CODE && (uint64_t)CODE < line->limit)
		*found = line->executable && line->inode;
	return true;
}

TEST(maps_of_this_process_are_read_to_the_end_or_until_enough)
{
	static struct maps_buffer buffer;
	unsigned lines = 0, open_before = check_files_in("/proc/self/fd");
	bool found = false;

	CHECK_EQ(maps_each(&buffer, count_lines, &lines), 0);
	CHECK_EQ(lines, 5);
	CHECK_EQ(maps_each(&buffer, finds_own_code, &found), 0);
	CHECK(found);
	CHECK_EQ(check_files_in("/proc/self/fd"), open_before);
}

/* The module of the code, and the code's line in the maps. */
static struct store_module_info begin(void)
{
	struct store_module_info m;

	storebuild_open(&store, 4 << 20);
	storebuild_modules(&store);
	store_view_of(&store, &view);
	CHECK_EQ(store_view_module(&view, storebuild_module_of(&store, CODE), &m), 0);
	CHECK_EQ(locations_init(&locations, &view, &arena), 0);
	locations.in_process = true;
	return m;
}

static void end(void)
{
	arena_drop(&arena);
	storebuild_close(&store);
}

/* Maps the module's code once more, from a file; the address of the function there. */
static char *map_again(const struct store_module_info *m, const char *file, char **ret_mapping)
{
	int fd = open(file, O_RDONLY);

	*ret_mapping = mmap(NULL, m->limit - m->start, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
			    (off_t)m->file_offset);
	close(fd);
	CHECK(*ret_mapping != MAP_FAILED);
	return *ret_mapping + (CODE - (char *)m->start);
}

/* The location of an address that has no module in the store. */
static const struct location *locate(const void *address)
{
	uint64_t frame = FRAME(FRAME_NO_MODULE, (uint64_t)address);
	const uint32_t *stack = locations_add_stack(&locations, &frame, 1);

	CHECK(stack != NULL);
	return &locations.list[*stack];
}

static const char *name_of(const struct location *l)
{
	CHECK_EQ(locations_resolve(&locations), 0);
	return locations.function_names[l->function];
}

TEST(remapped_code_of_a_module_has_the_frames_of_the_module)
{
	struct store_module_info m = begin();
	char *mapping, *code = map_again(&m, "/proc/self/exe", &mapping);
	uint64_t own = storebuild_frame(&store, CODE);
	const uint32_t *stack = locations_add_stack(&locations, &own, 1);

	CHECK(locate(code) == &locations.list[*stack]);
	CHECK_EQ(locations.count, 1);
	CHECK_EQ(locate(code + 1)->frame, own + 1);
	CHECK_STR(name_of(&locations.list[*stack]), "function_that_is_mapped_twice");
	CHECK_EQ(locations.unnamed, 0);
	munmap(mapping, m.limit - m.start);
	end();
}

TEST(remapped_code_counts_in_the_process_itself_only)
{
	struct store_module_info m = begin();
	char *mapping, *code = map_again(&m, "/proc/self/exe", &mapping);

	locations.in_process = false; /* cprof recover: these are the mappings of another one */
	CHECK_EQ(locate(code)->frame, FRAME(FRAME_NO_MODULE, (uint64_t)code));
	CHECK_STR(name_of(locate(code)), "[unknown]");
	munmap(mapping, m.limit - m.start);
	end();
}

TEST(remapped_code_is_not_what_lies_in_the_module_itself_or_nowhere)
{
	struct store_module_info m = begin();
	char *anonymous =
		mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Tagged before the module was there. */
	CHECK_EQ(locate(CODE)->frame, FRAME(FRAME_NO_MODULE, (uint64_t)CODE));
	CHECK_EQ(locate(anonymous)->frame, FRAME(FRAME_NO_MODULE, (uint64_t)anonymous));
	CHECK_EQ(locate((char *)m.limit + (UINT64_C(1) << 40))->frame >> 48, FRAME_NO_MODULE);
	munmap(anonymous, 4096);
	end();
}

static char path[] = "/tmp/cprof-remapped-XXXXXX";

static void copy_self(void)
{
	char command[128];

	strcpy(path + strlen(path) - 6, "XXXXXX");
	close(mkstemp(path));
	snprintf(command, sizeof command, "cp /proc/%d/exe %s", (int)getpid(), path);
	CHECK_EQ(system(command), 0);
}

TEST(remapped_code_of_a_file_that_was_never_loaded_is_named_by_the_file)
{
	struct store_module_info m = begin();
	char *mapping, *code, map[64];

	copy_self();
	code = map_again(&m, path, &mapping);
	const struct location *l = locate(code), *bare = locate(mapping + 1);
	CHECK_EQ(FRAME_MODULE(l->frame), STORE_MODULES_MAX);
	CHECK_EQ(FRAME_ADDRESS(l->frame), (uint64_t)code);
	CHECK_STR(name_of(l), "function_that_is_mapped_twice");
	CHECK_STR(locations.modules[STORE_MODULES_MAX]->canonical_path, path);
	CHECK_EQ(locations.modules[STORE_MODULES_MAX]->mapped_start, (uint64_t)mapping);
	/* What no symbol covers may be in the perf map; the other name stays. */
	bool has_a_symbol = locations.unnamed == 0;
	end();
	if (has_a_symbol)
		SKIP("the code begins with a function");
	(void)begin();
	snprintf(map, sizeof map, "/tmp/perf-%d.map", (int)getpid());
	FILE *f = fopen(map, "w");
	CHECK(f != NULL);
	fprintf(f, "%lx %lx of_the_map\n", (unsigned long)mapping, m.limit - m.start);
	fclose(f);
	chmod(map, 0600);
	l = locate(code);
	bare = locate(mapping + 1);
	CHECK_EQ(locations_resolve(&locations), 0);
	unlink(map);
	unlink(path);
	CHECK_STR(locations.function_names[l->function], "function_that_is_mapped_twice");
	CHECK_STR(locations.function_names[bare->function], "of_the_map");
	CHECK_EQ(locations.unnamed, 0);
	munmap(mapping, m.limit - m.start);
	end();
}

TEST(remapped_file_that_is_gone_replaced_or_no_program_stays_unknown)
{
	struct store_module_info m = begin(), described;
	char *mapping, *code;
	struct remapped r;

	copy_self();
	code = map_again(&m, path, &mapping);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	struct remapped_line *line = remapped_find(&r, (uint64_t)code);
	CHECK(line != NULL);
	CHECK_EQ(remapped_describe(line, &arena, &described), 0);
	CHECK_EQ(described.bias, (uint64_t)mapping - m.start + m.bias);
	CHECK_EQ(described.build_id_bytes, m.build_id_bytes);
	CHECK_EQ(memcmp(described.build_id, m.build_id, m.build_id_bytes), 0);

	line->file_offset = UINT64_C(1) << 40; /* no code there */
	CHECK_EQ(remapped_describe(line, &arena, &described), -ENOEXEC);
	unlink(path);
	CHECK_EQ(remapped_describe(line, &arena, &described), -ENOENT);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_EQ(remapped_describe(line, &arena, &described), -ESTALE);
	struct stat st;
	CHECK_EQ(fstat(fd, &st), 0);
	line->inode = st.st_ino;
	CHECK_EQ(remapped_describe(line, &arena, &described), -ENOEXEC);
	close(fd);
	CHECK_STR(name_of(locate(code)), "[unknown]");
	munmap(mapping, m.limit - m.start);
	unlink(path);
	end();
}

TEST(remapped_places_are_noted_and_count_while_nothing_else_is_there)
{
	struct store_module_info m = begin();
	char *mapping, *code = map_again(&m, "/proc/self/exe", &mapping);
	size_t n = m.limit - m.start;
	struct remapped r;

	remapped_note(); /* the first sample */
	munmap(mapping, n);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	struct remapped_line *line = remapped_find(&r, (uint64_t)code);
	CHECK(line != NULL);
	CHECK_STR(line->path, "");
	CHECK_EQ(remapped_in_module(&r, line, (uint64_t)code, &m), (uint64_t)CODE);
	for (unsigned i = 1; i < r.count; i++)
		CHECK(r.lines[i - 1].limit <= r.lines[i].start);
	CHECK_EQ(locate(code)->frame, storebuild_frame(&store, CODE));

	/* Memory that is not code does not count, other code does. */
	CHECK(mmap(mapping, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      mapping);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	CHECK(remapped_find(&r, (uint64_t)code) != NULL);
	CHECK_EQ(mprotect(mapping, 4096, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	CHECK(remapped_find(&r, (uint64_t)code) == NULL);
	munmap(mapping, n);

	/* The second and the third sample look at nothing, the fourth does. */
	char *late, *late_code;
	CHECK_EQ(mprotect(mmap(mapping, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			       0),
			  n, PROT_READ),
		 0);
	late_code = map_again(&m, "/proc/self/exe", &late);
	CHECK(late != mapping);
	remapped_note();
	remapped_note();
	munmap(late, n);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	CHECK(remapped_find(&r, (uint64_t)late_code) == NULL);
	late_code = map_again(&m, "/proc/self/exe", &late);
	remapped_after_fork();
	remapped_note();
	munmap(late, n);
	CHECK_EQ(remapped_read(&r, &arena), 0);
	CHECK(remapped_find(&r, (uint64_t)late_code) != NULL);
	munmap(mapping, n);
	end();
}

TEST(remapped_without_memory_is_an_error_and_names_nothing)
{
	struct arena tiny = {.max_bytes = 1};
	struct remapped r;

	CHECK_EQ(remapped_read(&r, &tiny), -ENOMEM);
	CHECK_EQ(r.count, 0);
	CHECK(remapped_find(&r, (uint64_t)CODE) == NULL);
}
