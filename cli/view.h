/* SPDX-License-Identifier: MIT */
/*
 * cli/view: what the commands that look at profiles have in common: options, files, the header.
 *
 * A view is a profile with readable names, one of its columns, and the stacks that the filters
 * leave.  Its total is that of the whole profile whatever the filters are, so that percentages of
 * two views can be compared.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_VIEW_H
#define CPROF_CLI_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/filter.h"
#include "cli/profile.h"

/* pprof's own limit: what is smaller is left out and said to be. */
#define VIEW_FRACTION 0.005

/* An option of one command beside those of all views. */
enum view_kind { VIEW_FLAG, VIEW_COUNT, VIEW_TEXT, VIEW_PERCENT };
struct view_option {
	const char *name;
	enum view_kind kind;
	void *value; /* bool, size_t, const char *, double: a fraction of 1 */
};

struct view {
	const struct command *command;
	const char *sample; /* NULL: the default column */
	struct filter filter;
	bool colour;
	char **files;
	int file_count;
	const char *base;  /* file that is subtracted; NULL: none */
	const char *needs; /* what has the column: "a heap profile"; NULL: the user has chosen it */

	struct profile profile;
	unsigned column;
	const struct profile_type *type;
	int64_t total;
};

/* Help on the common options, for the end of a command's own. */
#define VIEW_HELP                                                                                  \
	"  --focus RE     only stacks in which a function, source file or module matches\n"        \
	"  --ignore RE    no stacks in which one matches\n"                                        \
	"  --hide RE      without the functions that match; --show RE: only with those\n"          \
	"  --class RE     only waits of a class that matches, in block, mutex and wall\n"          \
	"  --diff-base F  minus this profile; percentages are of it\n"                             \
	"  --sample TYPE  which values: cpu, inuse_space, delay, ... or a column's number\n"
#define VIEW_COLOUR_HELP "  --color WHEN   auto, always or never; auto heeds NO_COLOR and TERM\n"

/* Reads the command line.  true: go on.  false: *ret_status is the exit code, and all has been
 * said. */
bool view_parse(struct view *v, const struct command *c, const struct view_option *own,
		size_t count, int argc, char **argv, int *ret_status);

/* --color, for the commands that have it: EXIT_OK or EXIT_USAGE. */
int view_colour(struct view *v, const char *when);

/* Reads the files, chooses the column, names, sums and filters.  EXIT_OK, or another exit code after
 * a message. */
int view_load(struct view *v);
void view_free(struct view *v);

/* A unit for all values from min to max: that of the smallest, or one hundred times larger when the
 * largest is much larger.  min 0: there are none. */
const char *view_unit(const struct view *v, int64_t min, int64_t max);

/* The lines that begin a report of pprof: file, type, time, duration, filters. */
void view_header(const struct view *v, const char *unit, FILE *to);

/* A value on stdout, right-aligned in ten columns. */
void view_value(const struct view *v, int64_t value, const char *unit);

#endif
