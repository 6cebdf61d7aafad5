/* SPDX-License-Identifier: MIT */
#include "output/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static struct arena arena;

static struct perf_map map_of(const char *text)
{
	return (struct perf_map){.fd = -1, .image = text, .size_bytes = strlen(text)};
}

/* The name of one address, "(none)". */
static const char *name_in(const struct perf_map *m, uint64_t address)
{
	static char name[PERF_MAP_NAME_MAX];
	struct address a = {.address = address};

	CHECK_EQ(perf_map_resolve(m, &arena, &a, 1), 0);
	snprintf(name, sizeof name, "%s", a.name ? a.name : "(none)");
	arena_drop(&arena);
	return name;
}

TEST(perf_map_lines_of_real_runtimes)
{
	static const struct {
		const char *line;
		uint64_t start, size;
		const char *name;
	} good[] = {
		{"7f1a2c000000 1a0 LazyCompile:*foo /srv/app.js:12:3", 0x7f1a2c000000, 0x1a0,
		 "LazyCompile:*foo /srv/app.js:12:3"},
		{"7F1A2C0001A0 10 py::foo:/srv/app.py", 0x7f1a2c0001a0, 0x10,
		 "py::foo:/srv/app.py"},
		{"0x1000 0x20 wasm[0]::function[7]", 0x1000, 0x20, "wasm[0]::function[7]"},
		{"1000 20 Lcom/example/Foo;::bar \r", 0x1000, 0x20, "Lcom/example/Foo;::bar"},
		{"0 1 x", 0, 1, "x"},
	};
	static const char *const bad[] = {
		"",
		" ",
		"1000",
		"1000 ",
		"1000 20",
		"1000 20 ",
		"1000 20  \t",
		"g000 20 x",
		"1000 2g x",
		" 1000 20 x",
		"1000  20 x",
		"-1 20 x",
		"1000 0 x",
		"ffffffffffffffff 2 wraps",
		"11111111111111111 1 long",
		"0x 1 x",
		"1000,20,x",
	};
	struct perf_map_line l;

	for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
		char name[128];

		CHECK(perf_map_parse(good[i].line, strlen(good[i].line), &l));
		CHECK_EQ(l.start, good[i].start);
		CHECK_EQ(l.size_bytes, good[i].size);
		snprintf(name, sizeof name, "%.*s", (int)l.name_bytes, l.name);
		CHECK_STR(name, good[i].name);
	}
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (perf_map_parse(bad[i], strlen(bad[i]), &l))
			check_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
}

TEST(perf_map_last_line_that_covers_an_address_wins)
{
	struct perf_map m = map_of("1000 100 old\n"
				   "2000 10 other\n"
				   "nonsense\n"
				   "1040 20 new\n"
				   "1080 10 half writ");

	CHECK_STR(name_in(&m, 0xfff), "(none)");
	CHECK_STR(name_in(&m, 0x1000), "old");
	CHECK_STR(name_in(&m, 0x103f), "old");
	CHECK_STR(name_in(&m, 0x1040), "new");
	CHECK_STR(name_in(&m, 0x105f), "new");
	CHECK_STR(name_in(&m, 0x1060), "old");
	CHECK_STR(name_in(&m, 0x1088), "old"); /* a line without its end is none */
	CHECK_STR(name_in(&m, 0x1100), "(none)");
	CHECK_STR(name_in(&m, 0x200f), "other");
}

TEST(perf_map_neighbours_share_a_name)
{
	struct perf_map m = map_of("1000 100 f\n2000 100 g\n");
	struct address a[] = {{.address = 0x1000},
			      {.address = 0x10ff},
			      {.address = 0x1800},
			      {.address = 0x2001},
			      {.address = 0x2002}};

	CHECK_EQ(perf_map_resolve(&m, &arena, a, 5), 0);
	CHECK_STR(a[0].name, "f");
	CHECK(a[1].name == a[0].name);
	CHECK(a[2].name == NULL);
	CHECK_STR(a[3].name, "g");
	CHECK(a[4].name == a[3].name);
	arena_drop(&arena);
}

TEST(perf_map_lines_longer_than_a_block_are_cut)
{
	size_t n = 200000;
	char *text = malloc(n + 64);

	memset(text, 'x', n + 63);
	memcpy(text, "1000 10 ", 8);
	strcpy(text + n, "\n1008 8 behind\n");
	struct perf_map m = map_of(text);
	CHECK_EQ(strlen(name_in(&m, 0x1000)), PERF_MAP_NAME_MAX - 1);
	CHECK_STR(name_in(&m, 0x1008), "behind");
	/* Every place where a block may end. */
	for (unsigned i = 0; i < 40; i++) {
		memset(text, '\n', n);
		strcpy(text + 65520 + i, "1000 10 across the end\n");
		m = map_of(text);
		CHECK_STR(name_in(&m, 0x1000), "across the end");
	}
	free(text);
}

static char path[64];
static const char *why;

static int open_own(struct perf_map *m, uint64_t not_before)
{
	int rc = perf_map_open(m, (uint32_t)getpid(), geteuid(), not_before, UINT64_MAX, &why);

	if (rc == 0)
		perf_map_close(m);
	return rc;
}

