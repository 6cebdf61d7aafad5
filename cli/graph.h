/* SPDX-License-Identifier: MIT */
/*
 * cli/graph: what each function of a profile used itself (flat) and with all that it called (cum).
 *
 * A function counts once per stack in cum however often it is in it, so recursion never makes more
 * than there was, and the flat values of all functions add up to the profile.  Nodes, what is
 * dropped and the order are those of `pprof -top` (1.19): a node is a function's name, or a mapping
 * where there is none.
 */
#ifndef CPROF_CLI_GRAPH_H
#define CPROF_CLI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pool.h"
#include "cli/profile.h"

struct graph_node {
	const char *name;    /* for people: the function, [mapping], or <unknown> */
	const char *mapping; /* file of a nameless one, else "" */
	int64_t start_line;  /* of a nameless one, else 0 */
	int64_t flat, cum;
	bool kept;		   /* by the last cut */
	bool by_call, by_inlining; /* how the remaining edges lead to it */
	size_t seen;		   /* last sample that counted it, + 1 */
};

struct graph_edge {
	uint32_t from, to;
	int64_t weight;
	bool inlined;
	size_t seen;
};

struct graph {
	const struct profile *profile;
	unsigned column;
	struct graph_node *nodes;
	size_t node_count, node_capacity;
	uint32_t *line_nodes;	  /* node of each line of the profile */
	uint32_t *location_nodes; /* node of each location without a line */
	struct graph_edge *edges;
	size_t edge_capacity;
	struct pool texts, node_keys, edge_keys;
	uint32_t *order; /* the nodes that are shown */
	size_t order_count;
};

struct graph_cut {
	double node_fraction; /* of the sum of flat: nodes with less cum are dropped */
	double edge_fraction;
	size_t count; /* at most so many nodes; 0: all */
	bool by_cum;  /* order */
	bool by_name; /* the same nodes, in the order of their names */
};

/* Computes nodes, cuts and order.  *ret_dropped: nodes below the fraction; *ret_left: nodes after
 * that, before count.  graph_free() frees.
 * Context: own (the command).  Allocates: heap.  Locks: none. */
void graph_make(struct graph *g, const struct profile *p, unsigned column,
		const struct graph_cut *cut, size_t *ret_dropped, size_t *ret_left);
void graph_free(struct graph *g);

#endif
