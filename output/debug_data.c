/* SPDX-License-Identifier: MIT */
#include "output/debug_data.h"

#include <errno.h>
#include <lzma.h>

#include "core/as_safe.h"

#define PACKED_MAX    ((size_t)16 << 20)
#define DECODER_BYTES (UINT64_C(72) << 20) /* what xz -9 asks for; only what is used becomes real */
#define FIRST_BYTES   ((size_t)256 << 10)

static void *take_memory(void *arena, size_t items, size_t size)
{
	return size && items > SIZE_MAX / size ? NULL : arena_alloc(arena, items * size);
}

static void give_memory(void *arena, void *p)
{
	(void)arena, (void)p; /* goes with the arena */
}

/* Runs the decoder to its end; the result grows as it must.  0 or -errno. */
static int decode(lzma_stream *z, struct arena *a, uint8_t **ret_bytes)
{
	size_t size = z->avail_in * 4 > FIRST_BYTES ? z->avail_in * 4 : FIRST_BYTES;
	uint8_t *out = arena_alloc(a, size);

	for (z->next_out = out, z->avail_out = size; out;) {
		lzma_ret state = lzma_code(z, LZMA_FINISH);

		if (state == LZMA_STREAM_END) {
			*ret_bytes = out;
			return 0;
		}
		if (state == LZMA_MEM_ERROR)
			return -ENOMEM;
		/* LZMA_OK with room left is a section that ends too early; the next call says so. */
		if (state != LZMA_OK || (z->avail_out == 0 && size >= DEBUG_DATA_MAX))
			return -ENOEXEC;
		if (z->avail_out)
			continue;
		size_t larger = 2 * size < DEBUG_DATA_MAX ? 2 * size : DEBUG_DATA_MAX;
		uint8_t *copy = arena_alloc(a, larger);
		if (copy)
			memcpy(copy, out, size);
		out = copy;
		z->next_out = out ? out + size : NULL;
		z->avail_out = larger - size;
		size = larger;
	}
	return -ENOMEM;
}

int debug_data_open(const struct elf *e, struct arena *a, struct elf *ret_inner)
{
	const struct elf_section *s = &e->section[ELF_DEBUG_DATA];
	const lzma_allocator allocator = {take_memory, give_memory, a};
	lzma_stream z = LZMA_STREAM_INIT;
	uint8_t *inner = NULL;

	if (s->bytes == 0)
		return -ENOENT;
	if (s->bytes > PACKED_MAX)
		return -ENOEXEC;
	uint8_t *packed = arena_alloc(a, s->bytes);
	if (!packed)
		return -ENOMEM;
	int rc = elf_read(e, s->at, packed, s->bytes);
	if (rc < 0)
		return rc;
	z.allocator = &allocator;
	if (lzma_stream_decoder(&z, DECODER_BYTES, 0) != LZMA_OK)
		return -ENOMEM;
	z.next_in = packed;
	z.avail_in = s->bytes;
	rc = decode(&z, a, &inner);
	uint64_t n = z.total_out;
	lzma_end(&z);
	return rc < 0 ? rc : elf_open_image(ret_inner, inner, n);
}
