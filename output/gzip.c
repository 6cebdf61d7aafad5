/* SPDX-License-Identifier: MIT */
#include "output/gzip.h"

#include <errno.h>

#include "core/as_safe.h"

#define LEVEL	     1	/* as Go's runtime: the host's processor pays for it */
#define GZIP_BITS    31 /* the largest window, 15, and 16 for a gzip header (zlib.h) */
#define MEMORY_LEVEL 8	/* zlib's default */

static void *take_memory(void *arena, unsigned items, unsigned size)
{
	return arena_alloc(arena, (size_t)items * size);
}

static void give_memory(void *arena, void *p)
{
	(void)arena, (void)p; /* goes with the arena */
}

static int take_all_memory(struct gzip *g, struct arena *a)
{
	*g = (struct gzip){
		.z = {.zalloc = take_memory, .zfree = give_memory, .opaque = a},
		.in = arena_alloc(a, GZIP_BLOCK),
		.out = arena_alloc(a, GZIP_BLOCK),
	};
	if (!g->in || !g->out ||
	    deflateInit2(&g->z, LEVEL, Z_DEFLATED, GZIP_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
		    Z_OK)
		return -ENOMEM;
	return 0;
}

int gzip_start(struct gzip *g, struct arena *a, gzip_write_fn write, void *opaque)
{
	/* Without a compressor when the last try had no memory for it. */
	if (!g->z.state || deflateReset(&g->z) != Z_OK) {
		int rc = take_all_memory(g, a);

		if (rc < 0)
			return rc;
	}
	g->write = write;
	g->opaque = opaque;
	g->in_bytes = 0;
	g->rc = 0;
	return 0;
}

/* Compresses what waits and writes what comes out. */
static void drain(struct gzip *g, int flush)
{
	int state = Z_OK;

	g->z.next_in = g->in;
	g->z.avail_in = (unsigned)g->in_bytes;
	do {
		g->z.next_out = g->out;
		g->z.avail_out = GZIP_BLOCK;
		state = deflate(&g->z, flush);
		if (state == Z_STREAM_ERROR)
			g->rc = -EPROTO;
		else if (g->z.avail_out < GZIP_BLOCK)
			g->rc = g->write(g->opaque, g->out, GZIP_BLOCK - g->z.avail_out);
	} while (g->rc == 0 && g->z.avail_out == 0);
	if (g->rc == 0 && flush == Z_FINISH && state != Z_STREAM_END)
		g->rc = -EPROTO;
	g->in_bytes = 0;
}

void gzip_add(struct gzip *g, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n && g->rc == 0) {
		size_t room = GZIP_BLOCK - g->in_bytes, part = n < room ? n : room;

		memcpy(g->in + g->in_bytes, p, part);
		g->in_bytes += part;
		p += part;
		n -= part;
		if (g->in_bytes == GZIP_BLOCK)
			drain(g, Z_NO_FLUSH);
	}
}

/* The last block of a member, not compressed (RFC 1951, 3.2.4), and its trailer (RFC 1952, 2.3.1). */
static int write_end(const struct gzip *g, gzip_write_fn write, void *opaque, const void *tail,
		     size_t n)
{
	uint32_t crc = (uint32_t)crc32(g->z.adler, tail, (unsigned)n),
		 length = (uint32_t)(g->z.total_in + n);
	uint8_t head[5] = {1, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8)};
	uint8_t trailer[8];
	int rc = write(opaque, head, sizeof head);

	memcpy(trailer, &crc, 4);
	memcpy(trailer + 4, &length, 4);
	if (rc == 0 && n)
		rc = write(opaque, tail, n);
	return rc == 0 ? write(opaque, trailer, sizeof trailer) : rc;
}

int gzip_end_twice(struct gzip *g, gzip_write_fn first, void *first_opaque, gzip_write_fn second,
		   void *second_opaque, const void *tail, size_t n)
{
	if (g->rc == 0)
		drain(g, Z_SYNC_FLUSH); /* up to a whole byte */
	if (g->rc == 0)
		g->rc = write_end(g, first, first_opaque, "", 0);
	if (g->rc == 0)
		g->rc = write_end(g, second, second_opaque, tail, n);
	return g->rc;
}

int gzip_end(struct gzip *g)
{
	if (g->rc == 0)
		drain(g, Z_FINISH);
	return g->rc;
}
