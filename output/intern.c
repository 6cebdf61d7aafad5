/* SPDX-License-Identifier: MIT */
#include "output/intern.h"

#include <stdbool.h>

#include "core/text.h"

#include "core/as_safe.h"

#define FIRST_CAPACITY 1024u

/* FNV-1a, 64 bits (Fowler, Noll, Vo; public domain), folded. */
static uint32_t hash_string(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32);
}

/* The slot of s, or the empty one where it belongs. */
static uint32_t *find_slot(const struct intern *t, const char *s)
{
	uint32_t mask = 2 * t->capacity - 1;

	for (uint32_t i = hash_string(s);; i++) {
		uint32_t *slot = &t->slots[i & mask];

		if (*slot == 0 || text_equal(t->strings[*slot - 1], s))
			return slot;
	}
}

static bool grow(struct intern *t)
{
	struct intern larger = *t;

	larger.capacity = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
	larger.strings = arena_alloc(t->arena, larger.capacity * sizeof *larger.strings);
	larger.slots = arena_alloc(t->arena, 2 * larger.capacity * sizeof *larger.slots);
	if (!larger.strings || !larger.slots)
		return false;
	for (unsigned i = 0; i < t->count; i++) {
		larger.strings[i] = t->strings[i];
		*find_slot(&larger, t->strings[i]) = i + 1;
	}
	*t = larger;
	return true;
}

uint32_t intern_string(struct intern *t, const char *s)
{
	if (t->count == t->capacity && !grow(t))
		return INTERN_FAILED;
	uint32_t *slot = find_slot(t, s);
	if (*slot == 0) {
		t->strings[t->count++] = s;
		*slot = t->count;
	}
	return *slot - 1;
}
