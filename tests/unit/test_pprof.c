/* SPDX-License-Identifier: MIT */
#include "output/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "output/intern.h"
#include "output/sort.h"
#include "output/vendor.h"
#include "tests/support/check.h"
#include "tests/support/rawprof.h"
#include "tests/support/storebuild.h"

/* ---- the small parts ---- */

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

TEST(sort_is_ascending_by_key_then_value)
{
	static struct sort_item items[5000];

	for (size_t n = 0; n < 5000; n = n * 2 + 1) {
		uint64_t sum = 0;

		for (size_t i = 0; i < n; i++) {
			items[i] = (struct sort_item){next_random() % 100, i};
			sum += items[i].key;
		}
		sort_items(items, n);
		for (size_t i = 0; i < n; i++) {
			sum -= items[i].key;
			CHECK(i == 0 || items[i - 1].key < items[i].key ||
			      (items[i - 1].key == items[i].key &&
			       items[i - 1].value < items[i].value));
		}
		CHECK_EQ(sum, 0);
	}
}

TEST(intern_gives_equal_numbers_to_equal_strings_only)
{
	struct arena a = {0};
	struct intern t = {.arena = &a};
	char text[32];

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 5000; i++) {
			int n = snprintf(text, sizeof text, "string %u", i);

			CHECK_EQ(intern_string(&t, arena_strndup(&a, text, (size_t)n)), i);
		}
	CHECK_EQ(t.count, 5000);
	arena_drop(&a);
	struct arena none = {.max_bytes = 1};
	t = (struct intern){.arena = &none};
	CHECK_EQ(intern_string(&t, "x"), INTERN_FAILED);
}

TEST(utf8_accepts_and_refuses_the_edges)
{
	CHECK_EQ(utf8_sequence((const unsigned char *)"", 0), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\x7f", 1), 1);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xc2\x80", 2), 2);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xc2\x80", 1), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xc1\xbf", 2), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xe0\x9f\xbf", 3), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xe0\xa0\x80", 3), 3);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xed\x9f\xbf", 3), 3);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xed\xa0\x80", 3), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xf0\x90\x80\x80", 4), 4);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xf4\x8f\xbf\xbf", 4), 4);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xf4\x90\x80\x80", 4), 0);
	CHECK_EQ(utf8_sequence((const unsigned char *)"\xf0\x90\x80", 3), 0);
}

static void assert_in_library(void *opaque, struct vendor_guard *guard)
{
	(void)opaque, (void)guard;
	/* A message without a descriptor: protobuf-c asserts its magic number. */
	ProtobufCMessageDescriptor wrong = {.magic = 1};
	ProtobufCMessage message = {.descriptor = &wrong};
	(void)protobuf_c_message_get_packed_size(&message);
}

static void nested(void *opaque, struct vendor_guard *guard)
{
	(void)guard;
	*(int *)opaque = vendor_try(assert_in_library, NULL);
}

static void harmless(void *opaque, struct vendor_guard *guard)
{
	(void)guard;
	*(int *)opaque = 7;
}

TEST(vendor_assertion_ends_the_call_and_not_the_process)
{
	int inner = 0, value = 0;

	CHECK_EQ(vendor_try(assert_in_library, NULL), -EPROTO);
	CHECK_EQ(vendor_try(nested, &inner), 0);
	CHECK_EQ(inner, -EPROTO);
	CHECK_EQ(vendor_try(harmless, &value), 0);
	CHECK_EQ(value, 7);
	for (int i = 0; i < 100; i++) /* places are given back */
		CHECK_EQ(vendor_try(assert_in_library, NULL), -EPROTO);
}

/* ---- gzip ---- */

struct memory {
	uint8_t *bytes;
	size_t n;
	size_t refuse_at; /* 0: never */
};

static int to_memory(void *opaque, const void *bytes, size_t n)
{
	struct memory *m = opaque;

	if (m->refuse_at && m->n + n > m->refuse_at)
		return -ENOSPC;
	m->bytes = realloc(m->bytes, m->n + n);
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
	return 0;
}

