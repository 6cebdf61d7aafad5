/* SPDX-License-Identifier: MIT */
#include "cli/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/measure.h"

/* The name of a file in brackets. */
static const char *bracketed(struct pool *texts, const char *file)
{
	size_t n;
	const char *name = profile_file_name(file, &n);
	char *text = memory_get(n + 3);

	sprintf(text, "[%.*s]", (int)n, name);
	const char *kept = pool_text(texts, text);
	free(text);
	return kept;
}

static uint32_t put_node(struct graph *g, const char *name, const char *mapping, int64_t start_line)
{
	struct {
		const char *name, *mapping; /* equal texts are equal pointers */
		int64_t start_line;
	} key = {
		.name = pool_text(&g->texts, name),
		.mapping = pool_text(&g->texts, name[0] ? "" : mapping),
		.start_line = name[0] ? 0 : start_line,
	};
	bool is_new;
	uint32_t i = pool_put(&g->node_keys, &key, sizeof key, &is_new);

	if (!is_new)
		return i;
	g->nodes = memory_grow(g->nodes, i, &g->node_capacity, sizeof *g->nodes);
	g->node_count = i + 1;
	g->nodes[i] = (struct graph_node){
		.name = name[0]	     ? key.name
			: mapping[0] ? bracketed(&g->texts, mapping)
				     : "<unknown>",
		.mapping = key.mapping,
		.start_line = key.start_line,
		.kept = true,
	};
	return i;
}

static void put_nodes(struct graph *g)
{
	const struct profile *p = g->profile;
	size_t locations = p->location_keys.count;

	g->line_nodes = memory_get(p->line_count * sizeof *g->line_nodes);
	g->location_nodes = memory_get(locations * sizeof *g->location_nodes);
	for (size_t i = 0; i < locations; i++) {
		const struct profile_location *l = &p->locations[i];
		const char *mapping =
			l->mapping == PROFILE_NONE ? "" : p->mappings[l->mapping].file;

		if (l->line_count == 0)
			g->location_nodes[i] = put_node(g, "", mapping, 0);
		for (size_t j = l->first_line; j < l->first_line + l->line_count; j++) {
			const struct profile_function *f = &p->functions[p->lines[j].function];

			g->line_nodes[j] = put_node(g, f->name, mapping, f->start_line);
		}
	}
}

/* A step of one sample from caller to callee.  Edges serve only to tell inlined functions from
 * others. */
static void step(struct graph *g, size_t sample, uint32_t from, uint32_t to, int64_t weight,
		 bool inlined)
{
	const uint32_t key[2] = {from, to};
	bool is_new;
	uint32_t i = pool_put(&g->edge_keys, key, sizeof key, &is_new);

	if (is_new) {
		g->edges = memory_grow(g->edges, i, &g->edge_capacity, sizeof *g->edges);
		g->edges[i] = (struct graph_edge){.from = from, .to = to, .inlined = true};
	}
	struct graph_edge *e = &g->edges[i];
	if (e->seen == sample + 1)
		return;
	e->seen = sample + 1;
	e->weight = measure_add(e->weight, weight);
	e->inlined &= inlined;
}

/* Walks one stack from its root to its leaf. */
static void add_stack(struct graph *g, size_t sample, int64_t weight)
{
	const struct profile *p = g->profile;
	const struct profile_sample *s = &p->samples[sample];
	uint32_t parent = UINT32_MAX;
	bool over_dropped = false; /* a node between parent and here was dropped */

	for (uint32_t f = s->frame_count; f-- > 0;) {
		uint32_t at = p->frames[s->first_frame + f];
		const struct profile_location *l = &p->locations[at];
		const uint32_t *nodes =
			l->line_count ? g->line_nodes + l->first_line : g->location_nodes + at;
		uint32_t count = l->line_count ? l->line_count : 1;

		for (uint32_t k = count; k-- > 0;) {
			struct graph_node *n = &g->nodes[nodes[k]];

			over_dropped = !n->kept;
			if (!n->kept)
				continue;
			if (n->seen != sample + 1) {
				n->seen = sample + 1;
				n->cum = measure_add(n->cum, weight);
			}
			if (parent != UINT32_MAX && parent != nodes[k])
				step(g, sample, parent, nodes[k], weight, k != count - 1);
			parent = nodes[k];
		}
	}
	if (parent != UINT32_MAX && !over_dropped)
		g->nodes[parent].flat = measure_add(g->nodes[parent].flat, weight);
}

static void add_stacks(struct graph *g)
{
	const struct profile *p = g->profile;

	for (size_t i = 0; i < g->node_count; i++)
		g->nodes[i].flat = g->nodes[i].cum = 0, g->nodes[i].seen = 0;
	pool_free(&g->edge_keys);
	for (size_t i = 0; i < p->sample_keys.count; i++) {
		int64_t weight = p->values[i * p->type_count + g->column];

		if (weight)
			add_stack(g, i, weight);
	}
}

/* What a node without any value is shows nowhere. */
static bool is_shown(const struct graph_node *n)
{
	return n->kept && (n->flat || n->cum);
}

