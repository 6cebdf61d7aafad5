/* SPDX-License-Identifier: MIT */
#include "cli/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/decode.h"
#include "cli/calltree.h"
#include "cli/filter.h"
#include "cli/graph.h"
#include "cli/input.h"
#include "cli/names.h"
#include "tests/support/check.h"

/* A profile with everything in it: two types, inlined lines, recursion, labels, a location without
 * a line. */
struct built {
	Pprof__Profile p;
	Pprof__ValueType type[2], period;
	Pprof__Mapping mapping[2];
	Pprof__Function function[3];
	Pprof__Line line[4];
	Pprof__Location location[3];
	Pprof__Sample sample[3];
	Pprof__Label label[2];
	Pprof__ValueType *types[2];
	Pprof__Mapping *mappings[2];
	Pprof__Function *functions[3];
	Pprof__Line *lines[4];
	Pprof__Location *locations[3];
	Pprof__Sample *samples[3];
	Pprof__Label *labels[2];
	char *strings[20];
	uint64_t stack[3][4];
	int64_t value[3][2];
	int64_t comment[2];
};

static char *const words[] = {"",	   "samples", "count",	   "cpu",    "nanoseconds",
			      "/bin/prog", "main",    "work",	   "leaf",   "/lib/x.so",
			      "thread_id", "class",   "semaphore", "abcdef", "hello",
			      "#hidden",   "none*("};

static void build(struct built *b)
{
	memset(b, 0, sizeof *b);
	pprof__profile__init(&b->p);
	memcpy(b->strings, words, sizeof words);
	b->p.string_table = b->strings;
	b->p.n_string_table = sizeof words / sizeof words[0];
	for (int i = 0; i < 2; i++) {
		pprof__value_type__init(&b->type[i]);
		b->type[i].type = 1 + 2 * i;
		b->type[i].unit = 2 + 2 * i;
		b->types[i] = &b->type[i];
		pprof__mapping__init(&b->mapping[i]);
		b->mapping[i].id = (uint64_t)i + 1;
		b->mapping[i].memory_start = 0x1000000u * (unsigned)(i + 1);
		b->mapping[i].memory_limit = b->mapping[i].memory_start + 0x3000;
		b->mapping[i].filename = i ? 9 : 5;
		b->mapping[i].build_id = i ? 0 : 13;
		b->mapping[i].has_functions = 1;
		b->mappings[i] = &b->mapping[i];
		pprof__label__init(&b->label[i]);
		b->labels[i] = &b->label[i];
	}
	b->label[0].key = 10;
	b->label[0].num = 77;
	b->label[1].key = 11;
	b->label[1].str = 12;
	pprof__value_type__init(&b->period);
	b->period.type = 3;
	b->period.unit = 4;
	for (int i = 0; i < 3; i++) {
		pprof__function__init(&b->function[i]);
		b->function[i].id = (uint64_t)i + 1;
		b->function[i].name = b->function[i].system_name = 6 + i;
		b->functions[i] = &b->function[i];
		pprof__location__init(&b->location[i]);
		b->location[i].id = (uint64_t)i + 1;
		b->location[i].mapping_id = i < 2 ? 1 : 2;
		b->location[i].address = 0x1000010u * (unsigned)(i < 2 ? 1 : 2) + 16u * (unsigned)i;
		b->locations[i] = &b->location[i];
		pprof__sample__init(&b->sample[i]);
		b->sample[i].location_id = b->stack[i];
		b->sample[i].value = b->value[i];
		b->sample[i].n_value = 2;
		b->samples[i] = &b->sample[i];
	}
	for (int i = 0; i < 4; i++) {
		pprof__line__init(&b->line[i]);
		b->lines[i] = &b->line[i];
	}
	/* Location 1: main; location 2: leaf inlined into work; location 3: nothing known. */
	b->line[0].function_id = 1;
	b->location[0].line = &b->lines[0];
	b->location[0].n_line = 1;
	b->line[1].function_id = 3;
	b->line[2].function_id = 2;
	b->location[1].line = &b->lines[1];
	b->location[1].n_line = 2;
	static const uint64_t stacks[3][4] = {{2, 1}, {2, 2, 2, 1}, {3, 1}};
	static const unsigned depth[3] = {2, 4, 2};
	memcpy(b->stack, stacks, sizeof stacks);
	for (int i = 0; i < 3; i++) {
		b->sample[i].n_location_id = depth[i];
		b->value[i][0] = i + 1;
		b->value[i][1] = (i + 1) * 10000000;
	}
	b->sample[2].label = b->labels;
	b->sample[2].n_label = 2;
	b->comment[0] = 14;
	b->comment[1] = 15;
#define LIST(field, array, count)                                                                  \
	b->p.field = (array);                                                                      \
	b->p.n_##field = (count)
	LIST(sample_type, b->types, 2);
	LIST(sample, b->samples, 3);
	LIST(mapping, b->mappings, 2);
	LIST(location, b->locations, 3);
	LIST(function, b->functions, 3);
	LIST(comment, b->comment, 2);
#undef LIST
	b->p.period_type = &b->period;
	b->p.period = 10000000;
	b->p.time_nanos = 1000;
	b->p.duration_nanos = 2000;
}

