/* SPDX-License-Identifier: MIT */
/*
 * tests/support/sketch: a profile written down by its stacks.
 */
#ifndef CPROF_TESTS_SKETCH_H
#define CPROF_TESTS_SKETCH_H

#include "cli/profile.h"

struct sketch {
	struct profile p;
	struct profile_type types[1];
	struct profile_mapping mappings[1];
	struct profile_function functions[16];
	struct profile_location locations[64];
	struct profile_line lines[128];
	struct profile_sample samples[16];
	uint32_t frames[256];
	int64_t values[16];
};

/* One column, cpu/nanoseconds, and one mapping without a name. */
void sketch_start(struct sketch *s);
void sketch_stop(struct sketch *s);

/* A sample: the names of its frames, leaf first, with blanks between; "a<b" is a inlined into b. */
void sketch_add(struct sketch *s, int64_t value, const char *stack);

/* The number of the function of that name, which is n bytes long. */
uint32_t sketch_function(struct sketch *s, const char *name, size_t n);

#endif
