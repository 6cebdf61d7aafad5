/* SPDX-License-Identifier: MIT */
#include "output/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output/file_kind.h"
#include "tests/support/check.h"
#include "tests/support/rawprof.h"
#include "tests/support/storebuild.h"

static struct store store;
static struct rawprof raw;
static struct export_result result;
static char scratch[64], why[256];
static unsigned commits, committed_rows;

static void begin(uint64_t bytes)
{
	snprintf(scratch, sizeof scratch, "/tmp/cprof-export-XXXXXX");
	CHECK(mkdtemp(scratch) != NULL);
	storebuild_open(&store, bytes);
	storebuild_modules(&store);
	commits = committed_rows = 0;
}

static void end(void)
{
	char command[128];

	rawprof_free(&raw);
	storebuild_close(&store);
	snprintf(command, sizeof command, "rm -rf %s", scratch);
	CHECK_EQ(system(command), 0);
}

static void commit(void *opaque, const struct export_row *rows, unsigned count)
{
	CHECK(opaque == &store);
	for (unsigned i = 0; i < count; i++)
		store_rebase(&store, rows[i].total, rows[i].row_at);
	commits++;
	committed_rows = count;
}

static int dump(const char *const *comments)
{
	struct store_view view;
	struct export_request request = {
		.dir = scratch,
		.now_realtime_ns = storebuild_realtime(&store),
		.now_monotonic_ns = storebuild_monotonic(&store),
		.comments = comments,
	};

	store_view_of(&store, &view);
	int rc = export_dump(&view, &request, commit, &store, &result);
	if (rc == 0)
		store_window(&store, request.now_realtime_ns, request.now_monotonic_ns);
	return rc;
}

static void violation(void *opaque, const char *line)
{
	(void)opaque;
	snprintf(why, sizeof why, "%s", line);
}

static void read_back(void)
{
	rawprof_free(&raw);
	CHECK_EQ(rawprof_read(&raw, result.path, why, sizeof why), 0);
	if (rawprof_check(&raw, violation, NULL))
		check_fail(__FILE__, __LINE__, "%s", why);
}

static bool has_comment(const char *text)
{
	for (size_t i = 0; i < raw.profile->n_comment; i++)
		if (strcmp(rawprof_string(&raw, raw.profile->comment[i]), text) == 0)
			return true;
	return false;
}

static void add_sample(uint64_t samples)
{
	uint64_t frames[2] = {storebuild_frame(&store, (void *)(uintptr_t)read_back),
			      storebuild_frame(&store, (void *)(uintptr_t)strtod)};

	storebuild_add(&store, frames, 2, 0, samples);
}

/* Has the profile, written from a store with one frame outside of all modules, this function? */
static bool names_anonymous_code(const char *name)
{
	uint64_t frame = FRAME(FRAME_NO_MODULE, 0x7f0012345678);

	storebuild_add(&store, &frame, 1, 0, 1);
	CHECK_EQ(dump(NULL), 0);
	read_back();
	CHECK_EQ(raw.profile->n_function, 1);
	CHECK_EQ(raw.profile->location[0]->mapping_id, 0);
	return strcmp(rawprof_string(&raw, raw.profile->function[0]->name), name) == 0;
}

TEST(export_names_compiled_code_by_the_perf_map)
{
	char map[64], comment[128];
	FILE *f;

	snprintf(map, sizeof map, "/tmp/perf-%d.map", (int)getpid());
	begin(4 << 20);
	CHECK(names_anonymous_code("[unknown]"));
	CHECK_EQ(result.unnamed_per_mille, 1000);
	CHECK(has_comment(
		"cprof: 1 of 1 code addresses have no name, 1 of them in code that was made "
		"at run time and is in no perf map"));
	end();
	CHECK((f = fopen(map, "w")) != NULL);
	fputs("7f0012345600 100 JS:*_Z3foov /x.js:1:2 \xff\n", f);
	fclose(f);
	chmod(map, 0600);
	begin(4 << 20);
	bool named = names_anonymous_code("JS:*_Z3foov /x.js:1:2 ?");
	bool noted = has_comment("perf");
	unsigned unnamed = result.unnamed_per_mille;
	end();
	chmod(map, 0666);
	begin(4 << 20);
	bool refused = names_anonymous_code("[unknown]");
	snprintf(comment, sizeof comment, "cprof: %s: not used, since everybody may write to it",
		 map);
	bool said = has_comment(comment);
	end();
	unlink(map);
	CHECK(named && !noted && unnamed == 0);
	CHECK(refused && said);
}