TEST(gzip_first_error_sticks_and_is_reported)
{
	struct arena a = {0};
	struct memory m = {.refuse_at = 100};
	struct gzip g = {0};

	CHECK_EQ(gzip_start(&g, &a, to_memory, &m), 0);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t word = next_random();

		gzip_add(&g, &word, sizeof word);
	}
	CHECK_EQ(gzip_end(&g), -ENOSPC);
	CHECK(m.n < 100);
	free(m.bytes);
	m = (struct memory){0};
	arena_drop(&a);
	struct arena tiny = {.max_bytes = 300000};
	g = (struct gzip){0};
	CHECK_EQ(gzip_start(&g, &tiny, to_memory, &m), -ENOMEM);
	arena_drop(&tiny);
}

/* The first one fails, and leaves half of it behind. */
TEST(gzip_memory_serves_the_next_member)
{
	struct arena a = {0};
	struct memory m[3] = {{.refuse_at = 100}};
	struct gzip g = {0};
	size_t mapped = 0;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(gzip_start(&g, &a, to_memory, &m[i]), 0);
		mapped = mapped ? mapped : a.mapped_bytes;
		seed = 88172645463325252u;
		for (unsigned n = 0; n < 10000 + 10000 * !i; n++) {
			uint64_t word = next_random();

			gzip_add(&g, &word, sizeof word);
		}
		CHECK_EQ(gzip_end(&g), i ? 0 : -ENOSPC);
	}
	CHECK_EQ(a.mapped_bytes, mapped);
	CHECK(m[1].n > 80000 && m[1].n == m[2].n && memcmp(m[1].bytes, m[2].bytes, m[1].n) == 0);
	CHECK(m[1].bytes[0] == 0x1f && m[1].bytes[1] == 0x8b);
	for (unsigned i = 0; i < 3; i++)
		free(m[i].bytes);
	arena_drop(&a);
}

/* ---- whole profiles ---- */

static struct store store;
static struct arena arena;
static struct rawprof raw;
static struct pprof_result result;
static char why[256];

static void violation(void *opaque, const char *line)
{
	(void)opaque;
	snprintf(why, sizeof why, "%s", line);
}

/* As output/export does it, for one kind. */
static int select_rows(struct snapshot_file *file, struct locations *locations,
		       const struct store_view *view, enum store_kind kind, struct arena *a)
{
	struct snapshot all;
	int rc = snapshot_take(&all, view, a);

	if (rc == 0)
		rc = snapshot_select(file, &all, &file_kinds[kind],
				     file_kind_rows(kind, view->header), a);
	for (unsigned i = 0; rc == 0 && i < file->count; i++) {
		struct snapshot_row *row = file->samples[i].row;

		row->locations = locations_add_stack(locations, row->in.frames, row->in.depth);
	}
	return rc;
}

/* Writes the store's rows as export_dump() does, and reads them back with all checks. */
static void round_trip_of(enum store_kind kind)
{
	struct store_view view;
	struct locations locations;
	struct snapshot_file file;
	struct gzip gzip = {0};
	struct memory m = {0};
	static const char *const comments[] = {"first", "se\xff\ncond", "executableInfo=x"};

	store_view_of(&store, &view);
	CHECK_EQ(locations_init(&locations, &view, &arena), 0);
	CHECK_EQ(select_rows(&file, &locations, &view, kind, &arena), 0);
	CHECK_EQ(locations_resolve(&locations), 0);
	struct pprof_input input = {
		.kind = &file_kinds[kind],
		.file = &file,
		.locations = &locations,
		.time_ns = 1700000000000000000,
		.duration_ns = 2000000000,
		.period = 10000000,
		.comments = comments,
		.comment_count = 3,
		.gzip = &gzip,
	};
	CHECK_EQ(pprof_write(&input, &arena, to_memory, &m, &result), 0);
	CHECK_EQ(rawprof_load(&raw, m.bytes, m.n, why, sizeof why), 0);
	free(m.bytes);
	CHECK_EQ(result.bytes, raw.byte_count);
	CHECK_EQ(result.samples, raw.profile->n_sample);
	if (rawprof_check(&raw, violation, NULL))
		check_fail(__FILE__, __LINE__, "%s", why);
}