static void write_own(const char *text, mode_t mode)
{
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CHECK_EQ(fchmod(fd, mode), 0);
	close(fd);
}

TEST(perf_map_of_the_process_is_opened)
{
	struct perf_map m;

	write_own("1000 10 f\n", 0644);
	CHECK_EQ(perf_map_open(&m, (uint32_t)getpid(), geteuid(), 0, UINT64_MAX, &why), 0);
	CHECK_STR(name_in(&m, 0x1000), "f");
	perf_map_close(&m);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(open_own(&m, 0), -ENOENT);
}

TEST(perf_map_that_is_not_to_be_trusted_is_refused_and_says_why)
{
	struct perf_map m;
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	write_own("1000 10 f\n", 0646);
	CHECK_EQ(open_own(&m, 0), -EPERM);
	CHECK_STR(why, "everybody may write to it");
	write_own("1000 10 f\n", 0644);
	CHECK_EQ(utimensat(AT_FDCWD, path, times, 0), 0);
	CHECK_EQ(open_own(&m, UINT64_C(1000000000001)), -ESTALE);
	CHECK_STR(why, "it is older than the process");
	CHECK_EQ(open_own(&m, UINT64_C(1000000000000)), 0);
	CHECK_EQ(perf_map_open(&m, (uint32_t)getpid(), geteuid(), 0, UINT64_C(999999999999), &why),
		 -ESTALE);
	CHECK_STR(why, "it is younger than the process");
	if (geteuid() == 0) {
		CHECK_EQ(chown(path, 12345, 12345), 0);
		CHECK_EQ(open_own(&m, 0), -EPERM);
		CHECK_STR(why, "it belongs to another user");
		CHECK_EQ(perf_map_open(&m, (uint32_t)getpid(), 12345, 0, UINT64_MAX, &why),
			 0); /* its own */
		perf_map_close(&m);
	}
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(open_own(&m, 0), -EPERM);
	CHECK_STR(why, "it is no regular file");
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink("/etc/passwd", path), 0);
	CHECK_EQ(open_own(&m, 0), -ELOOP);
	CHECK_EQ(unlink(path), 0);
}

TEST(perf_map_whose_lines_cover_everything_ends)
{
	static const char line[] = "0 7fffffffffffffff all\n";
	enum { ADDRESSES = 100000, LINES = 100000 };
	struct address *list = calloc(ADDRESSES, sizeof *list);
	char *text = malloc(LINES * (sizeof line - 1));
	struct perf_map m = {.fd = -1, .image = text, .size_bytes = LINES * (sizeof line - 1)};

	for (size_t i = 0; i < LINES; i++)
		memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
	for (unsigned i = 0; i < ADDRESSES; i++)
		list[i].address = 16 * i;
	/* 10^10 steps would take longer. */
	setrlimit(RLIMIT_CPU, &(struct rlimit){50, RLIM_INFINITY});
	CHECK_EQ(perf_map_resolve(&m, &arena, list, ADDRESSES), 0);
	setrlimit(RLIMIT_CPU, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	CHECK_STR(list[ADDRESSES / 2].name, "all");
	arena_drop(&arena);
	free(list);
	free(text);
}

TEST(perf_map_of_a_huge_file_reads_its_beginning_and_its_end)
{
	static const char first[] = "1000 10 first\n1010 10 replaced\n",
			  last[] = "\n1010 10 last\n";
	struct perf_map m;
	off_t size = 300 << 20;

	write_own(first, 0644);
	int fd = open(path, O_WRONLY);
	CHECK_EQ(pwrite(fd, "\n1000 10 middle\n", 16, size / 2), 16); /* a hole on both sides */
	CHECK_EQ(pwrite(fd, last, sizeof last - 1, size), sizeof last - 1);
	close(fd);
	CHECK_EQ(perf_map_open(&m, (uint32_t)getpid(), geteuid(), 0, UINT64_MAX, &why), 0);
	struct address a[] = {{.address = 0x1000}, {.address = 0x1010}};
	CHECK_EQ(perf_map_resolve(&m, &arena, a, 2), 0);
	CHECK_STR(a[0].name ? a[0].name : "(none)", "first");
	CHECK_STR(a[1].name ? a[1].name : "(none)", "last");
	CHECK(arena.mapped_bytes <= 512 << 10);
	arena_drop(&arena);
	perf_map_close(&m);
	unlink(path);
}

TEST(perf_map_that_is_cut_meanwhile_names_nothing)
{
	struct perf_map m;

	write_own("1000 10 f\n", 0644);
	CHECK_EQ(perf_map_open(&m, (uint32_t)getpid(), geteuid(), 0, UINT64_MAX, &why), 0);
	CHECK_EQ(truncate(path, 0), 0);
	CHECK_STR(name_in(&m, 0x1000), "(none)");
	perf_map_close(&m);
	unlink(path);
}

TEST(perf_map_out_of_memory_is_an_error)
{
	struct perf_map m = map_of("1000 10 f\n");
	struct arena tiny = {.max_bytes = 1};
	struct address a = {.address = 0x1000};

	CHECK_EQ(perf_map_resolve(&m, &tiny, &a, 1), -ENOMEM);
}