TEST(export_writes_one_file_per_dump_and_each_sample_once)
{
	char expected[256];

	begin(4 << 20);
	add_sample(7);
	CHECK_EQ(dump(NULL), 0);
	snprintf(expected, sizeof expected, "%s/unit.%d.cpu.1.pb.gz", scratch, (int)getpid());
	CHECK_STR(result.path, expected);
	CHECK_EQ(result.files, 1);
	CHECK_EQ(result.samples, 1);
	CHECK_EQ(commits, 1);
	CHECK_EQ(committed_rows, 1);
	read_back();
	CHECK_EQ(raw.profile->sample[0]->value[0], 7);
	CHECK_EQ(raw.profile->duration_nanos, STOREBUILD_WINDOW_NS);
	CHECK_EQ(raw.profile->time_nanos,
		 (int64_t)(storebuild_realtime(&store) - 2 * (uint64_t)STOREBUILD_WINDOW_NS));

	add_sample(4);
	CHECK_EQ(dump(NULL), 0);
	snprintf(expected, sizeof expected, "%s/unit.%d.cpu.2.pb.gz", scratch, (int)getpid());
	CHECK_STR(result.path, expected);
	read_back();
	CHECK_EQ(raw.profile->sample[0]->value[0], 4);

	CHECK_EQ(dump(NULL), 0); /* nothing new: an empty profile is written too */
	read_back();
	CHECK_EQ(raw.profile->n_sample, 0);
	CHECK_EQ(result.samples, 0);
	CHECK_EQ(committed_rows, 0);
	CHECK_EQ(check_files_in(scratch), 3);
	end();
}

TEST(export_takes_the_next_number_that_no_file_has)
{
	char expected[256], older[256];

	begin(4 << 20);
	add_sample(1);
	snprintf(older, sizeof older, "%s/unit.%d.cpu.1.pb.gz", scratch, (int)getpid());
	FILE *f = fopen(older, "w"); /* of a container that had this pid before */
	CHECK(f != NULL);
	fclose(f);
	CHECK_EQ(dump(NULL), 0);
	snprintf(expected, sizeof expected, "%s/unit.%d.cpu.2.pb.gz", scratch, (int)getpid());
	CHECK_STR(result.path, expected);
	CHECK_EQ(result.number, 2);
	CHECK_EQ(dump(NULL), 0);
	snprintf(expected, sizeof expected, "%s/unit.%d.cpu.3.pb.gz", scratch, (int)getpid());
	CHECK_STR(result.path, expected);
	CHECK_EQ(result.number, 3);
	CHECK_EQ(result.kinds, 1u << KIND_CPU);
	struct stat st;
	CHECK_EQ(stat(expected, &st), 0);
	CHECK_EQ(result.bytes, st.st_size);
	end();
}

TEST(export_comments_say_version_losses_cost_and_command)
{
	static const char *const further[] = {"extra", NULL};

	begin(4 << 20);
	store_lost(&store, LOST_TIMERS, 3);
	store_cost(&store, 1000, 1);
	store_cost(&store, 1000, 1);
	store_cost(&store, 4000, 1);
	store.header->cpu_fallback = 1;
	CHECK_EQ(dump(further), 0);
	read_back();
	CHECK(has_comment("cprof 0.1.0"));
	CHECK(has_comment("cprof: threads without a CPU timer of their own: 3"));
	CHECK(has_comment(
		"cprof: one sample cost the process a median of 1024 ns, a mean of 2000 ns"));
	CHECK(has_comment("cprof: one timer for the whole process, since timers per thread were "
			  "refused"));
	CHECK(has_comment("command line: unit --option ?"));
	CHECK(has_comment("extra"));
	CHECK_EQ(raw.profile->n_comment, 6); /* and no loss that did not happen */
	end();
}

