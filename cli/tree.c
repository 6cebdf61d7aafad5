/* SPDX-License-Identifier: MIT */
/*
 * cprof tree: who calls whom, as a tree on a terminal.
 *
 * Only a branch indents: a chain of functions that call one another and nothing else of weight is
 * written straight down, so that a stack of a hundred frames stays on the screen.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/calltree.h"
#include "cli/command.h"
#include "cli/measure.h"
#include "cli/terminal.h"
#include "cli/view.h"

struct lines {
	const char *branch, *last, *beside, *blank;
};
static const struct lines box = {"\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ", "   "};
static const struct lines ascii = {"|- ", "`- ", "|  ", "   "};

struct drawing {
	const struct view *view;
	const struct lines *lines;
	struct calltree tree;
	bool bottom_up;
	double min; /* fraction */
	int64_t least;
	const char *unit;
	uint32_t *levels; /* of indentation, of each node */
	bool *more;	  /* of each level: something of it follows */
};

/* What is cut below a node gets a line when together it is large enough for one. */
static bool left_is_shown(const struct drawing *d, const struct calltree_node *n)
{
	return n->left && measure_abs(n->left) >= d->least;
}

static bool branches(const struct drawing *d, uint32_t at)
{
	const struct calltree_node *n = &d->tree.nodes[at];

	return n->child && (d->tree.nodes[n->child].sibling || left_is_shown(d, n));
}

static void print_share(const struct drawing *d, int64_t value)
{
	const struct view *v = d->view;
	char percent[MEASURE_PERCENT_BYTES];

	if (value == 0) {
		printf("%10s %6s", ".", ".");
		return;
	}
	measure_percent(value, v->total, percent);
	enum terminal_style heat = terminal_heat(value, v->total);
	fputs(terminal_begin(v->colour, heat), stdout);
	view_value(v, value, d->unit);
	printf(" %s%s", percent, terminal_end(v->colour, heat));
}

/* The numbers, and the lines of the levels above. */
static void begin_row(const struct drawing *d, int64_t total, int64_t self, uint32_t level,
		      bool is_branch)
{
	const struct view *v = d->view;

	print_share(d, total);
	if (!d->bottom_up) {
		putchar(' ');
		print_share(d, self);
	}
	fputs("  ", stdout);
	if (level)
		fputs(terminal_begin(v->colour, STYLE_COLD), stdout);
	for (uint32_t i = 0; i + is_branch < level; i++)
		fputs(d->more[i] ? d->lines->beside : d->lines->blank, stdout);
	if (is_branch)
		fputs(d->more[level - 1] ? d->lines->branch : d->lines->last, stdout);
	if (level)
		fputs(terminal_end(v->colour, STYLE_COLD), stdout);
}

static void print_node(struct drawing *d, uint32_t at)
{
	const struct calltree_node *n = &d->tree.nodes[at];
	bool is_branch = at != CALLTREE_ROOT && branches(d, n->parent);
	uint32_t level = at == CALLTREE_ROOT ? 0 : d->levels[n->parent] + is_branch;
	enum terminal_style heat = terminal_heat(n->self, d->view->total);
	enum terminal_style style = heat == STYLE_COLD ? STYLE_PLAIN : heat;

	d->levels[at] = level;
	if (is_branch)
		d->more[level - 1] = n->sibling || left_is_shown(d, &d->tree.nodes[n->parent]);
	begin_row(d, n->total, n->self, level, is_branch);
	if (at == CALLTREE_ROOT) {
		puts("(all stacks)");
		return;
	}
	fputs(terminal_begin(d->view->colour, style), stdout);
	terminal_print(d->tree.frames[n->frame].name, stdout);
	puts(terminal_end(d->view->colour, style));
}

/* Behind the subtree of at, and of the parents that it is the last child of. */
static void print_left(struct drawing *d, uint32_t at, uint32_t next)
{
	uint32_t until = next == CALLTREE_ROOT ? CALLTREE_ROOT : d->tree.nodes[next].parent;

	if (d->tree.nodes[at].child)
		return;
	for (;;) {
		const struct calltree_node *n = &d->tree.nodes[at];

		if (left_is_shown(d, n) && (at != until || next == CALLTREE_ROOT)) {
			bool is_branch = n->child != 0;
			uint32_t level = d->levels[at] + is_branch;

			if (is_branch)
				d->more[level - 1] = false;
			begin_row(d, n->left, 0, level, is_branch);
			printf("(%u more)\n", n->left_count);
		}
		if (at == until)
			return;
		at = n->parent;
	}
}

