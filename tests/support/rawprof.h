/* SPDX-License-Identifier: MIT */
/*
 * tests/support/rawprof: reading profile files as strictly as the strictest reader does.
 *
 * It shares nothing with output/ but the schema: a mistake that writer and reader have in common
 * would not be seen.
 */
#ifndef CPROF_TESTS_RAWPROF_H
#define CPROF_TESTS_RAWPROF_H

#include <stddef.h>
#include <stdint.h>

#include "output/profile.pb-c.h"

struct rawprof {
	uint8_t *bytes; /* uncompressed */
	size_t byte_count;
	Pprof__Profile *profile;
};

/* Reads a file: exactly one gzip member, no bytes behind it, right length in its trailer, a message
 * that decodes.  0, or -1 with one line in why.  rawprof_load() reads memory. */
int rawprof_read(struct rawprof *r, const char *path, char *why, size_t why_bytes);
int rawprof_load(struct rawprof *r, const void *gz, size_t n, char *why, size_t why_bytes);
void rawprof_free(struct rawprof *r);

/* A string of the table; "(bad index)" when there is none. */
const char *rawprof_string(const struct rawprof *r, int64_t index);
/* By id; NULL when there is none. */
const Pprof__Location *rawprof_location(const struct rawprof *r, uint64_t id);
const Pprof__Function *rawprof_function(const struct rawprof *r, uint64_t id);
const Pprof__Mapping *rawprof_mapping(const struct rawprof *r, uint64_t id);

/* Enforces the file-level rules (checks 1, 2, 7 and 8 of the conformance list, and that values are
 * what readers keep): calls report once per violation and returns their number. */
unsigned rawprof_check(const struct rawprof *r, void (*report)(void *opaque, const char *line),
		       void *opaque);

#endif