TEST(export_counts_frames_without_a_name)
{
	uint64_t frames[4];
	struct store_module_info m;
	struct store_view v;

	begin(4 << 20);
	store_view_of(&store, &v);
	unsigned id = storebuild_module_of(&store, (void *)(uintptr_t)read_back);
	CHECK_EQ(store_view_module(&v, id, &m), 0);
	frames[0] = FRAME(id, m.limit - 1);
	frames[1] = storebuild_frame(&store, (void *)(uintptr_t)read_back);
	frames[2] = storebuild_frame(&store, (void *)(uintptr_t)strtod);
	frames[3] = storebuild_frame(&store, (void *)(uintptr_t)commit);
	storebuild_add(&store, frames, 4, 0, 1);
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.unnamed_per_mille, 250);
	read_back();
	char comment[640];
	snprintf(
		comment, sizeof comment,
		"cprof: 1 of 4 code addresses have no name, 1 of them in %s, whose symbols are not "
		"installed",
		store.header->exe);
	CHECK(has_comment(comment));
	end();
	begin(4 << 20);
	add_sample(1); /* all named: nothing to say */
	CHECK_EQ(dump(NULL), 0);
	read_back();
	CHECK_EQ(result.unnamed_per_mille, 0);
	for (size_t i = 0; i < raw.profile->n_comment; i++)
		CHECK(!strstr(rawprof_string(&raw, raw.profile->comment[i]), "have no name"));
	end();
}

TEST(export_failure_names_the_reason_and_commits_nothing)
{
	char expected[256];

	begin(4 << 20);
	add_sample(7);
	CHECK_EQ(rmdir(scratch), 0);
	CHECK_EQ(dump(NULL), -ENOENT);
	snprintf(expected, sizeof expected, "%s: cannot be opened (ENOENT)", scratch);
	CHECK_STR(result.problem, expected);
	CHECK_STR(result.path, "");
	CHECK_EQ(result.files, 0);
	CHECK_EQ(commits, 0);
	CHECK_EQ(mkdir(scratch, 0700), 0);
	CHECK_EQ(dump(NULL), 0); /* what could not be written is in the next file */
	read_back();
	CHECK_EQ(raw.profile->sample[0]->value[0], 7);
	CHECK(strstr(result.path, ".cpu.1.pb.gz") != NULL);
	end();
}

TEST(export_to_a_full_disk_leaves_nothing_and_says_so)
{
	static char block[4096];
	char path[128], expected[256];

	begin(4 << 20);
	if (mount("none", scratch, "tmpfs", 0, "size=16k,mode=700") < 0) {
		end();
		SKIP("needs the right to mount a tmpfs");
	}
	add_sample(7);
	snprintf(path, sizeof path, "%s/rest", scratch);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
	int rc = dump(NULL);
	unsigned left = check_files_in(scratch);
	umount(scratch);
	CHECK_EQ(rc, -ENOSPC);
	CHECK_EQ(left, 1);
	CHECK_EQ(commits, 0);
	snprintf(expected, sizeof expected, "%s: no profile written (ENOSPC)", scratch);
	CHECK_STR(result.problem, expected);
	end();
}