static void round_trip(void)
{
	round_trip_of(KIND_CPU);
}

static void begin(uint64_t bytes)
{
	storebuild_open(&store, bytes);
	storebuild_modules(&store);
}

static void end(void)
{
	rawprof_free(&raw);
	arena_drop(&arena);
	storebuild_close(&store);
}

static const char *function_of(uint64_t location_id)
{
	const Pprof__Location *l = rawprof_location(&raw, location_id);

	return rawprof_string(&raw, rawprof_function(&raw, l->line[0]->function_id)->name);
}

TEST(pprof_empty_profile_names_the_main_executable)
{
	begin(4 << 20);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, 0);
	CHECK_EQ(raw.profile->n_mapping, 1);
	CHECK_STR(rawprof_string(&raw, raw.profile->mapping[0]->filename), store.header->exe);
	CHECK_EQ(strlen(rawprof_string(&raw, raw.profile->mapping[0]->build_id)), 40);
	CHECK_EQ(raw.profile->n_sample_type, 2);
	CHECK_STR(rawprof_string(&raw, raw.profile->sample_type[0]->type), "samples");
	CHECK_STR(rawprof_string(&raw, raw.profile->sample_type[0]->unit), "count");
	CHECK_STR(rawprof_string(&raw, raw.profile->sample_type[1]->type), "cpu");
	CHECK_STR(rawprof_string(&raw, raw.profile->sample_type[1]->unit), "nanoseconds");
	CHECK_STR(rawprof_string(&raw, raw.profile->period_type->type), "cpu");
	CHECK_EQ(raw.profile->period, 10000000);
	CHECK_EQ(raw.profile->time_nanos, 1700000000000000000);
	CHECK_EQ(raw.profile->duration_nanos, 2000000000);
	CHECK_EQ(raw.profile->default_sample_type, 0);
	CHECK_EQ(raw.profile->n_comment, 2);
	CHECK_STR(rawprof_string(&raw, raw.profile->comment[1]), "se??cond");
	end();
}

TEST(pprof_store_without_modules_still_has_a_mapping)
{
	uint64_t frame = FRAME(9, 0x1000);

	storebuild_open(&store, 4 << 20);
	storebuild_add(&store, &frame, 1, 0, 1);
	round_trip();
	CHECK_EQ(raw.profile->n_mapping, 1);
	CHECK_STR(rawprof_string(&raw, raw.profile->mapping[0]->filename), store.header->exe);
	CHECK_STR(function_of(1), "[unknown]"); /* a module that the store does not know */
	end();
}

