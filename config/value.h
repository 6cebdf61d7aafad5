/* SPDX-License-Identifier: MIT */
/*
 * config/value: one value of an option, from text and to text.
 *
 * A parser either fills its result with a value that is inside the bounds, or leaves it alone and
 * says in *why, as the second half of one line, what it wanted instead.  No locale, no errno, no
 * libc: this runs at the start of the host, before its main().
 * Context: signal.  Allocates: no. Locks: none.
 */
#ifndef CPROF_CONFIG_VALUE_H
#define CPROF_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/* yes, true, on, 1 or no, false, off, 0, in any case.  0 or -EINVAL. */
int value_parse_bool(const char *s, bool *ret_value, struct text *why);

/* Decimal; with scaled also a suffix K, M or G of powers of 1024.  0, or -EINVAL, -ERANGE. */
int value_parse_number(const char *s, uint64_t min, uint64_t max, bool scaled, uint64_t *ret_value,
		       struct text *why);

/* A name with or without SIG, a number, RTMIN+n, RTMAX-n, or none (0), in any case.  0, or -EINVAL
 * (no signal), -EPERM (a signal that cannot be used to ask for something). */
int value_parse_signal(const char *s, int *ret_value, struct text *why);

/* An absolute path that fits into size bytes with its NUL.  0, or -EINVAL, -ENAMETOOLONG. */
int value_parse_path(const char *s, char *ret_path, size_t size, struct text *why);
int value_parse_names(const char *s, char *ret_names, size_t size, struct text *why);

/* What the parsers accept: "a number from 1 to 1000". */
void value_bounds_bool(struct text *t);
void value_bounds_number(struct text *t, uint64_t min, uint64_t max, bool scaled);
void value_bounds_signal(struct text *t);
void value_bounds_path(struct text *t, size_t size);
void value_bounds_names(struct text *t, size_t size);

/* The text that gives the same value back. */
void value_show_number(struct text *t, uint64_t v, bool scaled);
void value_show_signal(struct text *t, int signal);

/* Untrusted text for a line of a log: control characters become '?', and what is longer than
 * VALUE_SHOWN bytes is cut, between characters, and ends in "...". */
#define VALUE_SHOWN 60
void value_show_foreign(struct text *t, const char *s);
/* The same for a path, which is cut at VALUE_PATH_SHOWN bytes. */
#define VALUE_PATH_SHOWN 255
void value_show_path(struct text *t, const char *s);

/* Edits (insert, delete, replace) that make b of a, of at most limit; limit + 1 when there are
 * more. */
unsigned value_distance(const char *a, const char *b, unsigned limit);

#endif