static uint8_t bytes[8192];

static size_t pack(const struct built *b)
{
	CHECK(pprof__profile__get_packed_size(&b->p) <= sizeof bytes);
	return pprof__profile__pack(&b->p, bytes);
}

static void expect_refusal(const struct built *b, const char *reason)
{
	struct profile p = {0};
	char why[256] = "";

	CHECK_EQ(profile_add_bytes(&p, bytes, pack(b), why), -EBADMSG);
	CHECK_STR(why, reason);
	CHECK_EQ(p.files, 0);
	CHECK_EQ(p.sample_keys.count, 0);
	profile_free(&p);
}

TEST(profile_holds_what_the_file_says)
{
	struct built b;
	struct profile p = {0};
	char why[256] = "";

	build(&b);
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.type_count, 2);
	CHECK_STR(p.types[1].type, "cpu");
	CHECK_STR(p.types[1].unit, "nanoseconds");
	CHECK_EQ(p.sample_keys.count, 3);
	CHECK_EQ(p.mapping_keys.count, 2);
	CHECK_STR(p.mappings[0].file, "/bin/prog");
	CHECK_STR(p.mappings[0].build_id, "abcdef");
	CHECK_EQ(p.function_keys.count, 3);
	CHECK_EQ(p.samples[1].frame_count, 4);
	CHECK_EQ(p.values[3], 20000000);
	CHECK_STR(p.samples[2].class, "semaphore");
	CHECK(!p.samples[1].class);
	CHECK_EQ(p.comment_count, 2);
	CHECK_EQ(p.time_ns, 1000);
	CHECK_EQ(p.duration_ns, 2000);
	profile_free(&p);
}

TEST(profile_of_two_files_is_their_sum)
{
	struct built b;
	struct profile p = {0};
	char why[256] = "";

	build(&b);
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	/* The same program somewhere else in memory: still the same places. */
	for (int i = 0; i < 2; i++) {
		b.mapping[i].memory_start += 0x7000000;
		b.mapping[i].memory_limit += 0x7000000;
	}
	for (int i = 0; i < 3; i++)
		b.location[i].address += 0x7000000;
	b.p.time_nanos = 500;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.files, 2);
	CHECK_EQ(p.sample_keys.count, 3);
	CHECK_EQ(p.location_keys.count, 3);
	CHECK_EQ(p.mapping_keys.count, 2);
	CHECK_EQ(p.values[0], 2);
	CHECK_EQ(p.values[5], 60000000);
	CHECK_EQ(p.time_ns, 500);
	CHECK_EQ(p.duration_ns, 4000);
	CHECK_EQ(p.comment_count, 2);
	/* Other labels are another sample. */
	b.label[0].num = 78;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.sample_keys.count, 4);
	/* Another type of samples is refused, and nothing of it is added. */
	b.type[1].unit = 2;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), -EINVAL);
	CHECK(strstr(why, "cpu/count") && strstr(why, "cpu/nanoseconds"));
	CHECK_EQ(p.files, 3);
	profile_free(&p);
}

