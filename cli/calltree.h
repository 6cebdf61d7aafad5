/* SPDX-License-Identifier: MIT */
/*
 * cli/calltree: the stacks of a profile as one tree of calls.
 *
 * A node is a path from the root; in each, total == self + left + the totals of its children, so
 * nothing that is cut off is given to somebody else.  Inlined functions are frames like others.
 * Everything is walked without recursion: a stack of a foreign file may be as deep as it likes.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_CALLTREE_H
#define CPROF_CLI_CALLTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pool.h"
#include "cli/profile.h"

struct calltree_frame {
	const char *name;   /* the function, [module], or <unknown> */
	const char *module; /* file name of the mapping, "" without */
};

#define CALLTREE_ROOT 0 /* also: no node */
struct calltree_node {
	uint32_t frame;			 /* none of the root */
	uint32_t parent, child, sibling; /* the first child, the next sibling; 0: none */
	int64_t total, self;
	int64_t left;	     /* of children that have been cut */
	uint32_t left_count; /* those children and all below them */
};

struct calltree {
	struct calltree_frame *frames;
	size_t frame_count, frame_capacity;
	struct calltree_node
		*nodes; /* [0] is the root, and stands for all stacks that are not empty */
	size_t node_count, node_capacity;
	uint32_t cut_count; /* nodes that have been cut, in all */
	int64_t cut_total;
	struct pool texts, frame_keys, node_keys;
};

/* Children are in the order of their totals, largest first.  bottom_up: the root's children are
 * the innermost functions and each node's children its callers; self is then what ends there. */
void calltree_make(struct calltree *t, const struct profile *p, unsigned column, bool bottom_up);

/* Cuts nodes with a total below least (the sign does not count), and those deeper than depth when
 * that is not 0. */
void calltree_cut(struct calltree *t, int64_t least, size_t depth);

/* The node behind at in preorder; CALLTREE_ROOT at the end. */
uint32_t calltree_next(const struct calltree *t, uint32_t at);

void calltree_free(struct calltree *t);

#endif