TEST(pprof_stack_comes_back_leaf_first_with_names_and_mappings)
{
	uint64_t frames[4];

	begin(4 << 20);
	frames[0] = storebuild_frame(&store, (char *)(uintptr_t)strtod + 2);
	frames[1] = storebuild_frame(&store, (char *)(uintptr_t)round_trip + 5);
	frames[2] = FRAME(FRAME_NO_MODULE, 0x7f0000001234);
	frames[3] = FRAME(FRAME_SYNTHETIC, SYNTH_TRUNC_NO_RULE);
	storebuild_add(&store, frames, 4, 0, 3);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, 1);
	const Pprof__Sample *s = raw.profile->sample[0];
	CHECK_EQ(s->n_location_id, 4);
	CHECK_EQ(s->value[0], 3);
	CHECK_EQ(s->value[1], 30000000);
	CHECK_EQ(s->n_label, 0);
	CHECK_STR(function_of(s->location_id[0]), "strtod");
	CHECK_STR(function_of(s->location_id[1]), "round_trip");
	CHECK_STR(function_of(s->location_id[2]), "[unknown]");
	CHECK_STR(function_of(s->location_id[3]), "[truncated: no unwind rule]");
	const Pprof__Location *libc = rawprof_location(&raw, s->location_id[0]);
	CHECK_EQ(libc->address, (uint64_t)strtod + 2);
	CHECK_EQ(libc->mapping_id, 2); /* the executable is first, although libc was seen first */
	CHECK_EQ(rawprof_location(&raw, s->location_id[1])->mapping_id, 1);
	CHECK_EQ(rawprof_location(&raw, s->location_id[2])->mapping_id, 0);
	CHECK_EQ(rawprof_location(&raw, s->location_id[2])->address, 0x7f0000001234);
	CHECK_EQ(rawprof_location(&raw, s->location_id[3])->mapping_id, 0);
	CHECK_EQ(rawprof_location(&raw, s->location_id[3])->address, SYNTH_TRUNC_NO_RULE);
	end();
}

TEST(pprof_thread_id_is_a_numeric_label_without_a_unit)
{
	uint64_t frame;

	begin(4 << 20);
	frame = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	storebuild_add(&store, &frame, 1, 4711, 5);
	storebuild_add(&store, &frame, 1, 0, 3);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, 2);
	CHECK_EQ(raw.profile->sample[0]->n_label, 1); /* the heavier one */
	const Pprof__Label *l = raw.profile->sample[0]->label[0];
	CHECK_STR(rawprof_string(&raw, l->key), "thread_id");
	CHECK_EQ(l->num, 4711);
	CHECK_EQ(l->str, 0);
	CHECK_EQ(l->num_unit, 0);
	CHECK_EQ(raw.profile->sample[1]->n_label, 0);
	CHECK_EQ(raw.profile->n_location, 1); /* shared */
	end();
}

/* What a label means goes by the row's kind, and a number that no class has means nothing. */
TEST(pprof_waits_have_their_class_as_a_string_label)
{
	uint64_t frames[2];

	storebuild_open_all(&store, 8 << 20);
	storebuild_modules(&store);
	frames[0] = storebuild_frame(&store, (void *)(uintptr_t)strtod);
	frames[1] = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	storebuild_wait(&store, frames, 2, WAIT_MUTEX, 7, 5000);
	storebuild_wait(&store, frames, 2, WAIT_EVENTS, 1, 4000);
	storebuild_add(&store, frames, 2, WAIT_IO, 1); /* of a thread with this number */
	round_trip_of(KIND_WALL);
	CHECK_EQ(raw.profile->n_sample, 3);
	const Pprof__Label *cpu = raw.profile->sample[0]->label[0];
	const Pprof__Label *mutex = raw.profile->sample[1]->label[0];
	CHECK_STR(rawprof_string(&raw, cpu->key), "thread_id");
	CHECK_EQ(cpu->num, WAIT_IO);
	CHECK_STR(rawprof_string(&raw, mutex->key), "class");
	CHECK_STR(rawprof_string(&raw, mutex->str), "mutex");
	CHECK_EQ(mutex->num, 0);
	CHECK_STR(rawprof_string(&raw, raw.profile->sample[2]->label[0]->str), "events");
	rawprof_free(&raw);
	round_trip_of(KIND_BLOCK);
	CHECK_EQ(raw.profile->n_sample, 1);
	CHECK_EQ(raw.profile->sample[0]->value[0], 7);
	CHECK_STR(rawprof_string(&raw, raw.profile->sample[0]->label[0]->str), "mutex");
	rawprof_free(&raw);
	storebuild_charge(&store, frames, 2, WAIT_NO_CLASS, 3, 300); /* block.class = no */
	storebuild_charge(&store, frames, 2, WAIT_CLASS_COUNT, 2, 200);
	storebuild_charge(&store, frames, 2, WAIT_RWLOCK, 1, 100);
	round_trip_of(KIND_MUTEX);
	CHECK_EQ(raw.profile->n_sample, 3);
	CHECK_EQ(raw.profile->sample[0]->n_label, 0);
	CHECK_EQ(raw.profile->sample[1]->n_label, 0);
	CHECK_STR(rawprof_string(&raw, raw.profile->sample[2]->label[0]->str), "rwlock");
	end();
}

