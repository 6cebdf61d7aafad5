/* SPDX-License-Identifier: MIT */
/*
 * output/gzip: a stream of bytes into exactly one gzip member.
 *
 * One member, because scrapers size their buffer from the length in its trailer.  The compressor's
 * memory (about 270 KB) comes from the arena, and serves one member after the other.  The first error sticks: later calls do
 * nothing and gzip_end() reports it.
 */
#ifndef CPROF_OUTPUT_GZIP_H
#define CPROF_OUTPUT_GZIP_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "core/arena.h"

#define GZIP_BLOCK 16384u

/* Takes n compressed bytes: 0 or -errno. */
typedef int (*gzip_write_fn)(void *opaque, const void *bytes, size_t n);

struct gzip {
	z_stream z;
	gzip_write_fn write;
	void *opaque;
	uint8_t *in, *out; /* GZIP_BLOCK each */
	size_t in_bytes;   /* waiting in `in` */
	int rc;
};

/* Begins a member.  *g is all zero, or has ended one with this arena.  0 or -ENOMEM.
 * Context: signal.  Allocates: arena, the first time.  Locks: none. */
int gzip_start(struct gzip *g, struct arena *a, gzip_write_fn write, void *opaque);

/* Context: as write.  Allocates: no.  Locks: none. */
void gzip_add(struct gzip *g, const void *bytes, size_t n);

/* Finishes the member; 0 or the first error.
 * Context: as write. */
int gzip_end(struct gzip *g);

/* The same, but what has been given to write() becomes the beginning of two members: one that ends here, and one that
 * goes on with n more bytes, at most 65535, as they are.  Whoever has written to two places has compressed once.
 * Context: as write. */
int gzip_end_twice(struct gzip *g, gzip_write_fn first, void *first_opaque, gzip_write_fn second,
		   void *second_opaque, const void *tail, size_t n);

#endif