TEST(export_at_the_file_size_limit_leaves_nothing_and_raises_no_signal)
{
	struct rlimit old, limit;

	begin(4 << 20);
	add_sample(7);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int rc = dump(NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_EQ(rc, -EFBIG);
	CHECK_EQ(check_files_in(scratch), 0);
	CHECK_EQ(commits, 0);
	end();
}

TEST(export_without_memory_leaves_nothing_and_says_so)
{
	struct rlimit old, limit;
	unsigned refused = 0;

#ifdef __SANITIZE_ADDRESS__
	SKIP("a sanitizer needs all the address space");
#endif
	begin(4 << 20);
	add_sample(7);
	getrlimit(RLIMIT_AS, &old);
	limit = old;
	for (rlim_t bytes = 0; bytes < 200 << 20; bytes += 1 << 20) {
		limit.rlim_cur = bytes;
		CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
		int rc = dump(NULL);
		setrlimit(RLIMIT_AS, &old);
		if (rc == 0)
			break;
		CHECK_EQ(rc, -ENOMEM);
		CHECK(strstr(result.problem, "no memory for a profile (ENOMEM)") != NULL);
		refused++;
	}
	CHECK(refused > 1);
	CHECK_EQ(check_files_in(scratch), 1);
	read_back();
	CHECK_EQ(raw.profile->sample[0]->value[0], 7);
	end();
}

TEST(export_program_name_is_made_safe)
{
	begin(4 << 20);
	memcpy(store.header->program, "../a b\n\xff", 9);
	CHECK_EQ(dump(NULL), 0);
	const char *base = strrchr(result.path, '/') + 1;
	CHECK(strncmp(base, "_._a_b__.", 9) == 0);
	memset(store.header->program, 'x', sizeof store.header->program); /* no NUL */
	CHECK_EQ(dump(NULL), 0);
	memset(store.header->program, 0, sizeof store.header->program);
	CHECK_EQ(dump(NULL), 0);
	CHECK(strstr(result.path, "/unknown.") != NULL);
	CHECK_EQ(check_files_in(scratch), 3);
	end();
}

/* ---- all kinds ---- */

/* Reads the last dump's file of a kind: its path stands in result.path then. */
static void read_kind(enum store_kind kind)
{
	struct text t = TEXT_ON(result.path);

	CHECK(result.kinds & KIND_BIT(kind));
	text_str(&t, scratch);
	text_char(&t, '/');
	export_file_name(store.header, kind, result.number, &t);
	read_back();
}

static void has_columns(const char *first, const char *first_unit, const char *second,
			const char *second_unit, const char *period_type, int64_t period)
{
	const Pprof__Profile *p = raw.profile;

	CHECK_EQ(p->n_sample_type, 2);
	CHECK_STR(rawprof_string(&raw, p->sample_type[0]->type), first);
	CHECK_STR(rawprof_string(&raw, p->sample_type[0]->unit), first_unit);
	CHECK_STR(rawprof_string(&raw, p->sample_type[1]->type), second);
	CHECK_STR(rawprof_string(&raw, p->sample_type[1]->unit), second_unit);
	CHECK_STR(rawprof_string(&raw, p->period_type->type), period_type);
	CHECK_EQ(p->period, period);
	CHECK_EQ(p->default_sample_type, 0);
}

static int64_t sum(unsigned column)
{
	int64_t all = 0;

	for (size_t i = 0; i < raw.profile->n_sample; i++)
		all += raw.profile->sample[i]->value[column];
	return all;
}

/* 7 samples of CPU, 2 of them in waits; 3 contentions of 60 ms, an idle wait of 500 ms, a charge of 40 ms. */
static void add_all(void)
{
	const uint64_t heap[] = {1 << 16, 100, 0, 0};
	uint64_t frames[2] = {storebuild_frame(&store, (void *)(uintptr_t)read_kind),
			      storebuild_frame(&store, (void *)(uintptr_t)strtod)};

	storebuild_add(&store, frames, 2, 0, 5);
	storebuild_add_in_waits(&store, frames, 2, 2);
	store_add(&store, KIND_HEAP, frames, 2, 0, heap);
	storebuild_wait(&store, frames, 2, WAIT_RWLOCK, 3, 60000000);
	storebuild_wait(&store, frames, 2, WAIT_POLL, 1, 500000000);
	storebuild_charge(&store, frames, 2, WAIT_RWLOCK, 2, 40000000);
}

TEST(export_writes_a_file_of_each_kind_that_is_recorded)
{
	begin(4 << 20);
	storebuild_close(&store);
	storebuild_open_all(&store, 8 << 20);
	storebuild_modules(&store);
	add_all();
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.files, 6);
	CHECK_EQ(result.kinds, KIND_BIT(KIND_CPU) | KIND_BIT(KIND_HEAP) | KIND_BIT(KIND_ALLOCS) |
				       KIND_BIT(KIND_BLOCK) | KIND_BIT(KIND_MUTEX) |
				       KIND_BIT(KIND_WALL));
	CHECK_EQ(check_files_in(scratch), 6);
	CHECK_EQ(commits, 1);
	CHECK_EQ(committed_rows, 5); /* each once, though two files may have it */

	read_kind(KIND_BLOCK);
	has_columns("contentions", "count", "delay", "nanoseconds", "contentions", 1);
	CHECK_EQ(raw.profile->duration_nanos, 0);
	CHECK_EQ(raw.profile->time_nanos,
		 (int64_t)storebuild_realtime(&store) - (int64_t)STOREBUILD_WINDOW_NS);
	CHECK_EQ(sum(0), 3);
	CHECK_EQ(sum(1), 60000000);
	read_kind(KIND_MUTEX);
	has_columns("contentions", "count", "delay", "nanoseconds", "contentions", 1);
	CHECK_EQ(raw.profile->duration_nanos, 0);
	CHECK_EQ(sum(0), 2);
	CHECK_EQ(sum(1), 40000000);
	read_kind(KIND_WALL);
	has_columns("samples", "count", "wall", "nanoseconds", "wall", 10000000);
	CHECK_EQ(raw.profile->duration_nanos, STOREBUILD_WINDOW_NS);
	CHECK_EQ(raw.profile->n_sample, 3);
	CHECK_EQ(sum(0), 5 + 3 + 1);
	CHECK_EQ(sum(1), 50000000 + 60000000 + 500000000);
	read_kind(KIND_CPU);
	CHECK_EQ(sum(1), 70000000);
	CHECK(raw.profile->period == 10000000 && raw.profile->n_location == 2);
	read_kind(KIND_ALLOCS);
	CHECK_STR(rawprof_string(&raw, raw.profile->default_sample_type), "alloc_space");
	CHECK_EQ(sum(1), 100);
	read_kind(KIND_HEAP);
	CHECK_EQ(sum(3), 100);

	add_all();
	CHECK_EQ(dump(NULL), 0);
	read_kind(KIND_BLOCK);
	CHECK_EQ(sum(1), 120000000);
	read_kind(KIND_MUTEX);
	CHECK_EQ(sum(0), 4);
	read_kind(KIND_WALL);
	CHECK_EQ(sum(1), 610000000);
	store.header->block_idle = 1;
	CHECK_EQ(dump(NULL), 0); /* without news */
	CHECK_EQ(committed_rows, 0);
	read_kind(KIND_BLOCK);
	CHECK_EQ(raw.profile->n_sample, 2);
	CHECK_EQ(sum(1), 1120000000);
	read_kind(KIND_WALL);
	CHECK_EQ(raw.profile->n_sample, 0);
	end();
}

