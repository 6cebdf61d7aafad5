/* SPDX-License-Identifier: MIT */
/*
 * cprof top: the table of `go tool pprof -top`, line by line the same for the same file.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/graph.h"
#include "cli/measure.h"
#include "cli/names.h"
#include "cli/profile.h"

/* pprof's own limits: what is smaller is left out and said to be. */
#define NODE_FRACTION 0.005
#define EDGE_FRACTION 0.001

struct report {
	const struct profile *profile;
	struct graph graph;
	const struct profile_type *type;
	const char *unit; /* of the output */
	int64_t total;
	size_t dropped, left;
	double node_fraction;
};

/* The sum of all samples; in a difference, of its base. */
static int64_t total_of(const struct profile *p, unsigned column)
{
	int64_t total = 0, base = 0;

	for (size_t i = 0; i < p->sample_keys.count; i++) {
		int64_t v = measure_abs(p->values[i * p->type_count + column]);

		total = measure_add(total, v);
		if (p->samples[i].is_base)
			base = measure_add(base, v);
	}
	return base > 0 ? base : total;
}

/* One unit for the whole table: that of the smallest value, or one hundred times larger when the
 * total is much larger. */
static const char *common_unit(const struct report *r)
{
	const char *from = r->type->unit, *smallest, *largest, *unit;
	int64_t min = 0;

	if (r->graph.order_count == 0)
		return "minimum";
	for (size_t i = 0; i < r->graph.order_count; i++) {
		const struct graph_node *n = &r->graph.nodes[r->graph.order[i]];
		int64_t v = measure_abs(n->flat ? n->flat : n->cum);

		if (v > 0 && (min == 0 || v < min))
			min = v;
	}
	if (min == 0)
		min = r->total;
	(void)measure_scale(min, from, "minimum", &smallest);
	(void)measure_scale(r->total, from, "minimum", &largest);
	unit = smallest;
	int64_t hundred = (int64_t)((uint64_t)min * 100);
	if (strcmp(smallest, largest) != 0 && hundred < r->total)
		(void)measure_scale(hundred, from, "minimum", &unit);
	return unit[0] ? unit : from;
}

