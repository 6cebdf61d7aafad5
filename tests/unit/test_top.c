/* SPDX-License-Identifier: MIT */
#include "cli/graph.h"
#include "cli/measure.h"
#include "cli/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/sketch.h"

static void label_is(int64_t value, const char *from, const char *to, const char *want)
{
	char *text = measure_label(value, from, to);
	char copy[256];

	snprintf(copy, sizeof copy, "%s", text);
	free(text);
	CHECK_STR(copy, want);
}

/* Each result was printed by pprof's own measurement package (1.19). */
TEST(measure_labels_are_those_of_pprof)
{
	label_is(0, "bytes", "auto", "0");
	label_is(1, "bytes", "auto", "1B");
	label_is(1536, "bytes", "auto", "1.50kB");
	label_is(1536, "bytes", "B", "1536B");
	label_is(-1536, "bytes", "auto", "-1.50kB");
	label_is(INT64_C(3) << 50, "byte", "minimum", "3PB");
	label_is(12345678901, "nanoseconds", "auto", "12.35s");
	label_is(999, "nanoseconds", "auto", "999ns");
	label_is(999, "nanoseconds", "ms", "0");
	label_is(0, "nanoseconds", "ms", "0");
	label_is(7200, "Seconds", "auto", "2hrs");
	label_is(5, "ms", "bytes", "0.01s");
	label_is(42, "count", "minimum", "42");
	label_is(42, "count", "count", "42");
	label_is(42, "widgets", "widgets", "42widgets");
	label_is(42, "widgets", "minimum", "42");
	label_is(2500, "milligcu", "auto", "2.50GCU");
	label_is(INT64_MIN, "count", "count", "-9223372036854775808");
}

static void percent_is(int64_t value, int64_t total, const char *want)
{
	char text[MEASURE_PERCENT_BYTES];

	measure_percent(value, total, text);
	CHECK_STR(text, want);
}

TEST(measure_percent_is_that_of_pprof)
{
	percent_is(0, 0, "    0%");
	percent_is(1, 0, "    0%");
	percent_is(0, 5, "    0%");
	percent_is(1, 1, "  100%");
	percent_is(9995, 10000, "  100%");
	percent_is(9994, 10000, "99.94%");
	percent_is(1, 100, " 1.00%");
	percent_is(1, 101, " 0.99%");
	percent_is(1, 200, "  0.5%");
	percent_is(1, 123456, "0.00081%");
	percent_is(1, 12345678, "8.1e-06%");
	percent_is(-1, 2, "50.00%");
	percent_is(5, 2, "250.00%");
}

TEST(measure_integers_wrap_as_in_go)
{
	CHECK(measure_integer(1e30) == INT64_MIN);
	CHECK(measure_integer(-1e30) == INT64_MIN);
	CHECK_EQ(measure_integer(-1.9), -1);
	CHECK(measure_abs(INT64_MIN) == INT64_MIN);
	CHECK(measure_add(INT64_MAX, 1) == INT64_MIN);
}

/* "name flat cum[i|p];..." in order. */
static const char *table(struct sketch *s, struct graph_cut cut, size_t *ret_dropped,
			 size_t *ret_left)
{
	static char text[1024];
	size_t n = 0, dropped, left;
	struct graph g;

	graph_make(&g, &s->p, 0, &cut, ret_dropped ? ret_dropped : &dropped,
		   ret_left ? ret_left : &left);
	text[0] = '\0';
	for (size_t i = 0; i < g.order_count; i++) {
		const struct graph_node *d = &g.nodes[g.order[i]];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s %d %d%s;", d->name,
				      (int)d->flat, (int)d->cum,
				      !d->by_inlining ? ""
				      : d->by_call    ? "p"
						      : "i");
	}
	graph_free(&g);
	return text;
}

TEST(top_flat_is_the_leaf_and_cum_the_stack)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 3, "leaf work main");
	sketch_add(&s, 4, "work main");
	sketch_add(&s, 5, "other main");
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL),
		  "other 5 5;work 4 7;leaf 3 3;main 0 12;");
	CHECK_STR(table(&s, (struct graph_cut){.by_cum = true}, NULL, NULL),
		  "main 0 12;work 4 7;other 5 5;leaf 3 3;");
	sketch_stop(&s);
}

TEST(top_recursion_counts_once_per_stack)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 10, "f f f main");
	sketch_add(&s, 1, "g f g f main");
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL), "f 10 11;g 1 1;main 0 11;");
	sketch_stop(&s);
}

TEST(top_inlined_lines_are_frames)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 2, "in<out main");
	sketch_add(&s, 3, "out main");
	sketch_add(&s, 4, "part<out main");
	sketch_add(&s, 5, "part main");
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL),
		  "part 9 9p;out 3 9;in 2 2i;main 0 14;");
	sketch_stop(&s);
}

TEST(top_equal_values_are_in_order_of_names)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 1, "b");
	sketch_add(&s, 1, "a");
	sketch_add(&s, 1, "C");
	sketch_add(&s, -1, "d");
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL), "C 1 1;a 1 1;b 1 1;d -1 -1;");
	sketch_stop(&s);
}

