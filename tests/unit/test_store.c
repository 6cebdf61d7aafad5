/* SPDX-License-Identifier: MIT */
#include "core/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

#define FRAME_A FRAME(1, 0x401000)
#define FRAME_B FRAME(1, 0x402000)

static struct store_identity who(uint64_t ticks)
{
	return (struct store_identity){
		.pid = (uint32_t)getpid(),
		.uid = getuid(),
		.start_ticks = ticks,
		.program = "unit",
		.exe = "/bin/unit",
		.cwd = "/",
		.dir = "/tmp",
		.cmdline = "unit\0-x",
		.cmdline_bytes = 7,
		.cpu_hz = 100,
		.cpu_period_ns = 10000000,
	};
}

static char *scratch(void)
{
	static char dir[64];

	snprintf(dir, sizeof dir, "/dev/shm/cprof-unit-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	return dir;
}

static void make(struct store *s, const char *dir, uint64_t bytes)
{
	struct store_identity w = who(1);
	int why;

	CHECK_EQ(store_create(s, dir, bytes, &w, &why), 0);
	CHECK_EQ(why, 0);
}

static void end(struct store *s, const char *dir)
{
	store_drop(s, true);
	CHECK_EQ(rmdir(dir), 0); /* and so the file is gone */
}

static void add(struct store *s, uint64_t a, uint64_t b, uint64_t label, uint64_t samples)
{
	const uint64_t frames[] = {a, b}, values[] = {samples, samples * 10, 0};

	store_add(s, KIND_CPU, frames, 2, label, values);
}

/* Number of rows, and the sum of their first values. */
static unsigned rows(const struct store *s, uint64_t *ret_samples)
{
	struct store_view v;
	struct store_sample x;
	uint32_t cursor = 0;
	unsigned n = 0;

	*ret_samples = 0;
	store_view_of(s, &v);
	while (store_view_next(&v, &cursor, &x)) {
		n++;
		*ret_samples += x.total[0];
	}
	return n;
}

TEST(store_adds_equal_stacks_into_one_row)
{
	char *dir = scratch();
	struct store s;
	uint64_t samples;

	make(&s, dir, 8 << 20);
	add(&s, FRAME_A, FRAME_B, 0, 1);
	add(&s, FRAME_A, FRAME_B, 0, 2);
	add(&s, FRAME_B, FRAME_A, 0, 4);     /* the other way round is another stack */
	add(&s, FRAME_A, FRAME_B, 77, 8);    /* and so is another label */
	CHECK_EQ(rows(&s, &samples), 3 + 1); /* and the row of [cprof: store full] */
	CHECK_EQ(samples, 15);
	end(&s, dir);
}

TEST(store_can_be_read_by_another_process_while_it_is_written)
{
	char *dir = scratch();
	struct store s;
	int status;

	make(&s, dir, 8 << 20);
	pid_t child = fork();
	if (child == 0) { /* through the file, not through the inherited mapping */
		static char copy[8 << 20];
		struct store_view v;
		struct store_sample x;
		uint64_t last = 0;
		FILE *f = fopen(s.path, "r");

		for (int i = 0; i < 200 && f; i++) {
			uint32_t cursor = 0;
			uint64_t sum = 0;

			rewind(f);
			size_t n = fread(copy, 1, sizeof copy, f);
			if (store_view_init(&v, copy, n) != 0)
				_exit(2);
			while (store_view_next(&v, &cursor, &x))
				sum += x.total[0];
			if (sum < last)
				_exit(3);
			last = sum;
			if (sum == 20000)
				_exit(0);
		}
		_exit(4);
	}
	for (unsigned i = 0; i < 20000; i++)
		add(&s, FRAME(1, 0x1000 + i % 5000), FRAME_B, 0, 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	end(&s, dir);
}

TEST(store_keeps_totals_when_it_is_full)
{
	char *dir = scratch();
	struct store s;
	uint64_t samples;

	make(&s, dir, 2 << 20);
	for (unsigned i = 0; i < 40000; i++)
		add(&s, FRAME(1, 0x1000 + i), FRAME_B, 0, 1);
	unsigned n = rows(&s, &samples);
	CHECK_EQ(samples, 40000);
	CHECK(n < 16384);
	CHECK(s.header->lost[LOST_STORE_FULL] > 20000);
	CHECK_EQ(s.header->lost[LOST_STORE_FULL] + n - 1, 40000);
	end(&s, dir);
}

TEST(store_tables_stay_half_empty)
{
	char *dir = scratch();
	struct store s;
	uint64_t samples;

	make(&s, dir, 32 << 20);
	for (unsigned i = 0; i < 20000; i++)
		add(&s, FRAME(1, 0x1000 + i), FRAME_B, 0, 1);
	CHECK_EQ(rows(&s, &samples), STORE_INDEX_SLOTS / 2);
	CHECK_EQ(samples, 20000);
	end(&s, dir);
}

static struct store shared;
static _Atomic bool go;

static void *add_many(void *unused)
{
	while (!go)
		;
	for (unsigned i = 0; i < 30000; i++)
		add(&shared, FRAME(1, 0x1000 + i % 3000), FRAME_B, 0, 1);
	return unused;
}

static void on_tick(int signo)
{
	static unsigned i;

	(void)signo;
	add(&shared, FRAME(1, 0x1000 + i++ % 3000), FRAME_A, 0, 1);
}

TEST(store_is_exact_under_threads_and_signals_that_interrupt_inserts)
{
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	char *dir = scratch();
	pthread_t t[4];
	uint64_t samples;

	make(&shared, dir, 16 << 20);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, add_many, NULL);
	go = true;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	unsigned n = rows(&shared, &samples);
	uint64_t from_threads = 0;
	struct store_view v;
	struct store_sample x;
	uint32_t cursor = 0;

	store_view_of(&shared, &v);
	while (store_view_next(&v, &cursor, &x))
		if (x.depth == 2 && x.frames[1] == FRAME_B)
			from_threads += x.total[0];
	CHECK_EQ(from_threads, 4 * 30000);
	CHECK(n >= 3000 && n <= 6001); /* no stack twice */
	end(&shared, dir);
}

TEST(store_finds_modules_again_and_retires_what_they_replace)
{
	char *dir = scratch();
	struct store s;
	const uint8_t id1[20] = {1}, id2[20] = {2};
	struct store_module_info m = {.start = 0x10000,
				      .limit = 0x20000,
				      .path = "/lib/a.so",
				      .build_id = id1,
				      .build_id_bytes = 20};
	struct store_module_info found;
	struct store_view v;

	make(&s, dir, 8 << 20);
	CHECK_EQ(store_module_add(&s, &m), 1);
	CHECK_EQ(store_module_add(&s, &m), 1);
	m.build_id = id2;
	m.path = "/lib/b.so";
	CHECK_EQ(store_module_add(&s, &m), 2);
	store_view_of(&s, &v);
	CHECK_EQ(store_view_module(&v, 1, &found), 0);
	CHECK(found.unloaded);
	CHECK_STR(found.path, "/lib/a.so");
	m.build_id = id1;
	m.path = "/lib/a.so";
	CHECK_EQ(store_module_add(&s, &m), 1); /* it came back to its place */
	CHECK_EQ(store_view_module(&v, 1, &found), 0);
	CHECK(!found.unloaded);
	CHECK_EQ(store_view_module(&v, 2, &found), 0);
	CHECK_EQ(store_view_module(&v, 3, &found), -ENOENT);
	end(&s, dir);
}

TEST(store_module_table_overflows_visibly)
{
	char *dir = scratch();
	struct store s;
	struct store_module_info m = {.path = "", .build_id = (const uint8_t *)""};

	make(&s, dir, 8 << 20);
	for (unsigned i = 0; i < STORE_MODULES_MAX - 1; i++) {
		m.start = UINT64_C(0x100000) * (i + 1);
		m.limit = m.start + 4096;
		CHECK_EQ(store_module_add(&s, &m), i + 1);
	}
	m.start = 4096;
	m.limit = 8192;
	CHECK_EQ(store_module_add(&s, &m), FRAME_NO_MODULE);
	CHECK_EQ(s.header->lost[LOST_MODULES_FULL], 1);
	end(&s, dir);
}

TEST(store_rebase_leaves_what_came_later)
{
	char *dir = scratch();
	struct store s;
	struct store_view v;
	struct store_sample x;
	uint32_t cursor = 0;

	make(&s, dir, 8 << 20);
	add(&s, FRAME_A, FRAME_B, 0, 5);
	store_view_of(&s, &v);
	while (store_view_next(&v, &cursor, &x))
		if (x.depth == 2)
			break;
	add(&s, FRAME_A, FRAME_B, 0, 3);
	store_rebase(&s, x.total, x.row_at);
	for (cursor = 0; store_view_next(&v, &cursor, &x);)
		if (x.depth == 2)
			CHECK_EQ(x.total[0] - x.base[0], 3);
	store_window(&s, 111, 222);
	CHECK_EQ(s.header->dumps, 1);
	CHECK_EQ(s.header->window_realtime_ns, 111);
	end(&s, dir);
}

TEST(store_takes_the_next_name_unless_the_old_image_is_in_files)
{
	char *dir = scratch();
	struct store old, next, third;
	char first[320];

	make(&old, dir, 8 << 20);
	strcpy(first, old.path);
	make(&next, dir, 8 << 20);
	CHECK(strcmp(next.path, first) != 0);
	store_drop(&next, true);
	old.header->finished = 1;
	make(&third, dir, 8 << 20);
	CHECK_STR(third.path, first);
	store_drop(&old, false);
	end(&third, dir);
}

TEST(store_falls_back_to_memory_and_says_why)
{
	char *dir = scratch();
	struct store_identity w = who(1);
	struct store s;
	uint64_t samples;
	int why;

	CHECK_EQ(store_create(&s, "/proc/nowhere", 8 << 20, &w, &why), 0);
	CHECK_EQ(why, -ENOENT);
	CHECK_STR(s.path, "");
	add(&s, FRAME_A, FRAME_B, 0, 1);
	CHECK_EQ(rows(&s, &samples), 2);
	store_drop(&s, true);
	CHECK_EQ(chmod(dir, 0770), 0); /* others may write here */
	CHECK_EQ(store_create(&s, dir, 8 << 20, &w, &why), 0);
	CHECK_EQ(why, -EPERM);
	end(&s, dir);
}

TEST(store_on_a_full_tmpfs_loses_stacks_and_not_the_host)
{
	char *dir = scratch();
	struct store_identity w = who(1);
	struct store s;
	char filler[128], block[4096] = {1};
	uint64_t samples;
	int why;

	if (mount("none", dir, "tmpfs", 0, "size=32m,mode=0700") != 0) {
		rmdir(dir);
		SKIP("needs the right to mount a tmpfs");
	}
	CHECK_EQ(store_create(&s, dir, 32 << 20, &w, &why), 0);
	CHECK_EQ(why, 0);
	CHECK_EQ(s.size_bytes, 4 << 20); /* an eighth of what is free */
	add(&s, FRAME_A, FRAME_B, 0, 1);
	snprintf(filler, sizeof filler, "%s/filler", dir);
	FILE *f = fopen(filler, "w");
	while (fwrite(block, 1, sizeof block, f) == sizeof block && fflush(f) == 0)
		;
	fclose(f);
	/* The table of modules is read as far as it counts: also by the program that is profiled. */
	struct store_module_info m = {.path = "/m", .build_id = (const uint8_t *)""}, found;
	struct store_view v;
	unsigned added = 0;
	for (unsigned i = 0; i < 400; i++) {
		m.start = i * 0x10000u + 0x10000u;
		m.limit = m.start + 0x1000;
		added += store_module_add(&s, &m) != FRAME_NO_MODULE;
	}
	CHECK(added < 400);
	CHECK_EQ(s.header->module_count, added);
	CHECK_EQ(s.header->lost[LOST_MODULES_FULL], 400 - added);
	store_view_of(&s, &v);
	for (unsigned i = 1; i <= 400; i++)
		CHECK_EQ(store_view_module(&v, i, &found), i <= added ? 0 : -ENOENT);
	for (unsigned i = 0; i < 10000; i++) /* a SIGBUS here would end the test program */
		add(&s, FRAME(1, 0x1000 + i), FRAME_B, 0, 1);
	unsigned n = rows(&s, &samples);
	CHECK_EQ(samples, 10001);
	CHECK(n < 2000);
	CHECK(s.header->lost[LOST_STORE_FULL] > 8000);
	store_drop(&s, true);
	CHECK_EQ(store_create(&s, dir, 32 << 20, &w, &why), 0);
	CHECK_EQ(why, -ENOSPC);
	store_drop(&s, true);
	umount(dir);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(store_without_a_file_where_none_is_wanted)
{
	char *dir = scratch();
	struct store_identity w = who(1);
	struct store s;
	int why;

	w.fileless = true;
	CHECK_EQ(store_create(&s, dir, 1 << 20, &w, &why), 0);
	CHECK_EQ(why, -EPERM);
	CHECK_STR(s.path, "");
	add(&s, FRAME_A, FRAME_B, 0, 1);
	store_drop(&s, true);
	CHECK_EQ(rmdir(dir), 0); /* nothing is in it */
}

TEST(store_cost_buckets_are_within_a_quarter)
{
	for (uint64_t ns = 4; ns < 1000000; ns = ns * 9 / 8 + 1)
		CHECK(store_cost_bucket(ns * 5 / 4 + 1) > store_cost_bucket(ns));
	CHECK(store_cost_bucket(UINT64_MAX) == STORE_COST_BUCKETS - 1);
	char *dir = scratch();
	struct store s;
	struct store_view v;

	make(&s, dir, 8 << 20);
	for (unsigned i = 0; i < 100; i++)
		store_cost(&s, i < 90 ? 1000 : 100000, 1);
	store_view_of(&s, &v);
	uint64_t median = store_view_cost_ns(&v, 500), high = store_view_cost_ns(&v, 990);
	CHECK(median >= 1000 && median <= 1280);
	CHECK(high >= 100000 && high <= 131072);
	end(&s, dir);
}

TEST(store_dump_ended_keeps_the_last_complete_dump_beside_the_last)
{
	char *dir = scratch();
	struct store s;

	make(&s, dir, 2 << 20);
	const struct store_dump *d = &s.header->dump;
	store_request(&s, 3);
	CHECK_EQ(store_requests(&s), 3);
	store_dump_ended(&s, &(struct store_outcome){.answered = 3,
						     .path = "/tmp/p/unit.1.cpu.4.pb.gz",
						     .number = 4,
						     .bytes = 99,
						     .kinds = 2});
	CHECK_EQ(d->sequence, 2);
	CHECK_EQ(d->answered, 3);
	CHECK_STR(d->dir, "/tmp/p");
	CHECK(d->complete_realtime_ns && d->complete_realtime_ns == d->ended_realtime_ns);
	store_dump_ended(&s, &(struct store_outcome){
				     .answered = 5, .result = -ENOSPC, .problem = "no space"});
	CHECK_EQ(d->sequence, 4);
	CHECK_EQ(d->answered, 5);
	CHECK_EQ(d->result, -ENOSPC);
	CHECK_STR(d->problem, "no space");
	CHECK(d->number == 4 && d->bytes == 99 && d->kinds == 2);
	CHECK_STR(d->dir, "/tmp/p");
	s.header->dump.sequence = 5; /* of a dumper that was killed */
	store_dump_ended(&s, &(struct store_outcome){.answered = 6, .path = "/a.pb.gz"});
	CHECK_EQ(d->sequence, 6);
	CHECK_EQ(d->result, 0);
	CHECK_STR(d->problem, "");
	CHECK_STR(d->dir, "");
	end(&s, dir);
}

TEST(store_leaving_counts_threads_and_tells_until_when_exec_is_held)
{
	char *dir = scratch();
	struct store s;

	make(&s, dir, 2 << 20);
	CHECK_EQ(store_leaving(&s, 1), 0);
	CHECK_EQ(s.header->leaving, 1);
	s.header->hold_until_ns = 12345;
	CHECK_EQ(store_leaving(&s, 1), 12345);
	CHECK_EQ(s.header->leaving, 2);
	(void)store_leaving(&s, -1);
	(void)store_leaving(&s, -1);
	CHECK_EQ(s.header->leaving, 0);
	store_threads(&s, 3);
	CHECK_EQ(s.header->thread_count, 3);
	end(&s, dir);
}