static void print_tree(struct drawing *d)
{
	const struct view *v = d->view;
	const char *heading = terminal_begin(v->colour, STYLE_HEADING);
	const char *plain = terminal_end(v->colour, STYLE_HEADING);
	uint32_t at = CALLTREE_ROOT;

	if (d->bottom_up)
		printf("%s%10s %5s%%  function, and what calls it%s\n", heading, "cum", "cum",
		       plain);
	else
		printf("%s%10s %5s%% %10s %5s%%  function, and what it calls%s\n", heading, "cum",
		       "cum", "flat", "flat", plain);
	do {
		uint32_t next = calltree_next(&d->tree, at);

		print_node(d, at);
		print_left(d, at, next);
		at = next;
	} while (at != CALLTREE_ROOT);
}

static const char *common_unit(const struct drawing *d)
{
	int64_t min = 0;

	for (uint32_t at = calltree_next(&d->tree, CALLTREE_ROOT); at;
	     at = calltree_next(&d->tree, at)) {
		const struct calltree_node *n = &d->tree.nodes[at];
		int64_t v = measure_abs(n->self ? n->self : n->total);

		if (v > 0 && (min == 0 || v < min))
			min = v;
	}
	return view_unit(d->view, min, d->view->total);
}

static int draw(struct drawing *d, size_t depth)
{
	const struct view *v = d->view;
	char percent[MEASURE_PERCENT_BYTES];

	calltree_make(&d->tree, &v->profile, v->column, d->bottom_up);
	size_t all = d->tree.node_count - 1;
	d->least = measure_abs(measure_integer((double)v->total * d->min));
	if (d->least == 0)
		d->least = 1;
	calltree_cut(&d->tree, d->least, depth);
	d->unit = common_unit(d);
	d->levels = memory_get(d->tree.node_count * sizeof *d->levels);
	d->more = memory_get(d->tree.node_count * sizeof *d->more);
	view_header(v, d->unit, stdout);
	measure_percent(d->tree.cut_total, v->total, percent);
	printf("Showing %zu calls out of %zu", all - d->tree.cut_count, all);
	if (d->tree.cut_count)
		printf("; %s of the total is left out", percent + strspn(percent, " "));
	putchar('\n');
	print_tree(d);
	free(d->levels);
	free(d->more);
	calltree_free(&d->tree);
	return output_end();
}

static int run(int argc, char **argv)
{
	struct drawing d = {.min = VIEW_FRACTION};
	const char *colour = "auto";
	size_t depth = 0;
	const struct view_option options[] = {
		{"--min", VIEW_PERCENT, &d.min},
		{"--depth", VIEW_COUNT, &depth},
		{"--bottom-up", VIEW_FLAG, &d.bottom_up},
		{"--color", VIEW_TEXT, &colour},
	};
	struct view v;
	int status;

	if (view_parse(&v, &command_tree, options, sizeof options / sizeof options[0], argc, argv,
		       &status) &&
	    (status = view_colour(&v, colour)) == EXIT_OK && (status = view_load(&v)) == EXIT_OK) {
		d.view = &v;
		d.lines = terminal_is_utf8() ? &box : &ascii;
		status = draw(&d, depth);
	}
	view_free(&v);
	return status;
}

const struct command command_tree = {
	.name = "tree",
	.run = run,
	.arguments = "[OPTION]... FILE...",
	.summary = "show who calls whom, and what it costs, as a tree",
	.help = "Prints the calls of one profile, or of the sum of several of the same kind. Only\n"
		"where a function calls several others the tree is indented.\n"
		"\n"
		"  --min PERCENT  leave out calls below this share of the total (default 0.5)\n"
		"  --depth N      and those deeper than N\n"
		"  --bottom-up    from the innermost functions to their callers\n" VIEW_HELP
			VIEW_COLOUR_HELP
		"  FILE           profile.proto, gzip or not; - is standard input\n"
		"\n"
		"RE: POSIX extended regular expression. Percentages are of the whole profile.\n"
		"Exit codes: 0 done; 1 failed; 2 wrong usage.\n",
};
