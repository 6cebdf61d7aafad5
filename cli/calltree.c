/* SPDX-License-Identifier: MIT */
#include "cli/calltree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/measure.h"

/* Frames of the lines of a profile and of its locations without lines. */
struct frame_map {
	uint32_t *lines, *locations;
};

static uint32_t put_frame(struct calltree *t, const char *name, const char *file)
{
	size_t n;
	const char *base = profile_file_name(file, &n);
	char *module = memory_get(n + 3);
	bool is_new;

	if (!name[0]) {
		sprintf(module, "[%.*s]", (int)n, base);
		name = n ? pool_text(&t->texts, module) : "<unknown>";
	}
	sprintf(module, "%.*s", (int)n, base);
	/* Equal texts are equal pointers. */
	const char *key[2] = {pool_text(&t->texts, name), pool_text(&t->texts, module)};
	free(module);
	uint32_t i = pool_put(&t->frame_keys, key, sizeof key, &is_new);
	if (is_new) {
		t->frames = memory_grow(t->frames, i, &t->frame_capacity, sizeof *t->frames);
		t->frames[i] = (struct calltree_frame){.name = key[0], .module = key[1]};
		t->frame_count = i + 1;
	}
	return i;
}

static void put_frames(struct calltree *t, const struct profile *p, struct frame_map *m)
{
	m->lines = memory_get(p->line_count * sizeof *m->lines);
	m->locations = memory_get(p->location_keys.count * sizeof *m->locations);
	for (size_t i = 0; i < p->location_keys.count; i++) {
		const struct profile_location *l = &p->locations[i];
		const char *file = l->mapping == PROFILE_NONE ? "" : p->mappings[l->mapping].file;

		if (l->line_count == 0)
			m->locations[i] = put_frame(t, "", file);
		for (size_t j = l->first_line; j < l->first_line + l->line_count; j++)
			m->lines[j] = put_frame(t, p->functions[p->lines[j].function].name, file);
	}
}

static uint32_t put_node(struct calltree *t, uint32_t parent, uint32_t frame)
{
	const uint32_t key[2] = {parent, frame};
	bool is_new;
	uint32_t i = 1 + pool_put(&t->node_keys, key, sizeof key, &is_new);

	if (is_new) {
		t->nodes = memory_grow(t->nodes, i, &t->node_capacity, sizeof *t->nodes);
		t->nodes[i] = (struct calltree_node){.frame = frame, .parent = parent};
		t->node_count = i + 1;
	}
	return i;
}

/* Frame k of a stack, counted from the root or, bottom up, from the leaf: its lines likewise. */
static void add_stack(struct calltree *t, const struct profile *p, const struct frame_map *m,
		      const struct profile_sample *s, int64_t value, bool bottom_up)
{
	uint32_t node = CALLTREE_ROOT;

	t->nodes[node].total = measure_add(t->nodes[node].total, value);
	for (uint32_t k = 0; k < s->frame_count; k++) {
		uint32_t from_leaf = bottom_up ? k : s->frame_count - 1 - k;
		uint32_t at = p->frames[s->first_frame + from_leaf];
		const struct profile_location *l = &p->locations[at];
		const uint32_t *frames =
			l->line_count ? m->lines + l->first_line : m->locations + at;
		uint32_t count = l->line_count ? l->line_count : 1;

		for (uint32_t i = 0; i < count; i++) {
			node = put_node(t, node, frames[bottom_up ? i : count - 1 - i]);
			t->nodes[node].total = measure_add(t->nodes[node].total, value);
		}
	}
	t->nodes[node].self = measure_add(t->nodes[node].self, value);
}

static int by_total(const void *a, const void *b, void *tree)
{
	const struct calltree *t = tree;
	const struct calltree_node *x = &t->nodes[*(const uint32_t *)a];
	const struct calltree_node *y = &t->nodes[*(const uint32_t *)b];
	int64_t p = measure_abs(x->total), q = measure_abs(y->total);

	if (p != q)
		return p > q ? -1 : 1;
	int r = strcmp(t->frames[x->frame].name, t->frames[y->frame].name);
	return r ? r : strcmp(t->frames[x->frame].module, t->frames[y->frame].module);
}

/* All nodes by total, then each in front of its parent's children from the smallest on. */
static void link_children(struct calltree *t)
{
	size_t count = t->node_count - 1;
	uint32_t *order = memory_get(count * sizeof *order);

	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i + 1;
	qsort_r(order, count, sizeof *order, by_total, t);
	for (size_t i = count; i-- > 0;) {
		struct calltree_node *n = &t->nodes[order[i]];

		n->sibling = t->nodes[n->parent].child;
		t->nodes[n->parent].child = order[i];
	}
	free(order);
}

void calltree_make(struct calltree *t, const struct profile *p, unsigned column, bool bottom_up)
{
	struct frame_map m;

	*t = (struct calltree){.node_count = 1};
	t->nodes = memory_grow(NULL, 0, &t->node_capacity, sizeof *t->nodes);
	t->nodes[CALLTREE_ROOT] = (struct calltree_node){0};
	put_frames(t, p, &m);
	for (size_t i = 0; i < p->sample_keys.count; i++) {
		int64_t value = p->values[i * p->type_count + column];

		if (value && p->samples[i].frame_count)
			add_stack(t, p, &m, &p->samples[i], value, bottom_up);
	}
	free(m.lines);
	free(m.locations);
	link_children(t);
}

uint32_t calltree_next(const struct calltree *t, uint32_t at)
{
	if (t->nodes[at].child)
		return t->nodes[at].child;
	while (at != CALLTREE_ROOT && !t->nodes[at].sibling)
		at = t->nodes[at].parent;
	return t->nodes[at].sibling;
}

/* The nodes of a subtree. */
static uint32_t size_of(const struct calltree *t, uint32_t top)
{
	uint32_t n = 0, at = top;

	for (;;) {
		n++;
		if (t->nodes[at].child) {
			at = t->nodes[at].child;
			continue;
		}
		while (at != top && !t->nodes[at].sibling)
			at = t->nodes[at].parent;
		if (at == top)
			return n;
		at = t->nodes[at].sibling;
	}
}

/* Children are in order: from the first that is too small on, all are. */
static void cut_children(struct calltree *t, uint32_t parent, int64_t least)
{
	struct calltree_node *p = &t->nodes[parent];
	uint32_t *link = &p->child, at;

	while (*link && measure_abs(t->nodes[*link].total) >= least)
		link = &t->nodes[*link].sibling;
	for (at = *link; at; at = t->nodes[at].sibling) {
		uint32_t count = size_of(t, at);

		p->left = measure_add(p->left, t->nodes[at].total);
		p->left_count += count;
		t->cut_count += count;
		t->cut_total = measure_add(t->cut_total, t->nodes[at].total);
	}
	*link = 0;
}

void calltree_cut(struct calltree *t, int64_t least, size_t depth)
{
	size_t *depths = memory_get(t->node_count * sizeof *depths);
	uint32_t at = CALLTREE_ROOT;

	do {
		depths[at] = at == CALLTREE_ROOT ? 0 : depths[t->nodes[at].parent] + 1;
		cut_children(t, at, depth && depths[at] >= depth ? INT64_MAX : least);
		at = calltree_next(t, at);
	} while (at != CALLTREE_ROOT);
	free(depths);
}

void calltree_free(struct calltree *t)
{
	free(t->frames);
	free(t->nodes);
	pool_free(&t->texts);
	pool_free(&t->frame_keys);
	pool_free(&t->node_keys);
	*t = (struct calltree){0};
}