TEST(pprof_code_outside_every_symbol_is_named_after_its_module)
{
	uint64_t frames[2];
	struct store_module_info m;
	struct store_view v;

	begin(4 << 20);
	store_view_of(&store, &v);
	unsigned id = storebuild_module_of(&store, (void *)(uintptr_t)round_trip);
	CHECK_EQ(store_view_module(&v, id, &m), 0);
	frames[0] = FRAME(id, m.limit - 1); /* padding behind the last section */
	frames[1] = FRAME(id, m.limit - 2);
	storebuild_add(&store, frames, 2, 0, 1);
	round_trip();
	char expected[600];
	snprintf(expected, sizeof expected, "[%s]", strrchr(store.header->exe, '/') + 1);
	CHECK_STR(function_of(1), expected);
	CHECK_EQ(raw.profile->n_function, 1); /* one for the module, two locations */
	CHECK_EQ(raw.profile->n_location, 2);
	CHECK_EQ(raw.profile->function[0]->name, raw.profile->function[0]->system_name);
	end();
}

TEST(pprof_rows_hold_what_was_gained_since_the_base)
{
	uint64_t a, b, values[3] = {2, 20000000, 0};
	struct store_sample sample;
	struct store_view v;
	uint32_t cursor = 0;

	begin(4 << 20);
	a = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	b = storebuild_frame(&store, (void *)(uintptr_t)function_of);
	storebuild_add(&store, &a, 1, 0, 5);
	storebuild_add(&store, &b, 1, 0, 5);
	store_view_of(&store, &v);
	while (store_view_next(&v, &cursor, &sample))
		store_rebase(&store, sample.total, sample.row_at);
	store_add(&store, KIND_CPU, &b, 1, 0, values);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, 1);
	CHECK_EQ(raw.profile->sample[0]->value[0], 2);
	CHECK_STR(function_of(raw.profile->sample[0]->location_id[0]), "function_of");
	end();
}

TEST(pprof_a_base_above_its_total_is_no_gain)
{
	uint64_t a, wrong[3] = {1000, 1, 0};
	struct store_sample sample;
	struct store_view v;
	uint32_t cursor = 0;

	begin(4 << 20);
	a = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	storebuild_add(&store, &a, 1, 0, 5);
	store_view_of(&store, &v);
	while (store_view_next(&v, &cursor, &sample))
		store_rebase(&store, wrong, sample.row_at);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, 1);
	CHECK_EQ(raw.profile->sample[0]->value[0], 0);
	CHECK_EQ(raw.profile->sample[0]->value[1], 49999999);
	end();
}

TEST(pprof_a_library_that_was_reopened_at_its_place_is_one_mapping)
{
	struct store_module_info m;
	struct store_view v;
	uint64_t frames[2];

	begin(4 << 20);
	store_view_of(&store, &v);
	unsigned id = storebuild_module_of(&store, (void *)(uintptr_t)strtod);
	CHECK_EQ(store_view_module(&v, id, &m), 0);
	/* A second record, as two threads may make. */
	struct store_module *table =
		(struct store_module *)((char *)store.header + store.header->modules_offset);
	unsigned twin = store.header->module_count + 1;
	table[twin - 1] = table[id - 1];
	store.header->module_count++;
	frames[0] = FRAME(id, (uint64_t)strtod);
	frames[1] = FRAME(twin, (uint64_t)strtod);
	storebuild_add(&store, frames, 2, 0, 1);
	round_trip();
	CHECK_EQ(raw.profile->n_mapping, 2);
	CHECK_EQ(raw.profile->n_location, 1);
	CHECK_EQ(raw.profile->sample[0]->n_location_id, 2);
	end();
}

