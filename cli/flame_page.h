/* SPDX-License-Identifier: MIT */
/*
 * cli/flame_page: a call tree as one page that needs nothing else: SVG, or HTML around the same SVG.
 *
 * The page draws itself twice: once here, for viewers without scripts, and once in cli/flame.js,
 * which is in the page and draws from the data beside it.  A profile may hold any bytes: text
 * becomes XML with escapes, data becomes JSON in which no character can end a script.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_FLAME_PAGE_H
#define CPROF_CLI_FLAME_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/calltree.h"
#include "cli/view.h"

struct flame_page {
	const struct view *view;
	const struct calltree *tree; /* cut */
	double min;		     /* what it has been cut by */
	const char *title;	     /* NULL: program and type */
	bool html;
};

void flame_page_write(const struct flame_page *f, FILE *to);

/* Text as XML and HTML have it in elements and attributes: valid UTF-8, every character that means
 * something escaped, what XML cannot hold replaced. */
void flame_text(const char *s, size_t n, FILE *to);

/* Text as a JSON string, quotes included, in which there is no <, > and &. */
void flame_json(const char *s, FILE *to);

/* The colour class of a frame: 6 shades, by the name, of each kind of code. */
enum flame_kind {
	FLAME_PROGRAM,
	FLAME_LIBRARY,
	FLAME_CXX,
	FLAME_JIT, /* made at run time */
	FLAME_KERNEL,
	FLAME_NOTE, /* what cprof says about a stack */
};
#define FLAME_SHADES 6
/* has_modules: the profile knows modules, so that code outside of all was made at run time. */
enum flame_kind flame_kind_of(const struct calltree_frame *f, bool has_modules);

#endif