TEST(profile_leaves_out_samples_of_nothing)
{
	struct built b;
	struct profile p = {0};
	char why[256];

	build(&b);
	b.value[2][0] = b.value[2][1] = 0;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.sample_keys.count, 2);
	profile_free(&p);
}

TEST(profile_column_is_found_as_in_pprof)
{
	struct built b;
	struct profile p = {0};
	char why[256];

	CHECK_EQ(profile_column(&p, NULL), -ENOENT);
	build(&b);
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(profile_column(&p, NULL), 1);
	CHECK_EQ(profile_column(&p, ""), 1);
	CHECK_EQ(profile_column(&p, "samples"), 0);
	CHECK_EQ(profile_column(&p, "inuse_samples"), 0);
	CHECK_EQ(profile_column(&p, "0"), 0);
	CHECK_EQ(profile_column(&p, "2"), -ENOENT);
	CHECK_EQ(profile_column(&p, "-1"), -ENOENT);
	CHECK_EQ(profile_column(&p, "99999999999999999999"), -ENOENT);
	CHECK_EQ(profile_column(&p, "wall"), -ENOENT);
	profile_free(&p);
	b.p.default_sample_type = 1;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(profile_column(&p, NULL), 0);
	profile_free(&p);
}

TEST(profile_refuses_what_pprof_refuses)
{
	struct built b;

	build(&b);
	b.p.n_sample_type = 0;
	expect_refusal(&b, "malformed profile: it has samples but no sample type");
	build(&b);
	b.sample[1].n_value = 1;
	expect_refusal(&b, "malformed profile: a sample has 1 values for 2 sample types");
	build(&b);
	b.stack[0][1] = 9;
	expect_refusal(&b, "malformed profile: a sample has location 9, which does not exist");
	build(&b);
	b.stack[0][1] = 0;
	expect_refusal(&b, "malformed profile: a sample has location 0, which does not exist");
	build(&b);
	b.line[0].function_id = 4;
	expect_refusal(&b, "malformed profile: location 1 has function 4, which does not exist");
	build(&b);
	b.function[1].id = 0;
	expect_refusal(&b, "malformed profile: a function has id 0");
	build(&b);
	b.location[1].id = 1;
	expect_refusal(&b, "malformed profile: two locations have id 1");
	build(&b);
	b.mapping[1].id = 1;
	expect_refusal(&b, "malformed profile: two mappings have id 1");
	build(&b);
	b.function[0].name = sizeof words / sizeof words[0];
	expect_refusal(&b, "malformed profile: a string index is out of range");
	build(&b);
	b.label[1].key = -1;
	expect_refusal(&b, "malformed profile: a string index is out of range");
	build(&b);
	b.strings[0] = words[1];
	expect_refusal(&b, "malformed profile: a string index is out of range");
}

TEST(profile_accepts_what_pprof_accepts)
{
	struct built b;
	struct profile p = {0};
	char why[256] = "";

	/* Ids in any order with gaps, an unknown mapping, an empty stack. */
	build(&b);
	b.function[0].id = UINT64_MAX;
	b.line[0].function_id = UINT64_MAX;
	b.location[2].id = 1000;
	b.stack[2][0] = 1000;
	b.location[0].mapping_id = 77;
	b.sample[0].n_location_id = 0;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.sample_keys.count, 3);
	profile_free(&p);
	/* No samples at all, and no mappings. */
	build(&b);
	b.p.n_sample = 0;
	b.p.n_mapping = 0;
	CHECK_EQ(profile_add_bytes(&p, bytes, pack(&b), why), 0);
	CHECK_EQ(p.sample_keys.count, 0);
	profile_free(&p);
}

static void add_garbage(const void *data, size_t n, const char *reason)
{
	struct profile p = {0};
	char why[256] = "";

	CHECK(profile_add_bytes(&p, data, n, why) < 0);
	CHECK_STR(why, reason);
	profile_free(&p);
}

