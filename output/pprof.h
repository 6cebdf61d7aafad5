/* SPDX-License-Identifier: MIT */
/*
 * output/pprof: a snapshot with names as one profile.proto message, packed and compressed.
 *
 * The file keeps the strictest reader's rules: ids are 1..N in file order, every location has a
 * line, everything that exists is referenced, strings are valid UTF-8, no field above 14.
 * mapping[0] is the main executable, even without a sample.
 *
 * Size: readers refuse more than 16,000 samples or 4 MiB before compression.  Samples go in
 * heaviest first; from the first one that would not fit on, all the rest become one sample of the
 * synthetic frame PPROF_FOLDED, so totals stay right, and a comment says how many there were.
 */
#ifndef CPROF_OUTPUT_PPROF_H
#define CPROF_OUTPUT_PPROF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "output/file_kind.h"
#include "output/gzip.h"
#include "output/locations.h"
#include "output/snapshot.h"

#define PPROF_SAMPLES_MAX  15999u		       /* the folded one included */
#define PPROF_BYTES_MAX	   ((4u << 20) - (128u << 10)) /* the rest is for comments and mappings */
#define PPROF_COMMENTS_MAX 64u
#define PPROF_FOLDED	   "[cprof: over the file's size limit]"

struct pprof_input {
	const struct file_kind *kind;
	const struct snapshot_file *file;
	struct locations *locations;
	uint64_t time_ns, duration_ns; /* duration 0: no window */
	uint64_t period;
	const char *const *comments; /* of valid UTF-8 */
	unsigned comment_count;
	/* A second file of the same with another default type; twin_write NULL: none. */
	const struct file_kind *twin;
	gzip_write_fn twin_write;
	void *twin_opaque;
	struct gzip *
		gzip; /* all zero, or what an earlier file of this arena has left: its memory is used again */
};

struct pprof_result {
	unsigned samples; /* in the file */
	unsigned folded;  /* rows that became one sample */
	uint64_t bytes;	  /* before compression */
};

/* Writes the whole gzip member through write().  The rows' locations must be resolved; a sample of a row
 * without them is folded. 0, -ENOMEM, -EPROTO, or what write() returned.
 * Context: own (signal-safe).  Allocates: arena.  Locks: none. */
int pprof_write(const struct pprof_input *input, struct arena *a, gzip_write_fn write, void *opaque,
		struct pprof_result *ret_result);

#endif
