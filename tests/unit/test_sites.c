/* SPDX-License-Identifier: MIT */
#include "cli/sites.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/sketch.h"

static struct profile_type types[4] = {{"alloc_objects", "count"},
				       {"alloc_space", "bytes"},
				       {"inuse_objects", "count"},
				       {"inuse_space", "bytes"}};
static int64_t values[4 * 16];

static void start(struct sketch *s)
{
	sketch_start(s);
	memset(values, 0, sizeof values);
	s->p.types = types;
	s->p.type_count = 4;
	s->p.values = values;
}

static void add(struct sketch *s, const char *stack, int64_t alloc_objects, int64_t alloc_bytes,
		int64_t inuse_objects, int64_t inuse_bytes)
{
	int64_t v[] = {alloc_objects, alloc_bytes, inuse_objects, inuse_bytes};
	size_t i = s->p.sample_keys.count;
	int64_t *kept = s->p.values;

	s->p.values = s->values; /* of one column */
	sketch_add(s, 0, stack);
	s->p.values = kept;
	memcpy(values + 4 * i, v, sizeof v);
}

static void add_base(struct sketch *s, const char *stack, int64_t alloc_objects,
		     int64_t alloc_bytes, int64_t inuse_objects, int64_t inuse_bytes)
{
	add(s, stack, -alloc_objects, -alloc_bytes, -inuse_objects, -inuse_bytes);
	s->samples[s->p.sample_keys.count - 1].is_base = true;
}

/* "by bytes/objects of bytes/objects (was bytes): frames;..." */
static const char *listed(struct sketch *s, size_t depth, bool by_growth)
{
	static char text[2048];
	struct sites sites;
	size_t n = 0;

	CHECK_EQ(sites_make(&sites, &s->p, depth, by_growth), 0);
	text[0] = '\0';
	for (size_t i = 0; i < sites.count; i++) {
		const struct site *x = &sites.list[i];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s %d/%d of %d/%d", x->by,
				      (int)x->now.inuse_bytes, (int)x->now.inuse_objects,
				      (int)x->now.alloc_bytes, (int)x->now.alloc_objects);
		if (x->in_base)
			n += (size_t)snprintf(text + n, sizeof text - n, " (was %d)",
					      (int)x->base.inuse_bytes);
		for (uint32_t k = 0; k < x->frame_count; k++)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", k ? "," : ": ",
					      sites.frames[x->first_frame + k]);
		n += (size_t)snprintf(text + n, sizeof text - n, ";");
	}
	sites_free(&sites);
	return text;
}

TEST(sites_are_stacks_without_their_allocators)
{
	struct sketch s;

	start(&s);
	add(&s, "malloc work main", 10, 1000, 1, 100);
	add(&s, "malloc xmalloc work main", 5, 700, 5, 700);
	add(&s, "malloc g_malloc0<g_strdup leaf main", 2, 20, 2, 20);
	add(&s, "work malloc main", 1, 5, 1, 5);
	CHECK_STR(listed(&s, 0, false),
		  "xmalloc 700/5 of 700/5: work,main;malloc 100/1 of 1000/10: work,main;"
		  "g_strdup 20/2 of 20/2: leaf,main; 5/1 of 5/1: work,malloc,main;");
	sketch_stop(&s);
}

TEST(sites_of_equal_stacks_are_one)
{
	struct sketch s;

	start(&s);
	add(&s, "malloc a main", 1, 10, 1, 10);
	add(&s, "malloc a main", 2, 30, 1, 20);
	add(&s, "malloc a other main", 1, 5, 1, 5);
	CHECK_STR(listed(&s, 0, false),
		  "malloc 30/2 of 40/3: a,main;malloc 5/1 of 5/1: a,other,main;");
	CHECK_STR(listed(&s, 1, false), "malloc 35/3 of 45/4: a;");
	sketch_stop(&s);
}

TEST(sites_of_nothing_but_allocators_are_one_too)
{
	struct sketch s;

	start(&s);
	add(&s, "malloc strdup", 1, 10, 1, 10);
	CHECK_STR(listed(&s, 0, false), "strdup 10/1 of 10/1;");
	sketch_stop(&s);
}

