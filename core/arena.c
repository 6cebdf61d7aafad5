/* SPDX-License-Identifier: MIT */
#include "core/arena.h"

#include <stdatomic.h>
#include <stdint.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define ALIGN	    ((size_t)16)
#define PAGE	    ((size_t)4096)

/* The first bytes of each mapping.  An arena fills its newest chunk only; what is left over in an
 * older one is lost, which is why large requests do not become the newest chunk. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes; /* of the mapping */
	size_t used;  /* of it, this header included */
};

_Static_assert(sizeof(struct arena_chunk) <= 2 * ALIGN, "the header takes two units");

static struct arena_chunk *chunk_map(struct arena *a, size_t payload)
{
	size_t bytes = 2 * ALIGN + payload;

	bytes = bytes < CHUNK_BYTES ? CHUNK_BYTES : (bytes + PAGE - 1) & ~(PAGE - 1);
	if (a->max_bytes &&
	    (a->mapped_bytes > a->max_bytes || bytes > a->max_bytes - a->mapped_bytes))
		return NULL;
	struct arena_chunk *c =
		sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(c))
		return NULL;
	/* A fork in the middle of a dump, which another process writes, must not inherit it. */
	(void)sys_madvise(c, bytes, MADV_DONTFORK);
	c->bytes = bytes;
	c->used = 2 * ALIGN;
	a->mapped_bytes += bytes;
	return c;
}

static void *chunk_take(struct arena_chunk *c, size_t n)
{
	void *p = (char *)c + c->used;

	c->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = n ? (n + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (c && n <= c->bytes - c->used)
		return chunk_take(c, n);

	/* The list is whole at every instruction: see arena_drop().  The order of the program is
	 * enough, since who looks has seen us dead. */
	struct arena_chunk *fresh = chunk_map(a, n);
	if (!fresh)
		return NULL;
	if (c && fresh->bytes - 2 * ALIGN - n < c->bytes - c->used) {
		/* A large request of its own; the current chunk has more room left. */
		fresh->next = c->next;
		atomic_signal_fence(memory_order_release);
		c->next = fresh;
	} else {
		fresh->next = c;
		atomic_signal_fence(memory_order_release);
		a->chunks = fresh;
	}
	return chunk_take(fresh, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	if (n >= SIZE_MAX / 2)
		return NULL;
	char *copy = arena_alloc(a, n + 1);
	if (copy)
		memcpy(copy, s, n); /* the NUL is there: fresh bytes are zero */
	return copy;
}

void arena_drop(struct arena *a)
{
	struct arena_chunk *c;

	while ((c = a->chunks) != NULL) {
		/* Before: who is killed here leaves a list that others may drop. */
		a->chunks = c->next;
		atomic_signal_fence(memory_order_release);
		(void)sys_munmap(c, c->bytes);
	}
	a->mapped_bytes = 0;
}