static size_t shown(const struct graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->node_count; i++)
		n += is_shown(&g->nodes[i]);
	return n;
}

/* pprof's last resort for two nodes that look the same: the order of their printed contents. */
static int by_contents(const struct graph_node *a, const struct graph_node *b)
{
	const struct graph_node *nodes[2] = {a, b};
	char *text[2];

	for (int i = 0; i < 2; i++)
		if (asprintf(&text[i], "{%s  0  %" PRId64 " 0 %s}",
			     nodes[i]->mapping[0] || nodes[i]->start_line ? "" : nodes[i]->name,
			     nodes[i]->start_line, nodes[i]->mapping) < 0)
			exit(EXIT_FAILED);
	int r = strcmp(text[0], text[1]);
	free(text[0]);
	free(text[1]);
	return r;
}

static int by_value(int64_t a, int64_t b)
{
	a = measure_abs(a);
	b = measure_abs(b);
	return a > b ? -1 : a < b;
}

static int compare(const struct graph_node *a, const struct graph_node *b, bool by_cum)
{
	int r = by_cum ? by_value(a->cum, b->cum) : by_value(a->flat, b->flat);

	if (!r)
		r = strcmp(a->name, b->name);
	if (!r)
		r = by_cum ? by_value(a->flat, b->flat) : by_value(a->cum, b->cum);
	return r ? r : by_contents(a, b);
}

static int by_flat_order(const void *a, const void *b, void *nodes)
{
	const struct graph_node *n = nodes;

	return compare(&n[*(const uint32_t *)a], &n[*(const uint32_t *)b], false);
}

static int by_cum_order(const void *a, const void *b, void *nodes)
{
	const struct graph_node *n = nodes;

	return compare(&n[*(const uint32_t *)a], &n[*(const uint32_t *)b], true);
}

static int by_name_order(const void *a, const void *b, void *nodes)
{
	const struct graph_node *x = nodes, *y = nodes;

	x += *(const uint32_t *)a;
	y += *(const uint32_t *)b;
	int r = strcmp(x->name, y->name);
	return r ? r : compare(x, y, false);
}

static void put_in_order(struct graph *g, bool by_cum)
{
	free(g->order);
	g->order = memory_get(g->node_count * sizeof *g->order);
	g->order_count = 0;
	for (size_t i = 0; i < g->node_count; i++)
		if (is_shown(&g->nodes[i]))
			g->order[g->order_count++] = (uint32_t)i;
	qsort_r(g->order, g->order_count, sizeof *g->order, by_cum ? by_cum_order : by_flat_order,
		g->nodes);
}

static void cut_nodes(struct graph *g, int64_t below)
{
	for (size_t i = 0; i < g->node_count; i++)
		g->nodes[i].kept = is_shown(&g->nodes[i]) && measure_abs(g->nodes[i].cum) >= below;
}

static void cut_after(struct graph *g, size_t count)
{
	for (size_t i = 0; i < g->node_count; i++)
		g->nodes[i].kept = false;
	for (size_t i = 0; i < count; i++)
		g->nodes[g->order[i]].kept = true;
}

static void tell_inlined(struct graph *g, int64_t edges_below)
{
	for (size_t i = 0; i < g->edge_keys.count; i++) {
		const struct graph_edge *e = &g->edges[i];

		if (measure_abs(e->weight) < edges_below)
			continue;
		g->nodes[e->to].by_inlining |= e->inlined;
		g->nodes[e->to].by_call |= !e->inlined;
	}
}

void graph_make(struct graph *g, const struct profile *p, unsigned column,
		const struct graph_cut *cut, size_t *ret_dropped, size_t *ret_left)
{
	int64_t total = 0;

	*g = (struct graph){.profile = p, .column = column};
	put_nodes(g);
	add_stacks(g);
	for (size_t i = 0; i < g->node_count; i++)
		total = measure_add(total, g->nodes[i].flat);
	int64_t nodes_below = measure_abs(measure_integer((double)total * cut->node_fraction));
	int64_t edges_below = measure_abs(measure_integer((double)total * cut->edge_fraction));

	/* Stacks are walked again after every cut: an edge over a dropped node is another edge. */
	size_t all = shown(g);
	*ret_dropped = 0;
	if (nodes_below > 0) {
		cut_nodes(g, nodes_below);
		*ret_dropped = all - shown(g);
		if (*ret_dropped)
			add_stacks(g);
	}
	*ret_left = shown(g);
	put_in_order(g, cut->by_cum);
	if (cut->count && cut->count < g->order_count) {
		cut_after(g, cut->count);
		add_stacks(g);
		put_in_order(g, cut->by_cum);
	}
	if (cut->by_name)
		qsort_r(g->order, g->order_count, sizeof *g->order, by_name_order, g->nodes);
	tell_inlined(g, edges_below);
}

void graph_free(struct graph *g)
{
	free(g->nodes);
	free(g->line_nodes);
	free(g->location_nodes);
	free(g->edges);
	free(g->order);
	pool_free(&g->texts);
	pool_free(&g->node_keys);
	pool_free(&g->edge_keys);
	*g = (struct graph){0};
}
