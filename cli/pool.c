/* SPDX-License-Identifier: MIT */
#include "cli/pool.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

struct pool_chunk {
	struct pool_chunk *next;
	size_t used, size;
	char bytes[];
};

static uint64_t hash_of(const unsigned char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static const char *keep(struct pool *t, const void *bytes, size_t n)
{
	struct pool_chunk *c = t->chunks;

	if (!c || n + 1 > c->size - c->used) {
		size_t size = n + 1 > 65536 ? n + 1 : 65536;

		c = memory_get(sizeof *c + size);
		c->size = size;
		c->next = t->chunks;
		t->chunks = c;
	}
	char *copy = c->bytes + c->used;
	if (n)
		memcpy(copy, bytes, n);
	copy[n] = '\0';
	c->used += n + 1;
	return copy;
}

static void rehash(struct pool *t)
{
	size_t n = t->slot_count ? t->slot_count * 2 : 64;

	free(t->slots);
	t->slots = memory_get(n * sizeof *t->slots);
	t->slot_count = n;
	for (size_t i = 0; i < t->count; i++) {
		size_t at = t->entries[i].hash & (n - 1);

		while (t->slots[at])
			at = (at + 1) & (n - 1);
		t->slots[at] = (uint32_t)i + 1;
	}
}

uint32_t pool_put(struct pool *t, const void *bytes, size_t n, bool *ret_new)
{
	uint64_t hash = hash_of(bytes, n);
	size_t at;

	if (t->count >= t->slot_count / 2)
		rehash(t);
	for (at = hash & (t->slot_count - 1); t->slots[at]; at = (at + 1) & (t->slot_count - 1)) {
		const struct pool_entry *e = &t->entries[t->slots[at] - 1];

		if (e->hash == hash && e->n == n && (n == 0 || memcmp(e->bytes, bytes, n) == 0)) {
			if (ret_new)
				*ret_new = false;
			return t->slots[at] - 1;
		}
	}
	t->entries = memory_grow(t->entries, t->count, &t->capacity, sizeof *t->entries);
	t->entries[t->count] =
		(struct pool_entry){.hash = hash, .bytes = keep(t, bytes, n), .n = n};
	t->slots[at] = (uint32_t)++t->count;
	if (ret_new)
		*ret_new = true;
	return (uint32_t)t->count - 1;
}

const char *pool_text(struct pool *t, const char *s)
{
	uint32_t i = pool_put(t, s, strlen(s), NULL); /* first: it may move the entries */

	return t->entries[i].bytes;
}

void pool_free(struct pool *t)
{
	while (t->chunks) {
		struct pool_chunk *next = t->chunks->next;

		free(t->chunks);
		t->chunks = next;
	}
	free(t->entries);
	free(t->slots);
	*t = (struct pool){0};
}
