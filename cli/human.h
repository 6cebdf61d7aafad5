/* SPDX-License-Identifier: MIT */
/*
 * cli/human: numbers and foreign names as a person reads them.
 *
 * Names of programs and files may come from another user: whatever is printed goes through
 * human_safe() first, so that none of it moves a terminal's cursor.
 */
#ifndef CPROF_CLI_HUMAN_H
#define CPROF_CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_BYTES 32u

/* Control characters (C0, DEL, C1) and what is not UTF-8 become '?', in place; returns s.
 * Context: own.  Allocates: no.  Locks: none. */
char *human_safe(char *s);

/* "812B", "1.2K", "34M"; powers of 1024. */
const char *human_bytes(uint64_t bytes, char buf[HUMAN_BYTES]);

/* How long: "812ns", "1.2us", "34ms", "5.6s", and from a minute on as human_age(). */
const char *human_ns(uint64_t ns, char buf[HUMAN_BYTES]);

/* "12s", "3m05s", "2h10m", "4d03h". */
const char *human_age(uint64_t ns, char buf[HUMAN_BYTES]);

/* Local time, "2031-01-31 10:20:30". */
const char *human_time(uint64_t realtime_ns, char buf[HUMAN_BYTES]);

#endif