TEST(export_of_kinds_that_are_on_and_have_nothing_is_empty_files)
{
	begin(4 << 20);
	storebuild_close(&store);
	storebuild_open_all(&store, 8 << 20);
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.files, 6);
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
		read_kind(k);
		CHECK_EQ(raw.profile->n_sample, 0);
	}
	end();
}

/* Also of a damaged header, whose sets have bits of no file. */
TEST(export_of_kinds_that_are_off_has_no_files_of_them)
{
	begin(4 << 20);
	add_sample(7);
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.kinds, KIND_BIT(KIND_CPU));
	store.header->kind_period[KIND_NONE] = store.header->kind_period[KIND_IDLE] = 1;
	store.header->kind_period[KIND_COUNT] = 1;
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.kinds, KIND_BIT(KIND_CPU));
	store.header->kind_period[KIND_BLOCK] = 1;
	store.header->kind_period[KIND_CPU] = 0; /* there are samples all the same */
	CHECK_EQ(dump(NULL), 0);
	CHECK_EQ(result.kinds, KIND_BIT(KIND_CPU) | KIND_BIT(KIND_BLOCK));
	end();
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void add_wrong_frames(void)
{
	const uint64_t good = storebuild_frame(&store, (void *)(uintptr_t)strtod);
	const unsigned module = FRAME_MODULE(good);
	const uint64_t frames[] = {
		good,
		FRAME(module, 0x1000), /* far outside of it */
		FRAME(FRAME_NO_MODULE, 0x1000),
		FRAME(FRAME_NO_MODULE, 0), /* a null pointer was called */
		FRAME(FRAME_SYNTHETIC, 0),
		FRAME(FRAME_SYNTHETIC, SYNTH_TRUNC_BUSY),
		FRAME(FRAME_NO_MODULE, SYNTH_TRUNC_BUSY),
		FRAME(FRAME_SYNTHETIC, 4095),
		FRAME(FRAME_SYNTHETIC, 1 << 20),
		FRAME(4000, 0x2000), /* no such module */
	};

	storebuild_add(&store, frames, sizeof frames / sizeof frames[0], 0, 1);
}