TEST(pprof_more_samples_than_readers_take_are_folded_and_totals_stay)
{
	uint64_t total = 0, sum = 0;

	begin(64 << 20);
	uint64_t code = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	for (unsigned i = 0; i < 16300; i++) {
		storebuild_add(&store, &code, 1, i + 1, 1 + i % 50);
		total += 1 + i % 50;
	}
	CHECK_EQ(store.header->lost[LOST_STORE_FULL], 0);
	round_trip();
	CHECK_EQ(raw.profile->n_sample, PPROF_SAMPLES_MAX);
	CHECK_EQ(result.folded, 16300 - PPROF_SAMPLES_MAX + 1);
	for (size_t i = 0; i < raw.profile->n_sample; i++) {
		const Pprof__Sample *s = raw.profile->sample[i];

		sum += (uint64_t)s->value[0];
		if (i + 1 < raw.profile->n_sample) /* the lightest rows were folded */
			CHECK(s->value[0] >= 1);
	}
	CHECK_EQ(sum, total);
	CHECK_STR(function_of(raw.profile->sample[PPROF_SAMPLES_MAX - 1]->location_id[0]),
		  PPROF_FOLDED);
	CHECK_STR(rawprof_string(&raw, raw.profile->comment[2]),
		  "cprof: rows folded into [cprof: over the file's size limit]: 302");
	end();
}

TEST(pprof_more_bytes_than_readers_take_are_folded_and_totals_stay)
{
	static uint64_t frames[STORE_DEPTH_MAX];
	uint64_t total = 0, sum = 0;

	begin(128 << 20);
	for (unsigned i = 0; i < 10000; i++) {
		for (unsigned k = 0; k < STORE_DEPTH_MAX; k++)
			frames[k] = FRAME(FRAME_NO_MODULE, 0x7f0012340000 + next_random() % 150000);
		storebuild_add(&store, frames, STORE_DEPTH_MAX, 0, 1 + i);
		total += 1 + i;
	}
	round_trip(); /* checks the limit */
	CHECK(raw.byte_count > 3 << 20);
	CHECK(result.folded > 0 && result.folded < 10000);
	for (size_t i = 0; i < raw.profile->n_sample; i++)
		sum += (uint64_t)raw.profile->sample[i]->value[0];
	CHECK_EQ(sum, total);
	CHECK_EQ(raw.profile->sample[0]->value[0], 10000); /* heaviest first */
	end();
}

TEST(pprof_without_memory_is_an_error)
{
	struct store_view view;
	struct locations locations;
	struct snapshot_file file;
	struct memory m = {0};
	unsigned refused = 0;

	begin(4 << 20);
	uint64_t frame = storebuild_frame(&store, (void *)(uintptr_t)round_trip);
	storebuild_add(&store, &frame, 1, 0, 5);
	store_view_of(&store, &view);
	/* Every step meets the cap once. */
	for (size_t cap = 1; cap < 16u << 20; cap += 200000) {
		struct arena a = {.max_bytes = cap};
		int rc = locations_init(&locations, &view, &a);

		if (rc == 0)
			rc = select_rows(&file, &locations, &view, KIND_CPU, &a);
		if (rc == 0)
			rc = locations_resolve(&locations);
		if (rc == 0) {
			struct gzip gzip = {0};
			struct pprof_input input = {.kind = &file_kinds[KIND_CPU],
						    .file = &file,
						    .gzip = &gzip,
						    .locations = &locations,
						    .time_ns = 1,
						    .period = 1};

			rc = pprof_write(&input, &a, to_memory, &m, &result);
		}
		CHECK(rc == 0 || rc == -ENOMEM);
		refused += rc == -ENOMEM;
		arena_drop(&a);
	}
	CHECK(refused > 3);
	free(m.bytes);
	end();
}
