/* SPDX-License-Identifier: MIT */
#include "core/run_sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/process.h"
#include "tests/support/check.h"

#define BYTES ((uint64_t)4 << 20)

static char scratch[64];
static struct store_identity self;

static struct store_identity identity(void)
{
	struct store_identity w = {
		.pid = (uint32_t)getpid(),
		.uid = geteuid(),
		.pid_ns = process_pid_ns(),
		.program = "unit",
		.exe = "",
		.cwd = "/",
		.dir = "",
		.cmdline = "",
		.cpu_hz = 100,
		.cpu_period_ns = 10000000,
	};

	if (process_start_ticks(0, &w.start_ticks) < 0)
		w.start_ticks = 0;
	process_boot_id(w.boot_id);
	return w;
}

static void begin(void)
{
	snprintf(scratch, sizeof scratch, "/dev/shm/cprof-sweep-XXXXXX");
	CHECK(mkdtemp(scratch) != NULL);
	self = identity();
	CHECK(self.start_ticks && self.boot_id[0] && self.pid_ns);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
}

static void sweep(uint64_t keep)
{
	run_sweep(scratch, &self, keep);
}

/* A process that makes a store and waits; its path is in the parent's hands too. */
static pid_t start_owner(char path[320], void (*body)(struct store *s))
{
	struct store s;
	int ends[2], why;

	CHECK_EQ(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		struct store_identity w = identity();

		if (store_create(&s, scratch, BYTES, &w, &why) < 0 || why < 0)
			_exit(1);
		if (write(ends[1], s.path, sizeof s.path) != sizeof s.path)
			_exit(1);
		if (body)
			body(&s);
		for (;;)
			pause();
	}
	close(ends[1]);
	CHECK_EQ(read(ends[0], path, 320), 320);
	close(ends[0]);
	return child;
}