TEST(export_of_wrong_frames_times_and_modules_keeps_the_rules_of_readers)
{
	begin(4 << 20);
	add_wrong_frames();
	CHECK_EQ(dump(NULL), 0);
	read_back();
	CHECK_EQ(raw.profile->n_sample, 1);
	CHECK_EQ(raw.profile->sample[0]->n_location_id, 10);

	add_wrong_frames();
	store.header->cpu_period_ns = 0;
	store.header->window_realtime_ns = 0;
	store.header->created_realtime_ns = 0;
	CHECK_EQ(dump(NULL), 0);
	read_back();

	add_wrong_frames();
	store.header->cpu_period_ns = UINT64_MAX - 5;
	store.header->window_realtime_ns = UINT64_MAX - 5;
	struct store_module *modules =
		(struct store_module *)(void *)((char *)store.header +
						store.header->modules_offset);
	for (unsigned i = 0; i < 8; i++)
		modules[i].start += 8;
	CHECK_EQ(dump(NULL), 0);
	read_back();
	CHECK_EQ(raw.profile->n_mapping, 1); /* nothing is left but the main program's name */
	end();
}

TEST(export_of_thousands_of_long_paths_stays_below_the_size_that_readers_take)
{
	static char path[4000];
	uint64_t frames[2][500];

	begin(16 << 20);
	memset(path, 'p', sizeof path - 1);
	path[0] = '/';
	for (unsigned i = 0; i < 1000; i++) {
		struct store_module_info m = {.start = UINT64_C(0x10000) * (i + 1),
					      .limit = UINT64_C(0x10000) * (i + 1) + 4096,
					      .path = path,
					      .build_id = (const uint8_t *)""};

		snprintf(path + 1, sizeof path - 1, "%04u", i);
		path[5] = 'p';
		frames[i / 500][i % 500] = FRAME(store_module_add(&store, &m), m.start);
	}
	for (unsigned i = 0; i < 2; i++)
		storebuild_add(&store, frames[i], 500, 0, 1 + i);
	CHECK_EQ(dump(NULL), 0);
	read_back();
	CHECK_EQ(raw.profile->n_sample, 2); /* one of them folded */
	CHECK(raw.profile->n_mapping > 500 && raw.profile->n_mapping < 520);
	end();
}

/* Damaged stores are what `cprof recover` finds: each gives a valid file or none. */
/* Damage may make it look as if other kinds were recorded too. */
static void check_and_remove_files(void)
{
	DIR *d = opendir(scratch);
	char path[600];

	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", scratch, e->d_name);
		CHECK_EQ(rawprof_read(&raw, path, why, sizeof why), 0);
		/* Names may be nonsense, all else may not. */
		if (rawprof_check(&raw, violation, NULL) && !strstr(why, "check-19"))
			check_fail(__FILE__, __LINE__, "%s", why);
		rawprof_free(&raw);
		CHECK_EQ(unlink(path), 0);
	}
	closedir(d);
}