/* The default is bound to output/vendor.h here. */
static voidpf zip_get(voidpf opaque, uInt count, uInt size)
{
	(void)opaque;
	return calloc(count, size);
}
static void zip_put(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

TEST(profile_names_the_kind_of_garbage)
{
	struct built b;
	uint8_t twice[sizeof bytes], zipped[sizeof bytes];
	uLongf zipped_n = sizeof zipped;
	z_stream z = {.zalloc = zip_get, .zfree = zip_put};

	add_garbage("", 0, "empty file");
	add_garbage("hello, this is text\n", 20, "not a profile in pprof's protobuf format");
	add_garbage("\x1f\x8b\x08", 3, "the gzip data is cut off");
	add_garbage("\x1f\x8b\x08\xff\xff\xff\xff\xff\xff\xff\xff", 11, "the gzip data is damaged");
	build(&b);
	size_t n = pack(&b);
	memcpy(twice, bytes, n);
	memcpy(twice + n, bytes, n);
	add_garbage(twice, 2 * n, "two profiles in one file; give them as two files");
	CHECK_EQ(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = bytes;
	z.avail_in = (uInt)n;
	z.next_out = zipped;
	z.avail_out = sizeof zipped;
	CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
	zipped_n = z.total_out;
	deflateEnd(&z);
	for (size_t cut = 2; cut < zipped_n; cut++)
		add_garbage(zipped, cut, "the gzip data is cut off");
	struct profile p = {0};
	char why[256];
	CHECK_EQ(profile_add_bytes(&p, zipped, zipped_n, why), 0);
	CHECK_EQ(p.sample_keys.count, 3);
	profile_free(&p);
}

static uint64_t state = 88172645463325252u;
static uint64_t random_u64(void) /* xorshift64: the same mutations every time */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Everything that `cprof top` and `tree` do with a profile, but print it. */
static void use(struct profile *p)
{
	struct graph_cut cut = {.node_fraction = 0.005, .edge_fraction = 0.001, .count = 2};
	size_t dropped, left;
	struct graph g;

	struct filter f = {0};
	char why[256];

	names_simplify(p);
	names_prune(p);
	CHECK_EQ(filter_set(&f, FILTER_IGNORE, "qqq", why), 0);
	CHECK_EQ(filter_set(&f, FILTER_HIDE, "l", why), 0);
	for (unsigned c = 0; c < p->type_count; c++) {
		struct calltree t;

		calltree_make(&t, p, c, c % 2);
		calltree_cut(&t, 5, 3);
		CHECK(t.node_count >= 1 && t.cut_count < t.node_count);
		calltree_free(&t);
		if (c == 1)
			(void)filter_apply(&f, p);
		graph_make(&g, p, c, &cut, &dropped, &left);
		CHECK(g.order_count <= 2 && g.order_count <= left);
		graph_free(&g);
	}
	filter_free(&f);
}

TEST(profile_survives_120000_mutations)
{
	struct built b;
	uint8_t mutant[sizeof bytes + 16];
	unsigned good = 0;
	char why[256];

	build(&b);
	b.p.drop_frames = 8;
	b.p.keep_frames = 16;
	size_t n = pack(&b);
	for (unsigned i = 0; i < 120000; i++) {
		struct profile p = {0};
		size_t m = n;

		memcpy(mutant, bytes, n);
		for (uint64_t edits = 1 + random_u64() % 4; edits; edits--) {
			size_t at = random_u64() % m;

			switch (random_u64() % 5) {
			case 0:
				mutant[at] ^= (uint8_t)(1u << random_u64() % 8);
				break;
			case 1:
				mutant[at] = (uint8_t)random_u64();
				break;
			case 2:
				m = at + 1;
				break;
			case 3:
				memmove(mutant + at, mutant + at + 1, m - at - 1);
				m -= m > 1;
				break;
			default:
				if (m < sizeof mutant) {
					memmove(mutant + at + 1, mutant + at, m - at);
					m++;
				}
			}
		}
		/* A buffer of exactly this size: the sanitizer sees a read behind it. */
		uint8_t *exact = malloc(m);
		memcpy(exact, mutant, m);
		if (profile_add_bytes(&p, exact, m, why) == 0) {
			good++;
			if (i % 8 == 0)
				use(&p);
		} else {
			CHECK(strlen(why) > 5 && !strchr(why, '\n'));
		}
		free(exact);
		profile_free(&p);
	}
	CHECK(good > 1000 && good < 119000); /* both ways have been taken */
}
