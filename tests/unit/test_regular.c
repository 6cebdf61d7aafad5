/* SPDX-License-Identifier: MIT */
#include "core/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static char dir[] = "/tmp/cprof-regular-XXXXXX";
static char file[64], fifo[64], link_to_file[64], dangling[64];

static void begin(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(file, sizeof file, "%s/file", dir);
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	snprintf(link_to_file, sizeof link_to_file, "%s/link", dir);
	snprintf(dangling, sizeof dangling, "%s/dangling", dir);
	int fd = open(file, O_WRONLY | O_CREAT, 0600);
	CHECK_EQ(write(fd, "text", 4), 4);
	close(fd);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(symlink(file, link_to_file), 0);
	CHECK_EQ(symlink("/nowhere", dangling), 0);
}

static void end(void)
{
	unlink(file);
	unlink(fifo);
	unlink(link_to_file);
	unlink(dangling);
	CHECK_EQ(rmdir(dir), 0);
}

/* Is it the file, opened for reading? */
static bool reads_text(int fd)
{
	char text[8] = "";
	bool good = fd > 2 && pread(fd, text, sizeof text, 0) == 4 && !strcmp(text, "text") &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;

	close(fd);
	return good;
}

TEST(regular_files_and_links_to_them_are_opened)
{
	unsigned open_before = check_files_in("/proc/self/fd");

	begin();
	CHECK(reads_text(regular_open(file, 0)));
	CHECK(reads_text(regular_open(file, O_NOFOLLOW)));
	CHECK(reads_text(regular_open(link_to_file, 0)));
	CHECK_EQ(regular_open(link_to_file, O_NOFOLLOW), -ELOOP);
	CHECK_EQ(regular_open(dangling, 0), -ENOENT);
	CHECK_EQ(regular_open("", 0), -ENOENT);
	end();
	CHECK_EQ(check_files_in("/proc/self/fd"), open_before);
}

/* The events of a watch so far. */
static bool was_opened(int watch)
{
	char events[4096] __attribute__((aligned(8)));

	return read(watch, events, sizeof events) > 0;
}

TEST(regular_opens_nothing_else_not_even_for_a_moment)
{
	unsigned open_before = check_files_in("/proc/self/fd");
	int watch = inotify_init1(IN_NONBLOCK);

	begin();
	CHECK(inotify_add_watch(watch, fifo, IN_OPEN) >= 0);
	CHECK(inotify_add_watch(watch, dir, IN_OPEN | IN_ONLYDIR) >= 0);
	CHECK_EQ(regular_open(fifo, 0), -EPERM);
	CHECK_EQ(regular_open(dir, 0), -EPERM);
	CHECK(!was_opened(watch));
	CHECK(reads_text(regular_open(file, 0))); /* the watch sees what is opened */
	CHECK(was_opened(watch));
	CHECK_EQ(regular_open("/dev/null", 0), -EPERM);
	close(watch);
	end();
	CHECK_EQ(check_files_in("/proc/self/fd"), open_before);
}

TEST(regular_files_are_opened_without_proc_too)
{
	int status;

	begin();
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", "/proc", "tmpfs", 0, NULL) < 0)
			_exit(77);
		_exit(reads_text(regular_open(file, 0)) &&
				      reads_text(regular_open(link_to_file, 0)) &&
				      regular_open(link_to_file, O_NOFOLLOW) == -ELOOP &&
				      regular_open(fifo, 0) == -EPERM
			      ? 0
			      : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	end();
	if (WEXITSTATUS(status) == 77)
		SKIP("needs the right to mount");
	CHECK_EQ(WEXITSTATUS(status), 0);
}
