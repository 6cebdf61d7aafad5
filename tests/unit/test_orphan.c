/* SPDX-License-Identifier: MIT */
#include "cli/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/process.h"
#include "core/store.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

static char dir[64], why[256];
static struct store s;

static void begin(void)
{
	struct store_identity w = {
		.pid = (uint32_t)getpid(),
		.uid = getuid(),
		.program = "unit",
		.cmdline = "",
		.cpu_hz = 100,
		.cpu_period_ns = 10000000,
		.cpu_on = true,
		.library = "9.8",
		.settings = "cpu.hz=100\n",
		.pid_ns = process_pid_ns(),
	};
	const uint64_t frames[] = {FRAME(FRAME_NO_MODULE, 1)}, values[] = {3, 30000000, 0};
	int rc;

	process_boot_id(w.boot_id);
	CHECK_EQ(process_start_ticks(0, &w.start_ticks), 0);
	snprintf(dir, sizeof dir, "/dev/shm/cprof-orphan-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(store_create(&s, dir, 2 << 20, &w, &rc), 0);
	CHECK_EQ(rc, 0);
	store_add(&s, KIND_CPU, frames, 1, 0, values);
}

static void end(void)
{
	char command[128];

	store_drop(&s, true);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK_EQ(system(command), 0);
}

TEST(orphan_tells_what_is_in_a_store)
{
	struct orphan o;
	char kinds[ORPHAN_KINDS_BYTES];

	begin();
	CHECK_EQ(orphan_open(&o, s.path, why), 0);
	struct orphan_sums sums = orphan_sum(&o);
	CHECK_EQ(sums.samples, 3);
	CHECK_EQ(sums.unwritten, 3);
	CHECK_EQ(sums.cpu_ns, 30000000);
	CHECK_EQ(sums.alloc_bytes, 0);
	orphan_show_kinds(o.header, kinds);
	CHECK_STR(kinds, "cpu 100 Hz");
	CHECK_STR(o.header->library, "9.8");
	CHECK_STR(o.header->settings, "cpu.hz=100\n");
	CHECK(orphan_is_alive(&o) && orphan_is_this_boot(&o) && !orphan_is_elsewhere(&o));
	o.header->kind_period[KIND_CPU] = 0;
	orphan_show_kinds(o.header, kinds);
	CHECK_STR(kinds, "nothing");
	o.header->pid_ns++;
	CHECK(orphan_is_elsewhere(&o) && !orphan_is_alive(&o));
	o.header->boot_id[0]++; /* of a container with a boot id of its own, or before this boot */
	CHECK(!orphan_is_this_boot(&o) && orphan_is_elsewhere(&o) && !orphan_is_alive(&o));
	o.header->created_realtime_ns = process_boot_realtime_ns() - 1000000000;
	CHECK(!orphan_is_this_boot(&o) && !orphan_is_elsewhere(&o) && !orphan_is_alive(&o));
	orphan_close(&o);
	end();
}

TEST(orphan_tells_the_heap_from_cpu_samples)
{
	const uint64_t frames[] = {FRAME(FRAME_NO_MODULE, 2)}, more[] = {FRAME(FRAME_NO_MODULE, 3)};
	const uint64_t some[] = {5 << 16, 5000, 2 << 16, 2000},
		       all[] = {7 << 15, 700, 7 << 15, 700};
	/* Of a damaged store: more is freed than was allocated. */
	const uint64_t damage[] = {0, 0, 1 << 16, 1};
	struct orphan o;
	char kinds[ORPHAN_KINDS_BYTES];

	begin();
	store_add(&s, KIND_HEAP, frames, 1, 0, some);
	store_add(&s, KIND_HEAP, more, 1, 0, all);
	store_add(&s, KIND_HEAP, (const uint64_t[]){FRAME(FRAME_NO_MODULE, 4)}, 1, 0, damage);
	CHECK_EQ(orphan_open(&o, s.path, why), 0);
	struct orphan_sums sums = orphan_sum(&o);
	CHECK_EQ(sums.samples, 3);
	CHECK_EQ(sums.unwritten, 3);
	CHECK_EQ(sums.cpu_ns, 30000000);
	CHECK_EQ(sums.alloc_bytes, 5700);
	CHECK_EQ(sums.alloc_objects, 8);
	CHECK_EQ(sums.inuse_bytes, 3000);
	CHECK_EQ(sums.inuse_objects, 3);
	o.header->kind_period[KIND_HEAP] = o.header->kind_period[KIND_ALLOCS] = 512 << 10;
	orphan_show_kinds(o.header, kinds);
	CHECK_STR(kinds, "cpu 100 Hz, heap 512K");
	orphan_show_wanted(&(struct settings){.heap_sample_bytes = 1, .cpu_hz = 100}, kinds);
	CHECK_STR(kinds, "heap exact");
	orphan_show_wanted(&(struct settings){.cpu_hz = 100}, kinds);
	CHECK_STR(kinds, "nothing");
	orphan_close(&o);
	end();
}

TEST(orphan_tells_waits_from_all_else)
{
	const uint64_t frame = FRAME(FRAME_NO_MODULE, 2);
	struct orphan o;
	char kinds[ORPHAN_KINDS_BYTES];

	begin();
	storebuild_wait(&s, &frame, 1, WAIT_IO, 5, 70);
	storebuild_wait(&s, &frame, 1, WAIT_COND, 1, 1);
	storebuild_wait(&s, &frame, 1, WAIT_CHILD, 2, 900);
	storebuild_charge(&s, &frame, 1, WAIT_MUTEX, 4, 60);
	CHECK_EQ(orphan_open(&o, s.path, why), 0);
	struct orphan_sums sums = orphan_sum(&o);
	CHECK_EQ(sums.samples, 3);
	CHECK_EQ(sums.unwritten, 3);
	CHECK_EQ(sums.block.count, 6);
	CHECK_EQ(sums.block.ns, 71);
	CHECK_EQ(sums.idle.count, 2);
	CHECK_EQ(sums.idle.ns, 900);
	CHECK_EQ(sums.mutex.count, 4);
	CHECK_EQ(sums.mutex.ns, 60);
	o.header->kind_period[KIND_BLOCK] = 10000000;
	o.header->kind_period[KIND_MUTEX] = 1;
	orphan_show_kinds(o.header, kinds);
	CHECK_STR(kinds, "cpu 100 Hz, block 10ms, mutex");
	struct settings wanted = {.block_threshold = 1, .mutex_fraction = 5};
	orphan_show_wanted(&wanted, kinds);
	CHECK_STR(kinds, "block exact, mutex 1/5");
	wanted = (struct settings){.cpu_enabled = true,
				   .cpu_hz = 1000,
				   .heap_sample_bytes = 1 << 30,
				   .block_threshold = 9999999999,
				   .mutex_fraction = 1000000};
	orphan_show_wanted(&wanted, kinds); /* nothing longer there is */
	CHECK_STR(kinds, "cpu 1000 Hz, heap 1.0G, block 10s, mutex 1/1000000");
	orphan_close(&o);
	end();
}

TEST(orphan_of_strings_without_an_end_is_harmless)
{
	struct orphan o;

	begin();
	struct store_header *h = s.header;
	memset(h->program, '/', sizeof h->program);
	memset(h->library, 'x', sizeof h->library);
	memset(h->settings, 'x', sizeof h->settings);
	memset(h->dump.dir, 'x', sizeof h->dump.dir);
	memset(h->dump.problem, 'x', sizeof h->dump.problem);
	CHECK_EQ(orphan_open(&o, s.path, why), 0);
	CHECK_EQ(strlen(o.header->program), sizeof h->program - 1);
	CHECK(!strchr(o.header->program, '/'));
	CHECK_EQ(strlen(o.header->settings), sizeof h->settings - 1);
	CHECK_EQ(strlen(o.header->dump.dir), sizeof h->dump.dir - 1);
	orphan_close(&o);
	end();
}

TEST(orphan_dump_is_read_whole_or_not)
{
	struct store_dump d;
	char path[1024], expected[128];

	begin();
	int fd = open(s.path, O_RDONLY);
	CHECK(orphan_read_dump(fd, &d));
	CHECK(!orphan_dump_path(s.header, &d, KIND_CPU, path, sizeof path));
	store_dump_ended(&s, &(struct store_outcome){.answered = 1,
						     .path = "/tmp/\x1b/unit.1.cpu.2.pb.gz",
						     .number = 2,
						     .kinds = 1u << KIND_CPU});
	CHECK(orphan_read_dump(fd, &d));
	CHECK_EQ(d.answered, 1);
	CHECK(orphan_dump_path(s.header, &d, KIND_CPU, path, sizeof path));
	snprintf(expected, sizeof expected, "/tmp/?/unit.%d.cpu.2.pb.gz", (int)getpid());
	CHECK_STR(path, expected);
	s.header->dump.sequence++; /* in the middle of writing */
	CHECK(!orphan_read_dump(fd, &d));
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	CHECK(!orphan_read_dump(fd, &d));
	close(fd);
	end();
}

static unsigned found;
static void count(void *opaque, const char *path)
{
	CHECK(opaque == &found);
	if (strcmp(path, s.path) == 0)
		found++;
}

TEST(orphan_find_finds_a_store_once)
{
	begin();
	setenv("CPROF_STORE_DIR", dir, 1);
	found = 0;
	CHECK(orphan_find((unsigned long)getpid(), count, &found) >= 1);
	CHECK_EQ(found, 1);
	CHECK_EQ(orphan_find(4194304, count, &found), 0);
	end();
}