/* Text of a profile on a terminal: one line, and no control sequence of a foreign file. */
static void print_foreign(const char *s)
{
	for (; *s; s++)
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static const char *base_name(const char *file, size_t *ret_n)
{
	size_t n = strlen(file), from;

	while (n > 1 && file[n - 1] == '/')
		n--;
	for (from = n; from > 0 && file[from - 1] != '/'; from--)
		;
	if (from == n)
		from = 0;
	*ret_n = n - from;
	return file + from;
}

static void print_time(int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
	struct tm tm;
	char date[64], zone[64];

	if (!localtime_r(&seconds, &tm))
		return;
	strftime(date, sizeof date, "%b %-d, %Y at %-I:%M", &tm);
	strftime(zone, sizeof zone, "%Z", &tm);
	printf("Time: %s%s (%s)\n", date, tm.tm_hour < 12 ? "am" : "pm", zone);
}

static void print_header(const struct report *r)
{
	const struct profile *p = r->profile;

	if (p->mapping_keys.count && p->mappings[0].file[0]) {
		size_t n;
		const char *name = base_name(p->mappings[0].file, &n);
		char *copy = memory_get(n + 1);

		memcpy(copy, name, n);
		printf("File: ");
		print_foreign(copy);
		putchar('\n');
		free(copy);
	}
	if (p->mapping_keys.count && p->mappings[0].build_id[0]) {
		printf("Build ID: ");
		print_foreign(p->mappings[0].build_id);
		putchar('\n');
	}
	for (size_t i = 0; i < p->comment_count; i++) {
		if (p->comments[i][0] == '#')
			continue;
		print_foreign(p->comments[i]);
		putchar('\n');
	}
	if (r->type->type[0]) {
		printf("Type: ");
		print_foreign(r->type->type);
		putchar('\n');
	}
	if (p->time_ns)
		print_time(p->time_ns);
	if (p->duration_ns) {
		char *duration = measure_label(p->duration_ns, "nanoseconds", "auto");
		char *total = measure_label(r->total, r->type->unit, r->unit);
		char percent[MEASURE_PERCENT_BYTES];
		const char *unit;
		double ns = measure_scale(r->total, r->type->unit, "nanoseconds", &unit);

		printf("Duration: %s, Total samples = %s ", duration, total);
		if (strcmp(unit, "ns") == 0 && ns != 0) {
			measure_percent(measure_integer(ns), p->duration_ns, percent);
			printf("(%s)", percent);
		}
		putchar('\n');
		free(duration);
		free(total);
	}
}

static void print_summary(const struct report *r)
{
	const struct graph *g = &r->graph;
	char percent[MEASURE_PERCENT_BYTES];
	int64_t flat = 0;

	for (size_t i = 0; i < g->order_count; i++)
		flat = measure_add(flat, g->nodes[g->order[i]].flat);
	char *sum = measure_label(flat, r->type->unit, r->unit);
	char *total = measure_label(r->total, r->type->unit, r->unit);
	measure_percent(flat, r->total, percent);
	printf("Showing nodes accounting for %s, %s of %s total\n", sum,
	       percent + strspn(percent, " "), total);
	free(sum);
	free(total);
	if (r->total == 0)
		return;
	if (r->dropped) {
		int64_t limit = measure_abs(measure_integer((double)r->total * r->node_fraction));
		char *text = measure_label(limit, r->type->unit, r->unit);

		printf("Dropped %zu node%s (cum <= %s)\n", r->dropped, r->dropped > 1 ? "s" : "",
		       text);
		free(text);
	}
	if (g->order_count && g->order_count < r->left)
		printf("Showing top %zu nodes out of %zu\n", g->order_count, r->left);
}

/* Right-aligned in ten columns of characters, not bytes: a unit may be "\u00b5s". */
static void print_value(const struct report *r, int64_t value)
{
	char *text = measure_label(value, r->type->unit, r->unit);
	int n = 0;

	for (const char *c = text; *c; c++)
		n += ((unsigned char)*c & 0xc0) != 0x80;
	printf("%*s", n < 10 ? 10 - n : 0, "");
	print_foreign(text);
	free(text);
}

static void print_table(const struct report *r)
{
	const struct graph *g = &r->graph;
	char flat_percent[MEASURE_PERCENT_BYTES], sum_percent[MEASURE_PERCENT_BYTES];
	char cum_percent[MEASURE_PERCENT_BYTES];
	int64_t sum = 0;

	printf("%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
	for (size_t i = 0; i < g->order_count; i++) {
		const struct graph_node *n = &g->nodes[g->order[i]];

		sum = measure_add(sum, n->flat);
		measure_percent(n->flat, r->total, flat_percent);
		measure_percent(sum, r->total, sum_percent);
		measure_percent(n->cum, r->total, cum_percent);
		print_value(r, n->flat);
		printf(" %s %s ", flat_percent, sum_percent);
		print_value(r, n->cum);
		printf(" %s  ", cum_percent);
		print_foreign(n->name);
		puts(!n->by_inlining ? "" : n->by_call ? " (partial-inline)" : " (inline)");
	}
}

struct top_options {
	const char *sample;
	struct graph_cut cut;
};

/* "one of: samples, cpu" */
static int no_column(const struct profile *p, const char *name)
{
	char names[256] = "";
	size_t n = 0;

	if (p->type_count == 0) {
		say("top: the profile has no sample types");
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < p->type_count && n < sizeof names - 1; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
				      p->types[i].type);
	say("top: --sample=%s: this profile has: %s", name, names);
	return EXIT_FAILED;
}

static int report(struct profile *p, const struct top_options *o)
{
	int column = profile_column(p, o->sample);
	struct report r = {.profile = p, .node_fraction = o->cut.node_fraction};

	if (column < 0)
		return no_column(p, o->sample ? o->sample : "");
	r.type = &p->types[column];
	r.total = total_of(p, (unsigned)column);
	names_simplify(p);
	names_prune(p);
	graph_make(&r.graph, p, (unsigned)column, &o->cut, &r.dropped, &r.left);
	r.unit = common_unit(&r);
	print_header(&r);
	print_summary(&r);
	print_table(&r);
	graph_free(&r.graph);
	return output_end();
}

static int parse_count(const char *s, size_t *ret_count)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (s[0] < '0' || s[0] > '9' || *end)
		return -1;
	*ret_count = n;
	return 0;
}

static int run(int argc, char **argv)
{
	struct top_options o = {
		.cut = {.node_fraction = NODE_FRACTION, .edge_fraction = EDGE_FRACTION}};
	struct profile p = {0};
	char why[256], *value;
	int i, status = EXIT_OK, files = 0;
	bool options = true;

	for (i = 1; i < argc; i++) {
		int r;

		if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
			argv[++files] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			options = false;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_top);
		else if (strcmp(argv[i], "--cum") == 0)
			o.cut.by_cum = true;
		else if (strcmp(argv[i], "--all") == 0)
			o.cut.node_fraction = o.cut.edge_fraction = 0;
		else if ((r = option_is(argc, argv, &i, "--sample", &value)) > 0)
			o.sample = value;
		else if (r == 0 && (r = option_is(argc, argv, &i, "-n", &value)) > 0) {
			if (parse_count(value, &o.cut.count) < 0)
				return usage_error(&command_top, "-n %s: expected a number", value);
		} else if (r < 0)
			return usage_error(&command_top, "%s needs a value", argv[i]);
		else
			return usage_error(&command_top, "%s is no option", argv[i]);
	}
	if (files == 0)
		return usage_error(&command_top, "no FILE given");
	for (i = 1; i <= files && status == EXIT_OK; i++) {
		if (profile_add_file(&p, argv[i], why) < 0) {
			say("top: %s: %s", argv[i], why);
			status = EXIT_FAILED;
		}
	}
	if (status == EXIT_OK)
		status = report(&p, &o);
	profile_free(&p);
	return status;
}

const struct command command_top = {
	.name = "top",
	.run = run,
	.arguments = "[-n N] [--cum] [--all] [--sample=TYPE] FILE...",
	.summary = "show where a profile's time or memory went, as `go tool pprof -top`",
	.help = "Prints the functions of one profile, or of the sum of several of the same kind.\n"
		"\n"
		"  -n N           at most N functions\n"
		"  --cum          order by cum, what a function used with all that it called\n"
		"  --all          do not leave out functions below 0.5 % of the total\n"
		"  --sample=TYPE  which column: cpu, inuse_space, ... or its number\n"
		"                 (default: the profile's own default, or its last)\n"
		"  FILE           profile.proto, gzip or not; - is standard input\n",
};
