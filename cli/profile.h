/* SPDX-License-Identifier: MIT */
/*
 * cli/profile: one profile in memory, made of one file or of the sum of several.
 *
 * Every index in it is valid: a file is checked completely before anything of it is added, by the
 * rules of pprof's CheckValid().  Adding merges as pprof does: mappings are equal when size, offset
 * and build id (or file) are, whatever their addresses, locations when their place in the mapping
 * and their lines are, samples when their locations and labels are.  Samples whose values are all
 * zero are left out.
 */
#ifndef CPROF_CLI_PROFILE_H
#define CPROF_CLI_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pool.h"

#define PROFILE_NONE UINT32_MAX /* no mapping */

struct profile_type {
	const char *type, *unit;
};

struct profile_mapping {
	uint64_t start, limit, offset;
	const char *file, *build_id;
};

struct profile_function {
	const char *name, *system_name, *file;
	int64_t start_line;
};

struct profile_line {
	uint32_t function;
	int64_t line;
};

struct profile_location {
	uint32_t mapping; /* or PROFILE_NONE */
	uint32_t line_count;
	size_t first_line; /* innermost inlined function first */
	uint64_t address;
};

struct profile_sample {
	size_t first_frame; /* leaf first */
	uint32_t frame_count;
	bool is_base;	   /* has pprof's label for the base of a difference */
	const char *class; /* its label of this name: what was waited for; NULL: none */
};

/* All strings are in strings and live as long as the profile.  Zero: empty, add to it. */
struct profile {
	struct profile_type *types;
	unsigned type_count;
	struct profile_type period_type;
	int64_t period, time_ns, duration_ns;
	int64_t newest_ns,
		base_ns; /* time of the last file that was added, and subtracted; 0: none */
	const char *default_type, *drop_frames, *keep_frames; /* "": none */
	const char **comments;
	size_t comment_count, comment_capacity;

	struct profile_mapping *mappings; /* [0] is the main program */
	size_t mapping_capacity;
	struct profile_function *functions;
	size_t function_capacity;
	struct profile_location *locations;
	size_t location_capacity;
	struct profile_line *lines;
	size_t line_count, line_capacity;
	struct profile_sample *samples;
	size_t sample_capacity;
	uint32_t *frames; /* of all samples: locations */
	size_t frame_count, frame_capacity;
	int64_t *values; /* type_count of each sample */
	size_t value_capacity;

	struct pool strings;
	/* Their counts are the numbers of mappings, functions, locations and samples. */
	struct pool mapping_keys, function_keys, location_keys, sample_keys;
	unsigned files;
};

/* Adds one file ("-": standard input).  0, or -errno with the reason in why and the profile as it
 * was.
 * Context: own (the command).  Allocates: heap.  Locks: none. */
int profile_add_file(struct profile *p, const char *path, char why[256]);

/* Subtracts one file, the base of a difference, as pprof's -diff_base does: its samples stay apart from those that
 * were added, and totals are the base's.  After the files that are added. */
int profile_subtract_file(struct profile *p, const char *path, char why[256]);

/* Adds the bytes of a file. */
int profile_add_bytes(struct profile *p, const uint8_t *bytes, size_t n, char why[256]);

/* The column that a name means: a type, the number of a column, or NULL for the default one.
 * It may be inuse_X for a type X.  -ENOENT: none. */
int profile_column(const struct profile *p, const char *name);

/* The last component of a path, of n bytes, as Go's filepath.Base has it. */
const char *profile_file_name(const char *path, size_t *ret_n);

void profile_free(struct profile *p);

#endif
