/* SPDX-License-Identifier: MIT */
/*
 * cli/terminal: what stdout can show: colours, characters beyond ASCII, and no control sequence of
 * a foreign file.
 *
 * Context: own (the command).  Allocates: no.  Locks: none.
 */
#ifndef CPROF_CLI_TERMINAL_H
#define CPROF_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Shares of the total, the hotter the brighter; the rest of what is coloured. */
enum terminal_style { STYLE_PLAIN, STYLE_COLD, STYLE_WARM, STYLE_HOT, STYLE_HEADING };

/* "auto", "always" or "never".  auto: stdout is a terminal other than TERM=dumb and NO_COLOR is
 * not set (no-color.org).  0, or -EINVAL. */
int terminal_colour(const char *when, bool *ret_colour);

/* The escape sequences around text in a style; "" when colour is off. */
const char *terminal_begin(bool colour, enum terminal_style style);
const char *terminal_end(bool colour, enum terminal_style style);

/* By the share of value in total: hot from 10 %, warm from 2 %, cold below 0.5 %. */
enum terminal_style terminal_heat(int64_t value, int64_t total);

/* LC_ALL, LC_CTYPE or LANG, the first that is set, says UTF-8. */
bool terminal_is_utf8(void);

/* Text of a profile, for people: control characters become '?'. */
void terminal_print(const char *text, FILE *to);
void terminal_write(const char *text, size_t n, FILE *to);

#endif