TEST(export_of_damaged_stores_gives_valid_files)
{
	begin(4 << 20);
	add_sample(7);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t frame = storebuild_frame(&store, (char *)(uintptr_t)strtod + i);

		storebuild_add(&store, &frame, 1, i, 1);
	}
	size_t n = store.header->arena_offset + store.header->arena_used;
	size_t mapped = (n + 4095) / 4096 * 4096;
	char *p = mmap(NULL, mapped + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	CHECK_EQ(mprotect(p + mapped, 4096, PROT_NONE), 0);
	char *image = p + mapped - n;
	unsigned files = 0;
	for (uint64_t end_ns = now_ns() + 1000000000u; now_ns() < end_ns;) {
		struct store_view view;
		struct export_request request = {
			.dir = scratch, .now_realtime_ns = 2, .now_monotonic_ns = 1};

		memcpy(image, store.header, n);
		for (unsigned i = 0; i < 30; i++) {
			uint64_t value = next_random() >> next_random() % 64, at = next_random();

			at = at % 3 == 0   ? 64 + at / 8 % (sizeof(struct store_header) - 72)
			     : at % 3 == 1 ? store.header->modules_offset + at / 8 % 1000
					   : store.header->arena_offset +
						     at / 8 % (store.header->arena_used - 8);
			memcpy(image + at, &value, 1 + next_random() % 8);
		}
		if (store_view_init(&view, image, n) < 0)
			continue;
		if (export_dump(&view, &request, NULL, NULL, &result) < 0)
			continue;
		check_and_remove_files();
		files++;
	}
	CHECK(files > 100);
	CHECK_EQ(check_files_in(scratch), 0);
	munmap(p, mapped + 4096);
	end();
}

/* ---- cost ---- */

static void add_many(unsigned stacks)
{
	struct store_module_info m;
	struct store_view v;
	uint64_t frames[30];

	store_view_of(&store, &v);
	for (unsigned i = 0; i < stacks; i++) {
		for (unsigned k = 0; k < 30; k++) {
			unsigned id = storebuild_module_of(
				&store, next_random() % 2 ? (void *)(uintptr_t)strtod
							  : (void *)(uintptr_t)commit);

			CHECK_EQ(store_view_module(&v, id, &m), 0);
			/* Few places of code are hot: about 4000 different ones. */
			frames[k] = FRAME(id, m.start + next_random() % 2000 * 97 %
								(m.limit - m.start));
		}
		storebuild_add(&store, frames, 30, 0, 1 + i % 100);
	}
}

#define STACK_BYTES (512u << 10)
static char *stack_of_dump;

static void *dump_on_small_stack(void *opaque)
{
	(void)opaque;
	return (void *)(intptr_t)dump(NULL);
}

TEST(export_of_ten_thousand_stacks_is_fast_and_small_on_the_stack)
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *rc = NULL;
	size_t untouched = 0;

	begin(64 << 20);
	add_many(10000);
	stack_of_dump =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(stack_of_dump, 0x5a, STACK_BYTES);
	pthread_attr_init(&attributes);
	CHECK_EQ(pthread_attr_setstack(&attributes, stack_of_dump, STACK_BYTES), 0);
	uint64_t from = now_ns();
	CHECK_EQ(pthread_create(&thread, &attributes, dump_on_small_stack, NULL), 0);
	CHECK_EQ(pthread_join(thread, &rc), 0);
	uint64_t took = now_ns() - from;
	CHECK_EQ((intptr_t)rc, 0);
	while (untouched < STACK_BYTES && stack_of_dump[untouched] == 0x5a)
		untouched++;
	CHECK_EQ(result.samples, 10000);
	read_back();
	printf("# 10000 stacks of 30 frames, %zu locations, %zu functions: %.1f ms, %zu KiB of "
	       "stack, "
	       "%zu bytes before compression\n",
	       raw.profile->n_location, raw.profile->n_function, (double)took / 1e6,
	       (STACK_BYTES - untouched) >> 10, raw.byte_count);
	CHECK(STACK_BYTES - untouched < 64 << 10);
	CHECK(took < 2000000000u);
	munmap(stack_of_dump, STACK_BYTES);
	end();
}
