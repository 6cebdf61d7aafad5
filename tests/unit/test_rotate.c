/* SPDX-License-Identifier: MIT */
#include "output/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/check.h"

#define T0 1700000000 /* of the oldest file */

static char scratch[64];
static int dir = -1;

static void begin_in(const char *where)
{
	snprintf(scratch, sizeof scratch, "%s/cprof-rotate-XXXXXX", where);
	CHECK(mkdtemp(scratch) != NULL);
	dir = open(scratch, O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0);
}

static void begin(void)
{
	begin_in("/tmp");
}

static void end(void)
{
	char command[128];

	close(dir);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
}

static void make_file(const char *name, size_t bytes, time_t mtime)
{
	struct timespec times[2] = {{mtime, 5}, {mtime, 5}};
	int fd = openat(dir, name, O_CREAT | O_WRONLY, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	CHECK_EQ(futimens(fd, times), 0);
	close(fd);
}

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *numbered(unsigned n)
{
	static char name[64];

	snprintf(name, sizeof name, "a.7.cpu.%u.pb.gz", n);
	return name;
}

static int rotate(uint64_t max_files, uint64_t max_bytes, const char *fresh)
{
	struct rotate_request request = {
		.dir = open(scratch, O_RDONLY | O_DIRECTORY),
		.program = "a",
		.max_files = max_files,
		.max_bytes = max_bytes,
		.fresh = &fresh,
		.fresh_count = fresh != NULL,
	};
	int rc = rotate_files(&request);

	close(request.dir);
	return rc;
}

TEST(rotate_keeps_the_newest_files)
{
	begin();
	for (unsigned n = 1; n <= 30; n++) /* names and times run against each other */
		make_file(numbered(n), 10, T0 + 100 - (time_t)n);
	CHECK_EQ(rotate(20, 0, NULL), 0);
	CHECK_EQ(check_files_in(scratch), 20);
	for (unsigned n = 1; n <= 20; n++)
		CHECK(is_there(numbered(n)));
	CHECK_EQ(rotate(20, 0, NULL), 0); /* at the limit is not above it */
	CHECK_EQ(check_files_in(scratch), 20);
	CHECK_EQ(rotate(0, 0, NULL), 0);
	CHECK_EQ(check_files_in(scratch), 20);
	end();
}

TEST(rotate_keeps_the_sum_of_sizes)
{
	begin();
	for (unsigned n = 1; n <= 10; n++)
		make_file(numbered(n), 100, T0 + (time_t)n);
	CHECK_EQ(rotate(0, 1000, NULL), 0);
	CHECK_EQ(check_files_in(scratch), 10);
	CHECK_EQ(rotate(0, 999, NULL), 0);
	CHECK_EQ(check_files_in(scratch), 9);
	CHECK_EQ(rotate(7, 650, NULL), 0); /* the stricter one counts */
	CHECK_EQ(check_files_in(scratch), 6);
	CHECK(is_there(numbered(5)) && !is_there(numbered(4)));
	end();
}

TEST(rotate_never_removes_what_was_just_written)
{
	begin();
	for (unsigned n = 1; n <= 5; n++)
		make_file(numbered(n), 100, T0 + (time_t)n);
	/* The clock went back: the fresh file is the oldest, and larger than all that is allowed. */
	CHECK_EQ(rotate(2, 50, numbered(1)), 0);
	CHECK(is_there(numbered(1)));
	CHECK_EQ(check_files_in(scratch), 1);
	end();
}

TEST(rotate_of_equal_times_goes_by_number)
{
	begin();
	for (unsigned n = 8; n <= 12; n++)
		make_file(numbered(n), 1, T0);
	CHECK_EQ(rotate(3, 0, NULL), 0);
	CHECK(!is_there(numbered(8)) && !is_there(numbered(9)));
	CHECK(is_there(numbered(10)) && is_there(numbered(11)) && is_there(numbered(12)));
	end();
}

TEST(rotate_leaves_all_other_names_alone)
{
	static const char *const others[] = {
		"a.b.7.cpu.1.pb.gz",
		"a.5.7.cpu.1.pb.gz",
		"ab.7.cpu.1.pb.gz",
		"A.7.cpu.1.pb.gz",
		"a.7.cpu.1.pb.gz.old",
		"a.7.cpu.1.pb",
		"a.7.cpu..pb.gz",
		"a..cpu.1.pb.gz",
		"a.7.cpux.1.pb.gz",
		"a.7.heat.1.pb.gz",
		"a.07.cpu.1.pb.gz",
		"a.7.cpu.01.pb.gz",
		"a.7.cpu.1x.pb.gz",
		"a.7x.cpu.1.pb.gz",
		"a.-7.cpu.1.pb.gz",
		"a.7.cpu.1..pb.gz",
		"a.live.7.cpu.1.pb.gz",
		"a",
		"a.",
		".a.7.cpu.1.pb.gz",
		"a.7.cpu.1.pb.gz.12",
		"notes.txt",
	};
	const unsigned count = sizeof others / sizeof others[0];

	begin();
	for (unsigned i = 0; i < count; i++)
		make_file(others[i], 1000, T0);
	CHECK_EQ(mkdirat(dir, numbered(1), 0700), 0);
	CHECK_EQ(symlinkat("notes.txt", dir, numbered(2)), 0);
	CHECK_EQ(mkfifoat(dir, numbered(3), 0600), 0);
	make_file(numbered(4), 1, T0);
	make_file(numbered(5), 1, T0 + 1);
	CHECK_EQ(rotate(1, 1, NULL), 0);
	CHECK_EQ(check_files_in(scratch), count + 4);
	CHECK(is_there(numbered(1)) && is_there(numbered(2)) && is_there(numbered(3)));
	CHECK(!is_there(numbered(4)) && is_there(numbered(5)));
	end();
}

TEST(rotate_leaves_files_of_other_users_alone)
{
	if (geteuid() != 0)
		SKIP("needs root to make a file of another user");
	begin();
	for (unsigned n = 1; n <= 4; n++)
		make_file(numbered(n), 1, T0 + (time_t)n);
	CHECK_EQ(fchownat(dir, numbered(1), 65534, 65534, 0), 0);
	CHECK_EQ(rotate(1, 0, NULL), 0);
	CHECK(is_there(numbered(1)) && is_there(numbered(4)));
	CHECK_EQ(check_files_in(scratch), 2);
	end();
}

TEST(rotate_removes_temporary_files_that_a_killed_writer_left)
{
	time_t now = time(NULL);

	begin();
	make_file(".a.7.cpu.1.pb.gz.12", 1, now - 3700);
	make_file(".a.7.cpu.2.pb.gz.12", 1, now - 3500); /* its writer may be slow */
	make_file(".a.7.cpu.3.pb.gz.12x", 1, now - 3700);
	make_file(".a.b.7.cpu.3.pb.gz.12", 1, now - 3700);
	make_file(".a.7.cpu.3.pb.gz", 1, now - 3700);
	CHECK_EQ(symlinkat("nowhere", dir, ".a.7.cpu.4.pb.gz.12"), 0);
	CHECK_EQ(rotate(0, 0, NULL), 0);
	CHECK(!is_there(".a.7.cpu.1.pb.gz.12"));
	CHECK_EQ(check_files_in(scratch), 5);
	end();
}

static void set_immutable(const char *name, int on, bool *ret_can)
{
	int fd = openat(dir, name, O_RDONLY), flags = on ? 0x10 /* FS_IMMUTABLE_FL */ : 0;

	*ret_can = ioctl(fd, _IOW('f', 2, long), &flags) == 0;
	close(fd);
}

TEST(rotate_takes_the_next_file_when_one_cannot_be_removed)
{
	bool can;

	begin();
	for (unsigned n = 1; n <= 4; n++)
		make_file(numbered(n), 1, T0 + (time_t)n);
	set_immutable(numbered(1), 1, &can);
	if (!can) {
		end();
		SKIP("this file system knows no immutable files");
	}
	int rc = rotate(2, 0, NULL);
	bool right = is_there(numbered(1)) && !is_there(numbered(2)) && !is_there(numbered(3)) &&
		     is_there(numbered(4));
	set_immutable(numbered(1), 0, &can);
	CHECK_EQ(rc, -EPERM);
	CHECK(right);
	end();
}

TEST(rotate_says_that_it_cannot_read_or_remove)
{
	struct rotate_request request = {.dir = -1, .program = "a", .max_files = 1};

	CHECK_EQ(rotate_files(&request), -EBADF);
	begin();
	if (mount("none", scratch, "tmpfs", 0, "size=64k,mode=700") < 0) {
		end();
		SKIP("needs the right to mount a tmpfs");
	}
	close(dir);
	dir = open(scratch, O_RDONLY | O_DIRECTORY);
	make_file(numbered(1), 1, T0);
	make_file(numbered(2), 1, T0);
	mount("none", scratch, NULL, MS_REMOUNT | MS_RDONLY, "size=64k,mode=700");
	int rc = rotate(1, 0, NULL);
	unsigned left = check_files_in(scratch);
	close(dir);
	dir = -1;
	umount(scratch);
	end();
	CHECK_EQ(rc, -EROFS);
	CHECK_EQ(left, 2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* All different: 100,003 is a prime. */
static unsigned age_of(unsigned n)
{
	return n * 7919u % 100003u;
}

/* Fewer where it was seen already, under other compilers. */
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__)
#define MANY 20000u
#else
#define MANY 100000u
#endif
TEST(rotate_of_very_many_files_works)
{
	unsigned oldest = 1;

	begin_in("/dev/shm"); /* in memory: it is made in a tenth of the time */
	for (unsigned n = 1; n <= MANY; n++)
		make_file(numbered(n), 1, T0 + (time_t)age_of(n));
	for (unsigned n = 1; n <= MANY; n++)
		oldest = age_of(n) < age_of(oldest) ? n : oldest;
	uint64_t from = now_ns();
	CHECK_EQ(rotate(MANY - 1, 0, NULL), 0);
	uint64_t one = now_ns();
	CHECK_EQ(check_files_in(scratch), MANY - 1);
	CHECK(!is_there(numbered(oldest)));
	CHECK_EQ(rotate(20, 0, NULL), 0);
	uint64_t all = now_ns();
	printf("# %u files: one removed in %u ms, all but 20 in %u ms\n", MANY,
	       (unsigned)((one - from) / 1000000), (unsigned)((all - one) / 1000000));
	CHECK_EQ(check_files_in(scratch), 20);
	for (unsigned n = 1; n <= MANY; n++)
		if (age_of(n) >= 100003u - 10)
			CHECK(is_there(numbered(n)));
	end();
}

TEST(rotate_costs_little_where_there_is_little_to_do)
{
	begin();
	for (unsigned n = 1; n <= 10; n++)
		make_file(numbered(n), 1, T0);
	uint64_t best = UINT64_MAX;
	for (unsigned i = 0; i < 50; i++) {
		uint64_t from = now_ns();

		CHECK_EQ(rotate(1000, 1 << 28, NULL), 0);
		uint64_t took = now_ns() - from;
		best = took < best ? took : best;
	}
	printf("# 10 files: %u us\n", (unsigned)(best / 1000));
	CHECK(best < 1000000);
	end();
}

/* Eight processes write and rotate at the same time. */
TEST(rotate_by_many_at_once_keeps_exactly_the_newest)
{
	enum { WRITERS = 8, EACH = 200, KEPT = 20 };
	unsigned at_most = 0;
	int state, failed = 0, running = WRITERS;

	begin();
	for (unsigned w = 0; w < WRITERS; w++) {
		if (fork() != 0)
			continue;
		for (unsigned n = 1; n <= EACH; n++) {
			char name[64];
			int fd;

			snprintf(name, sizeof name, "a.%u.cpu.%u.pb.gz", w + 1, n);
			fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
			if (fd < 0 || close(fd) < 0 || rotate(KEPT, 0, name) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (running) {
		unsigned n = check_files_in(scratch);

		at_most = n > at_most ? n : at_most;
		while (running && waitpid(-1, &state, WNOHANG) > 0) {
			failed += state != 0;
			running--;
		}
	}
	printf("# at most %u files were there\n", at_most);
	CHECK_EQ(failed, 0);
	CHECK_EQ(check_files_in(scratch), KEPT);
	CHECK(at_most <= KEPT + WRITERS);
	end();
}
