/* SPDX-License-Identifier: MIT */
/*
 * cli/filter: which stacks of a profile are looked at, and which of their frames, as pprof's
 * -focus, -ignore, -hide and -show have it; and by what was waited for, as -tagfocus=class= has it.
 *
 * A frame matches by its function's name or source file, or by the file of its mapping; a sample by its class, which is
 * empty where it was running.  Patterns
 * are POSIX extended ones, byte by byte.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_FILTER_H
#define CPROF_CLI_FILTER_H

#include <regex.h>

#include "cli/profile.h"

enum filter_kind {
	FILTER_FOCUS,
	FILTER_IGNORE,
	FILTER_HIDE,
	FILTER_SHOW,
	FILTER_CLASS, /* of samples; all others are of frames */
	FILTER_KINDS
};

struct filter { /* all zero: everything stays */
	const char *pattern[FILTER_KINDS];
	regex_t regex[FILTER_KINDS]; /* where there is a pattern */
};

/* "focus", ... */
const char *filter_name(enum filter_kind kind);

/* An empty pattern is none.  0, or -EINVAL with the reason in why. */
int filter_set(struct filter *f, enum filter_kind kind, const char *pattern, char why[256]);

/* Empties the stacks of samples that go, so that they still count in the total, and takes hidden
 * frames out of the others.  Which kinds have matched nothing: a bit 1 << kind for each. */
unsigned filter_apply(const struct filter *f, struct profile *p);

void filter_free(struct filter *f);

#endif