TEST(sites_grow_since_their_base)
{
	struct sketch s;

	start(&s);
	add(&s, "malloc big main", 9, 900, 9, 900);
	add(&s, "malloc slow main", 5, 500, 3, 300);
	add(&s, "malloc fresh main", 1, 50, 1, 50);
	add(&s, "malloc less main", 4, 40, 1, 10);
	add_base(&s, "malloc big main", 9, 900, 9, 900);
	add_base(&s, "malloc slow main", 2, 200, 1, 100);
	add_base(&s, "malloc less main", 4, 40, 4, 40);
	CHECK_STR(listed(&s, 0, true),
		  "malloc 300/3 of 500/5 (was 100): slow,main;malloc 50/1 of 50/1: fresh,main;"
		  "malloc 900/9 of 900/9 (was 900): big,main;"
		  "malloc 10/1 of 40/4 (was 40): less,main;");
	sketch_stop(&s);
}

TEST(sites_sum_what_the_filters_leave_out)
{
	struct sketch s;
	struct sites sites;

	start(&s);
	add(&s, "malloc a main", 1, 10, 1, 10);
	add(&s, "malloc b main", 2, 30, 1, 20);
	s.samples[1].frame_count = 0;
	CHECK_EQ(sites_make(&sites, &s.p, 0, false), 0);
	CHECK_EQ(sites.count, 1);
	CHECK_EQ(sites.now.inuse_bytes, 30);
	CHECK_EQ(sites.now.alloc_objects, 3);
	sites_free(&sites);
	sketch_stop(&s);
}

TEST(sites_have_the_module_of_what_has_no_name)
{
	struct sketch s;

	start(&s);
	s.mappings[0].file = "/usr/lib/libz.so.1";
	add(&s, "malloc hidden main", 1, 10, 1, 10);
	s.functions[sketch_function(&s, "hidden", 6)].name = "";
	s.locations[2].line_count = 0;
	s.locations[2].mapping = PROFILE_NONE;
	CHECK_STR(listed(&s, 0, false), "malloc 10/1 of 10/1: [libz.so.1],<unknown>;");
	sketch_stop(&s);
}

TEST(sites_want_the_columns_of_a_heap)
{
	struct sketch s;
	struct sites sites;

	sketch_start(&s);
	sketch_add(&s, 1, "a main");
	CHECK_EQ(sites_make(&sites, &s.p, 0, false), -ENOENT);
	sites_free(&sites);
	sketch_stop(&s);
	start(&s);
	CHECK_STR(listed(&s, 0, false), "");
	/* Every value of a hostile file has a sum. */
	add(&s, "malloc a", INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN);
	add(&s, "malloc a", INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
	add_base(&s, "malloc a", INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
	CHECK_EQ(sites_make(&sites, &s.p, 0, true), 0);
	CHECK_EQ(site_growth(&sites.list[0]), 0);
	sites_free(&sites);
	sketch_stop(&s);
}

TEST(sites_know_who_allocates_for_others)
{
	static const char *const yes[] = {"malloc",
					  "operator new",
					  "operator new[]",
					  "operator new(unsigned long)",
					  "__libc_calloc",
					  "strdup",
					  "std::__new_allocator<int>::allocate",
					  "zmalloc",
					  "g_strdup_printf",
					  "PyMem_RawMalloc"};
	static const char *const no[] = {"main",	   "mallocator", "my_malloc", "operator<<",
					 "newspaper::add", "free",	 "",	      "alloc"};

	for (unsigned i = 0; i < sizeof yes / sizeof *yes; i++)
		if (!sites_is_allocator(yes[i]))
			check_fail(__FILE__, __LINE__, "%s is one", yes[i]);
	for (unsigned i = 0; i < sizeof no / sizeof *no; i++)
		if (sites_is_allocator(no[i]))
			check_fail(__FILE__, __LINE__, "%s is none", no[i]);
}
