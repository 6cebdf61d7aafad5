/* SPDX-License-Identifier: MIT */
#include "tests/support/rawprof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* protobuf-c's default allocator is bound to output/vendor.c, where nothing is ever allocated. */
static void *take(void *opaque, size_t n)
{
	(void)opaque;
	return malloc(n ? n : 1);
}

static void give(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

static ProtobufCAllocator allocator = {.alloc = take, .free = give};

static int complain(char *why, size_t why_bytes, const char *what)
{
	snprintf(why, why_bytes, "%s", what);
	return -1;
}

/* One gzip member that fills all of the input. */
static int inflate_member(struct rawprof *r, const uint8_t *gz, size_t n, char *why,
			  size_t why_bytes)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)gz, .avail_in = (unsigned)n};
	size_t capacity = 0;
	int state = Z_OK;

	if (n < 18 || gz[0] != 0x1f || gz[1] != 0x8b)
		return complain(why, why_bytes, "not a gzip file");
	if (inflateInit2(&z, 31) != Z_OK)
		return complain(why, why_bytes, "inflateInit2 failed");
	while (state == Z_OK) {
		if (r->byte_count == capacity) {
			capacity = capacity ? 2 * capacity : 1 << 16;
			r->bytes = realloc(r->bytes, capacity);
		}
		z.next_out = r->bytes + r->byte_count;
		z.avail_out = (unsigned)(capacity - r->byte_count);
		state = inflate(&z, Z_NO_FLUSH);
		r->byte_count = capacity - z.avail_out;
	}
	size_t left = z.avail_in;
	inflateEnd(&z);
	if (state != Z_STREAM_END)
		return complain(why, why_bytes, "the gzip member is damaged or cut off");
	if (left)
		return complain(why, why_bytes, "bytes behind the first gzip member");
	uint32_t isize = (uint32_t)gz[n - 4] | (uint32_t)gz[n - 3] << 8 |
			 (uint32_t)gz[n - 2] << 16 | (uint32_t)gz[n - 1] << 24;
	if (isize != (uint32_t)r->byte_count)
		return complain(why, why_bytes, "ISIZE is not the uncompressed length");
	return 0;
}

int rawprof_load(struct rawprof *r, const void *gz, size_t n, char *why, size_t why_bytes)
{
	*r = (struct rawprof){0};
	if (inflate_member(r, gz, n, why, why_bytes) == 0) {
		r->profile = pprof__profile__unpack(&allocator, r->byte_count, r->bytes);
		if (r->profile)
			return 0;
		complain(why, why_bytes, "not a Profile message");
	}
	rawprof_free(r);
	return -1;
}

int rawprof_read(struct rawprof *r, const char *path, char *why, size_t why_bytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *gz = NULL;
	size_t n = 0, got;

	if (!f)
		return complain(why, why_bytes, strerror(errno));
	do {
		gz = realloc(gz, n + (1 << 16));
		got = fread(gz + n, 1, 1 << 16, f);
		n += got;
	} while (got);
	fclose(f);
	int rc = rawprof_load(r, gz, n, why, why_bytes);
	free(gz);
	return rc;
}

void rawprof_free(struct rawprof *r)
{
	if (r->profile)
		pprof__profile__free_unpacked(r->profile, &allocator);
	free(r->bytes);
	*r = (struct rawprof){0};
}

const char *rawprof_string(const struct rawprof *r, int64_t index)
{
	if (index < 0 || (size_t)index >= r->profile->n_string_table)
		return "(bad index)";
	return r->profile->string_table[index];
}

const Pprof__Location *rawprof_location(const struct rawprof *r, uint64_t id)
{
	for (size_t i = 0; i < r->profile->n_location; i++)
		if (r->profile->location[i]->id == id)
			return r->profile->location[i];
	return NULL;
}

const Pprof__Function *rawprof_function(const struct rawprof *r, uint64_t id)
{
	for (size_t i = 0; i < r->profile->n_function; i++)
		if (r->profile->function[i]->id == id)
			return r->profile->function[i];
	return NULL;
}

const Pprof__Mapping *rawprof_mapping(const struct rawprof *r, uint64_t id)
{
	for (size_t i = 0; i < r->profile->n_mapping; i++)
		if (r->profile->mapping[i]->id == id)
			return r->profile->mapping[i];
	return NULL;
}
