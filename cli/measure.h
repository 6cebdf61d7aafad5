/* SPDX-License-Identifier: MIT */
/*
 * cli/measure: numbers with units, rounded and written as `go tool pprof` writes them.
 *
 * The rules, the order of the units and even the constants are pprof's internal/measurement (1.19),
 * so that a number here is the number there.
 * Context: own (the command).  Allocates: heap where it says so.  Locks: none.
 */
#ifndef CPROF_CLI_MEASURE_H
#define CPROF_CLI_MEASURE_H

#include <stdint.h>

/* value of unit from, in unit to: a unit, or "minimum" or "auto" for the largest unit in which it
 * is at least 1.  *ret_unit is the unit's short name, "" when it is better left out. */
double measure_scale(int64_t value, const char *from, const char *to, const char **ret_unit);

/* "12.50MB", to free(). */
char *measure_label(int64_t value, const char *from, const char *to);

/* " 2.51%", six characters or a few more. */
#define MEASURE_PERCENT_BYTES 32
void measure_percent(int64_t value, int64_t total, char ret_text[MEASURE_PERCENT_BYTES]);

/* The conversions of Go on this machine: what C leaves undefined wraps, or is the smallest integer.
 */
int64_t measure_integer(double v);
int64_t measure_abs(int64_t v);
int64_t measure_add(int64_t a, int64_t b);

#endif
