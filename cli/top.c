/* SPDX-License-Identifier: MIT */
/*
 * cprof top: the table of `go tool pprof -top`, line by line the same for the same file.
 */
#include <string.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/graph.h"
#include "cli/measure.h"
#include "cli/terminal.h"
#include "cli/view.h"

/* pprof's own limit for what tells an inlined function. */
#define EDGE_FRACTION 0.001

struct report {
	const struct view *view;
	struct graph graph;
	const char *unit; /* of the output */
	size_t dropped, left;
	double node_fraction;
};

static const char *common_unit(const struct report *r)
{
	int64_t min = 0;

	if (r->graph.order_count == 0)
		return "minimum";
	for (size_t i = 0; i < r->graph.order_count; i++) {
		const struct graph_node *n = &r->graph.nodes[r->graph.order[i]];
		int64_t v = measure_abs(n->flat ? n->flat : n->cum);

		if (v > 0 && (min == 0 || v < min))
			min = v;
	}
	return view_unit(r->view, min, r->view->total);
}

static void print_summary(const struct report *r)
{
	const struct graph *g = &r->graph;
	char percent[MEASURE_PERCENT_BYTES];
	int64_t flat = 0;

	for (size_t i = 0; i < g->order_count; i++)
		flat = measure_add(flat, g->nodes[g->order[i]].flat);
	char *sum = measure_label(flat, r->view->type->unit, r->unit);
	char *total = measure_label(r->view->total, r->view->type->unit, r->unit);
	measure_percent(flat, r->view->total, percent);
	printf("Showing nodes accounting for %s, %s of %s total\n", sum,
	       percent + strspn(percent, " "), total);
	free(sum);
	free(total);
	if (r->view->total == 0)
		return;
	if (r->dropped) {
		int64_t limit =
			measure_abs(measure_integer((double)r->view->total * r->node_fraction));
		char *text = measure_label(limit, r->view->type->unit, r->unit);

		printf("Dropped %zu node%s (cum <= %s)\n", r->dropped, r->dropped > 1 ? "s" : "",
		       text);
		free(text);
	}
	if (g->order_count && g->order_count < r->left)
		printf("Showing top %zu nodes out of %zu\n", g->order_count, r->left);
}

/* What is hot stands out; what is cold steps back. */
static void print_row(const struct report *r, const struct graph_node *n, int64_t sum)
{
	const struct view *v = r->view;
	char flat_percent[MEASURE_PERCENT_BYTES], sum_percent[MEASURE_PERCENT_BYTES];
	char cum_percent[MEASURE_PERCENT_BYTES];
	enum terminal_style flat = terminal_heat(n->flat, v->total);
	enum terminal_style cum = terminal_heat(n->cum, v->total);
	enum terminal_style name = flat == STYLE_COLD ? STYLE_PLAIN : flat;

	measure_percent(n->flat, v->total, flat_percent);
	measure_percent(sum, v->total, sum_percent);
	measure_percent(n->cum, v->total, cum_percent);
	fputs(terminal_begin(v->colour, flat), stdout);
	view_value(v, n->flat, r->unit);
	printf(" %s%s %s %s", flat_percent, terminal_end(v->colour, flat), sum_percent,
	       terminal_begin(v->colour, cum));
	view_value(v, n->cum, r->unit);
	printf(" %s%s  %s", cum_percent, terminal_end(v->colour, cum),
	       terminal_begin(v->colour, name));
	terminal_print(n->name, stdout);
	printf("%s%s\n", terminal_end(v->colour, name),
	       !n->by_inlining ? ""
	       : n->by_call    ? " (partial-inline)"
			       : " (inline)");
}

static void print_table(const struct report *r)
{
	const struct graph *g = &r->graph;
	int64_t sum = 0;

	printf("%s%10s %5s%% %5s%% %10s %5s%%%s\n", terminal_begin(r->view->colour, STYLE_HEADING),
	       "flat", "flat", "sum", "cum", "cum", terminal_end(r->view->colour, STYLE_HEADING));
	for (size_t i = 0; i < g->order_count; i++) {
		const struct graph_node *n = &g->nodes[g->order[i]];

		sum = measure_add(sum, n->flat);
		print_row(r, n, sum);
	}
}

static int report(const struct view *v, const struct graph_cut *cut)
{
	struct report r = {.view = v, .node_fraction = cut->node_fraction};

	graph_make(&r.graph, &v->profile, v->column, cut, &r.dropped, &r.left);
	r.unit = common_unit(&r);
	view_header(v, r.unit, stdout);
	print_summary(&r);
	print_table(&r);
	graph_free(&r.graph);
	return output_end();
}

static int set_order(struct graph_cut *cut, const char *sort, bool cum)
{
	if (sort && strcmp(sort, "cum") != 0 && strcmp(sort, "flat") != 0 &&
	    strcmp(sort, "name") != 0)
		return usage_error(&command_top, "--sort %s: expected flat, cum or name", sort);
	cut->by_cum = sort ? strcmp(sort, "cum") == 0 : cum;
	cut->by_name = sort && strcmp(sort, "name") == 0;
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct graph_cut cut = {.node_fraction = VIEW_FRACTION, .edge_fraction = EDGE_FRACTION};
	const char *sort = NULL, *colour = "auto";
	bool cum = false, all = false;
	const struct view_option options[] = {
		{"-n", VIEW_COUNT, &cut.count},	 {"--cum", VIEW_FLAG, &cum},
		{"--sort", VIEW_TEXT, &sort},	 {"--all", VIEW_FLAG, &all},
		{"--color", VIEW_TEXT, &colour},
	};
	struct view v;
	int status;

	if (view_parse(&v, &command_top, options, sizeof options / sizeof options[0], argc, argv,
		       &status) &&
	    (status = view_colour(&v, colour)) == EXIT_OK &&
	    (status = set_order(&cut, sort, cum)) == EXIT_OK &&
	    (status = view_load(&v)) == EXIT_OK) {
		if (all)
			cut.node_fraction = cut.edge_fraction = 0;
		status = report(&v, &cut);
	}
	view_free(&v);
	return status;
}

const struct command command_top = {
	.name = "top",
	.run = run,
	.arguments = "[OPTION]... FILE...",
	.summary = "show where a profile's time or memory went, as `go tool pprof -top`",
	.help = "Prints the functions of one profile, or of the sum of several of the same kind.\n"
		"\n"
		"  -n N           at most N functions\n"
		"  --sort ORDER   flat: what a function used itself (the default); cum: with all\n"
		"                 that it called; name\n"
		"  --cum          the same as --sort cum\n"
		"  --all          do not leave out functions below 0.5 % of the total\n" VIEW_HELP
			VIEW_COLOUR_HELP
		"  FILE           profile.proto, gzip or not; - is standard input\n"
		"\n"
		"RE: POSIX extended regular expression. Percentages are of the whole profile.\n"
		"Exit codes: 0 done; 1 failed; 2 wrong usage.\n",
};
