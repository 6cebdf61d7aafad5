/* SPDX-License-Identifier: MIT */
#include "cli/calltree.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/sketch.h"

/* "name total/self[+left*count](children)", without names and zeros where there are none. */
static const char *text_of(const struct calltree *t)
{
	static char text[4096];
	size_t n = 0, open = 0;
	uint32_t at = CALLTREE_ROOT;

	do {
		const struct calltree_node *d = &t->nodes[at];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s %d/%d",
				      at == CALLTREE_ROOT ? "*" : t->frames[d->frame].name,
				      (int)d->total, (int)d->self);
		if (d->left_count)
			n += (size_t)snprintf(text + n, sizeof text - n, "+%d*%u", (int)d->left,
					      d->left_count);
		if (d->child) {
			text[n++] = '(';
			open++;
		}
		uint32_t next = calltree_next(t, at);
		/* Where preorder goes up, that many close. */
		for (uint32_t from = at;
		     !t->nodes[at].child && from != CALLTREE_ROOT && !t->nodes[from].sibling;
		     from = t->nodes[from].parent) {
			text[n++] = ')';
			open--;
		}
		if (next != CALLTREE_ROOT && !d->child)
			text[n++] = ' ';
		text[n] = '\0';
		at = next;
	} while (at != CALLTREE_ROOT);
	CHECK_EQ(open, 0);
	return text;
}

/* The law of calltree.h. */
static void check_sums(const struct calltree *t)
{
	uint32_t at = CALLTREE_ROOT;

	do {
		const struct calltree_node *n = &t->nodes[at];
		int64_t sum = n->self + n->left;

		for (uint32_t kid = n->child; kid; kid = t->nodes[kid].sibling)
			sum += t->nodes[kid].total;
		CHECK_EQ(sum, n->total);
		at = calltree_next(t, at);
	} while (at != CALLTREE_ROOT);
}

static void some_calls(struct sketch *s)
{
	sketch_start(s);
	sketch_add(s, 3, "leaf work main");
	sketch_add(s, 4, "work main");
	sketch_add(s, 5, "f f main");
	sketch_add(s, 2, "in<out thread");
	sketch_add(s, 0, "nothing thread");
	sketch_add(s, 1, "f main");
	sketch_add(s, 9, "");
}

TEST(calltree_is_the_stacks_from_their_roots)
{
	struct sketch s;
	struct calltree t;

	some_calls(&s);
	calltree_make(&t, &s.p, 0, false);
	CHECK_STR(text_of(&t), "* 15/0(main 13/0(work 7/4(leaf 3/3) f 6/1(f 5/5)) "
			       "thread 2/0(out 2/0(in 2/2)))");
	check_sums(&t);
	calltree_free(&t);
	sketch_stop(&s);
}

TEST(calltree_bottom_up_is_the_stacks_from_their_leaves)
{
	struct sketch s;
	struct calltree t;

	some_calls(&s);
	calltree_make(&t, &s.p, 0, true);
	CHECK_STR(text_of(&t), "* 15/0(f 6/0(f 5/0(main 5/5) main 1/1) work 4/0(main 4/4) "
			       "leaf 3/0(work 3/0(main 3/3)) in 2/0(out 2/0(thread 2/2)))");
	check_sums(&t);
	calltree_free(&t);
	sketch_stop(&s);
}

TEST(calltree_what_is_cut_is_still_counted)
{
	struct sketch s;
	struct calltree t;

	some_calls(&s);
	calltree_make(&t, &s.p, 0, false);
	calltree_cut(&t, 3, 0);
	CHECK_STR(text_of(&t), "* 15/0+2*3(main 13/0(work 7/4(leaf 3/3) f 6/1(f 5/5)))");
	CHECK_EQ(t.cut_count, 3);
	CHECK_EQ(t.cut_total, 2);
	check_sums(&t);
	calltree_cut(&t, 3, 2);
	CHECK_STR(text_of(&t), "* 15/0+2*3(main 13/0(work 7/4+3*1 f 6/1+5*1))");
	CHECK_EQ(t.cut_count, 5);
	CHECK_EQ(t.cut_total, 10);
	check_sums(&t);
	calltree_free(&t);
	sketch_stop(&s);
}

TEST(calltree_of_differences_goes_by_size)
{
	struct sketch s;
	struct calltree t;

	sketch_start(&s);
	sketch_add(&s, 3, "up main");
	sketch_add(&s, -8, "down main");
	sketch_add(&s, -1, "little main");
	calltree_make(&t, &s.p, 0, false);
	calltree_cut(&t, 3, 0);
	CHECK_STR(text_of(&t), "* -6/0(main -6/0+-1*1(down -8/-8 up 3/3))");
	calltree_free(&t);
	sketch_stop(&s);
}

TEST(calltree_frames_without_a_name_are_their_modules)
{
	struct sketch s;
	struct calltree t;

	sketch_start(&s);
	sketch_add(&s, 2, "x");
	sketch_add(&s, 1, "y");
	s.locations[0].line_count = 0;
	s.locations[1].line_count = 0;
	s.locations[1].mapping = PROFILE_NONE;
	s.mappings[0].file = "/usr/lib/libm.so.6";
	calltree_make(&t, &s.p, 0, false);
	CHECK_STR(text_of(&t), "* 3/0([libm.so.6] 2/2 <unknown> 1/1)");
	CHECK_STR(t.frames[t.nodes[t.nodes[0].child].frame].module, "libm.so.6");
	calltree_free(&t);
	sketch_stop(&s);
}

TEST(calltree_of_nothing_is_its_root)
{
	struct sketch s;
	struct calltree t;

	sketch_start(&s);
	calltree_make(&t, &s.p, 0, false);
	calltree_cut(&t, 1, 0);
	CHECK_STR(text_of(&t), "* 0/0");
	calltree_free(&t);
	sketch_stop(&s);
}