TEST(top_in_order_of_names_has_the_same_functions)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 5, "b main");
	sketch_add(&s, 7, "c main");
	sketch_add(&s, 1, "a main");
	CHECK_STR(table(&s, (struct graph_cut){.by_name = true, .count = 2}, NULL, NULL),
		  "b 5 5;c 7 7;");
	CHECK_STR(table(&s, (struct graph_cut){.by_name = true}, NULL, NULL),
		  "a 1 1;b 5 5;c 7 7;main 0 13;");
	sketch_stop(&s);
}

TEST(top_drops_what_is_below_the_fraction)
{
	struct sketch s;
	size_t dropped, left;

	sketch_start(&s);
	sketch_add(&s, 995, "big main");
	sketch_add(&s, 5, "edge main");
	sketch_add(&s, 4, "small main");
	CHECK_STR(table(&s, (struct graph_cut){.node_fraction = 0.005}, &dropped, &left),
		  "big 995 995;edge 5 5;main 0 1004;");
	CHECK_EQ(dropped, 1);
	CHECK_EQ(left, 3);
	CHECK_STR(
		table(&s, (struct graph_cut){.node_fraction = 0.005, .count = 1}, &dropped, &left),
		"big 995 995;");
	CHECK_EQ(left, 3);
	sketch_stop(&s);
}

TEST(top_values_of_dropped_leaves_are_not_given_to_others)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 1000, "big main");
	sketch_add(&s, 1, "small work main");
	sketch_add(&s, 50, "work main");
	CHECK_STR(table(&s, (struct graph_cut){.node_fraction = 0.005}, NULL, NULL),
		  "big 1000 1000;work 50 51;main 0 1051;");
	sketch_stop(&s);
}

TEST(top_values_that_cancel_are_not_shown)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 7, "a main");
	sketch_add(&s, -7, "a main");
	sketch_add(&s, 0, "b main");
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL), "");
	sketch_stop(&s);
}

TEST(top_simplifies_names_that_nobody_has)
{
	static const char *const names[][2] = {
		{"main", "main"},
		{"_ZN3foo3barEv", "foo::bar"},
		{"a::b(int, c<d>)", "a::b"},
		{"foo<bar<int>>", "foo"},
		{"main.(*T[...]).M", "main.(*T[...]).M"},
		{"Foo.<init>", "Foo.<init>"},
		{"[truncated: too deep]", "[truncated: too deep]"},
		{"operator->", "operator->"},
		{"x::y(z", "x::y(z"},
		{"f(int)", "f(int)"},
	};
	struct sketch s;

	sketch_start(&s);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		uint32_t f = sketch_function(&s, names[i][0], strlen(names[i][0]));

		s.functions[f].system_name = s.functions[f].name;
	}
	names_simplify(&s.p);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK_STR(s.functions[i].name, names[i][1]);
	sketch_stop(&s);
	/* Where the producer gave a name of its own, it stays. */
	sketch_start(&s);
	uint32_t f = sketch_function(&s, "a::b<c>(d)", 10);
	s.functions[f].system_name = "_ZN1a1bI1cEEv1d";
	names_simplify(&s.p);
	CHECK_STR(s.functions[f].name, "a::b<c>(d)");
	sketch_stop(&s);
}

TEST(top_prunes_by_drop_and_keep_frames)
{
	struct sketch s;

	sketch_start(&s);
	sketch_add(&s, 1, "deep malloc work main");
	sketch_add(&s, 2, "malloc_kept work main");
	sketch_add(&s, 4, "malloc");
	s.p.drop_frames = "malloc.*";
	s.p.keep_frames = "malloc_k.*";
	names_prune(&s.p);
	CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL),
		  "malloc 4 4;malloc_kept 2 2;work 1 3;main 0 3;");
	sketch_stop(&s);
}

/* Each would match, and cut the leaf off; the first four end in no time and no memory, or a crash. */
TEST(top_prunes_by_no_pattern_without_bound)
{
	static char deep[2 * 400 + 12], wide[2000];
	static const char *const patterns[] = {"((((m{1,255}){1,255}){1,255}){1,255})alloc",
					       "((.*)*(.*)*)*",
					       "(.*)+",
					       "(m)alloc\\1*",
					       "ma*+lloc",
					       deep,
					       wide};

	memset(deep, '(', 400);
	strcpy(deep + 400, "malloc");
	memset(deep + 406, ')', 400);
	strcpy(wide, "malloc|");
	memset(wide + 7, 'x', sizeof wide - 8);
	for (unsigned i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct sketch s;

		sketch_start(&s);
		sketch_add(&s, 1, "malloc main");
		s.p.drop_frames = patterns[i];
		names_prune(&s.p);
		CHECK_STR(table(&s, (struct graph_cut){0}, NULL, NULL), "malloc 1 1;main 0 1;");
		sketch_stop(&s);
	}
}