static void kill_owner(pid_t child)
{
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

static void set_age(const char *path, time_t seconds)
{
	struct timespec times[2] = {{time(NULL) - seconds, 0}, {time(NULL) - seconds, 0}};

	CHECK_EQ(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

TEST(sweep_removes_the_oldest_beyond_keep)
{
	char path[12][320];

	begin();
	for (unsigned i = 0; i < 12; i++) {
		kill_owner(start_owner(path[i], NULL));
		set_age(path[i], i % 2 ? 100 + i : 50 + i); /* the odd ones are older */
	}
	CHECK_EQ(check_files_in(scratch), 12);
	sweep(12);
	CHECK_EQ(check_files_in(scratch), 12);
	sweep(6);
	CHECK_EQ(check_files_in(scratch), 6);
	for (unsigned i = 0; i < 12; i++)
		CHECK_EQ(is_there(path[i]), i % 2 == 0);
	end();
}

TEST(sweep_removes_at_most_eight_in_one_call)
{
	char path[320];

	begin();
	for (unsigned i = 0; i < 12; i++)
		kill_owner(start_owner(path, NULL));
	sweep(0);
	CHECK_EQ(check_files_in(scratch), 4);
	sweep(0);
	CHECK_EQ(check_files_in(scratch), 0);
	end();
}

TEST(sweep_leaves_the_living_and_itself_alone)
{
	struct store own;
	char path[320];
	int why;

	begin();
	CHECK_EQ(store_create(&own, scratch, BYTES, &self, &why), 0);
	pid_t child = start_owner(path, NULL);
	set_age(path, 3 * 86400);
	sweep(0);
	CHECK_EQ(check_files_in(scratch), 2);
	/* Killed and not waited for: a zombie is dead. */
	kill(child, SIGKILL);
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	sweep(0);
	CHECK_EQ(check_files_in(scratch), 1);
	CHECK(is_there(own.path));
	waitpid(child, NULL, 0);
	store_drop(&own, true);
	end();
}

static void *stay(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

static void end_main_thread(struct store *s)
{
	pthread_t t;

	(void)s;
	pthread_create(&t, NULL, stay, NULL);
	pthread_exit(NULL);
}

TEST(sweep_knows_that_a_process_outlives_its_main_thread)
{
	char path[320], name[64], line[256];

	begin();
	pid_t child = start_owner(path, end_main_thread);
	snprintf(name, sizeof name, "/proc/%d/stat", child);
	for (unsigned tries = 0; tries < 500; tries++) {
		FILE *f = fopen(name, "r");

		CHECK(f && fgets(line, sizeof line, f));
		fclose(f);
		if (strstr(line, ") Z "))
			break;
		usleep(10000);
	}
	CHECK(strstr(line, ") Z ") != NULL);
	sweep(0);
	CHECK(is_there(path));
	kill_owner(child);
	sweep(0);
	CHECK(!is_there(path));
	end();
}

static void finish(struct store *s)
{
	store_finish(s, true);
}

static bool is_finished(const char *path)
{
	uint32_t finished = 0;
	int fd = open(path, O_RDONLY);

	if (pread(fd, &finished, sizeof finished, offsetof(struct store_header, finished)) < 0)
		finished = 1; /* what follows will say so */
	close(fd);
	return finished;
}

TEST(sweep_removes_finished_ones_whatever_is_kept)
{
	char living[320], dead[320], other[320];

	begin();
	pid_t child = start_owner(living, finish);
	kill_owner(start_owner(other, NULL));
	pid_t second = start_owner(dead, finish);
	while (!is_finished(dead) || !is_finished(living))
		usleep(1000);
	kill_owner(second);
	sweep(10000);
	CHECK(is_there(living) && is_there(other) && !is_there(dead));
	kill_owner(child);
	sweep(10000);
	CHECK(!is_there(living) && is_there(other));
	end();
}

/* A store as its dead owner has left it, with another header. */
static void make_dead(char path[320], void (*change)(struct store_header *h))
{
	struct store s;
	struct store_identity w = identity();
	int why;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	w.pid = (uint32_t)child;
	CHECK_EQ(store_create(&s, scratch, BYTES, &w, &why), 0);
	CHECK_EQ(why, 0);
	memcpy(path, s.path, 320);
	if (change)
		change(s.header);
	store_drop(&s, false);
}

static void other_namespace(struct store_header *h)
{
	h->pid_ns++;
	h->finished = 1;
}

static void no_namespace(struct store_header *h)
{
	h->pid_ns = 0;
}

static void no_boot(struct store_header *h)
{
	h->boot_id[0] = h->boot_id[1] = 0;
}

static void other_boot(struct store_header *h)
{
	h->boot_id[0]++;
	h->created_realtime_ns = process_boot_realtime_ns() - 1000000000;
}

/* A container with a boot_id of its own, or another machine. */
static void other_boot_id(struct store_header *h)
{
	h->boot_id[0]++;
	h->created_realtime_ns = process_boot_realtime_ns() + 1000000000;
}

static void other_version(struct store_header *h)
{
	h->version++;
	h->finished = 1;
}

static void no_magic(struct store_header *h)
{
	h->magic[0] = 0;
}

static void other_pid(struct store_header *h)
{
	h->pid++;
}

TEST(sweep_takes_nobody_elsewhere_for_dead)
{
	static void (*const changes[])(struct store_header *) = {other_namespace, no_namespace,
								 no_boot, other_boot_id};
	char path[320];

	begin();
	for (unsigned i = 0; i < 4; i++) {
		make_dead(path, changes[i]);
		set_age(path, 3 * 86400);
		sweep(0);
		CHECK(is_there(path));
		CHECK_EQ(unlink(path), 0);
	}
	/* And who does not know where it is itself takes nobody for dead. */
	make_dead(path, NULL);
	self.pid_ns = 0;
	sweep(0);
	CHECK(is_there(path));
	self = identity();
	self.boot_id[0] = self.boot_id[1] = 0;
	sweep(0);
	CHECK(is_there(path));
	self = identity();
	sweep(0);
	CHECK(!is_there(path));
	end();
}

TEST(sweep_of_another_pid_namespace_leaves_the_living_alone)
{
	char path[320];

	if (geteuid() != 0)
		SKIP("needs root to make a PID namespace");
	begin();
	pid_t child = start_owner(path, NULL); /* alive, and not visible from inside */
	pid_t outside = fork();
	if (outside == 0) {
		int state;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(3);
		pid_t inside = fork();
		if (inside == 0) {
			self = identity();
			sweep(0);
			_exit(!(getpid() == 1 && kill(child, 0) < 0 && is_there(path)));
		}
		waitpid(inside, &state, 0);
		_exit(WEXITSTATUS(state));
	}
	int state;
	waitpid(outside, &state, 0);
	kill_owner(child);
	bool there = is_there(path);
	end();
	if (WEXITSTATUS(state) == 3)
		SKIP("no PID namespace can be made here");
	CHECK_EQ(state, 0);
	CHECK(there);
}

TEST(sweep_goes_by_age_where_nothing_else_is_known)
{
	static void (*const changes[])(struct store_header *) = {other_version, no_magic, other_pid,
								 other_boot};
	char path[320];

	begin();
	for (unsigned i = 0; i < 4; i++) {
		make_dead(path, changes[i]);
		set_age(path, 23 * 3600);
		sweep(0);
		CHECK(is_there(path));
		set_age(path, 25 * 3600);
		sweep(0);
		CHECK(!is_there(path));
	}
	/* One of an earlier boot may still be recovered: it counts as dead, no more. */
	make_dead(path, other_boot);
	set_age(path, 25 * 3600);
	sweep(1);
	CHECK(is_there(path));
	end();
}

TEST(sweep_sees_that_a_pid_was_used_again)
{
	struct store s;
	struct store_identity w;
	int why;

	begin();
	w = self;
	w.start_ticks--;
	CHECK_EQ(store_create(&s, scratch, BYTES, &w, &why), 0);
	sweep(0);
	CHECK(!is_there(s.path));
	store_drop(&s, false);
	end();
}

TEST(sweep_leaves_all_other_names_alone)
{
	static const char *const names[] = {
		"notes",
		"1.store",
		"999999.1.store.bak",
		"x999999.1.store",
		"0.1.store",
		"999999.1.x.store",
		"999999..store",
		"999999.1.1.1.store",
		"-5.1.store",
		"4294967297.1.store",
		".store",
		"999999.1store",
		"999999.1.2store",
		"99999999999999999999999.1.store",
	};
	const unsigned count = sizeof names / sizeof names[0];
	char path[160];

	begin();
	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
		set_age(path, 3 * 86400);
	}
	snprintf(path, sizeof path, "%s/2147483646.1.store", scratch);
	CHECK_EQ(mkdir(path, 0700), 0);
	set_age(path, 3 * 86400);
	snprintf(path, sizeof path, "%s/2147483646.2.store", scratch);
	CHECK_EQ(symlink("notes", path), 0);
	sweep(0);
	CHECK_EQ(check_files_in(scratch), count + 2);
	end();
}

TEST(sweep_finds_the_dead_among_very_many)
{
	char path[320], dead[320];
	struct timespec from, to;

	begin();
	make_dead(dead, NULL);
	for (unsigned i = 0; i < 2000; i++) { /* of a process that is alive: us */
		snprintf(path, sizeof path, "%s/%u.%u.%u.store", scratch, self.pid,
			 (unsigned)self.start_ticks, i + 1);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	sweep(0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("# 2000 living stores and a dead one: %ld us\n",
	       (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
	CHECK(!is_there(dead));
	CHECK_EQ(check_files_in(scratch), 2000);
	end();
}

TEST(sweep_costs_little)
{
	struct timespec from, to;
	char path[320];

	begin();
	for (unsigned i = 0; i < 16; i++)
		make_dead(path, NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	sweep(16);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	long us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
	printf("# 16 dead stores: %ld us\n", us);
	CHECK(us < 20000);
	CHECK_EQ(check_files_in(scratch), 16);
	run_sweep("/nowhere", &self, 0); /* harmless */
	end();
}
