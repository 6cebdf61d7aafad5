/* SPDX-License-Identifier: MIT */
#include "core/store_view.h"

#include <errno.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define PAGE	      4096u
#define PATH_BYTES    4096u /* PATH_MAX of the kernel, its NUL included */
#define POPULATE_READ 22    /* MADV_POPULATE_READ, Linux 5.14; absent from older headers */

/* The readable bytes: a file may be shorter than its header says, never longer. */
static uint64_t view_limit(const struct store_view *v)
{
	uint64_t total = v->header->total_bytes;

	return total < v->size_bytes ? total : v->size_bytes;
}

/* n bytes at an offset from the header, 8-aligned, or NULL. */
static const void *view_at(const struct store_view *v, uint64_t offset, uint64_t n)
{
	uint64_t limit = view_limit(v);

	if (offset % 8 || offset > limit || n > limit - offset)
		return NULL;
	return (const char *)v->header + offset;
}

/* n bytes of a record: offset from arena_offset. */
static const void *view_record(const struct store_view *v, uint64_t at, uint64_t n)
{
	uint64_t offset;

	if (__builtin_add_overflow(v->header->arena_offset, at, &offset))
		return NULL;
	return view_at(v, offset, n);
}

/* False: no memory is behind [p, p+n), so nothing was ever written there.  A store is a sparse file
 * on a tmpfs that may be full; reading a hole of it through a shared mapping would be a SIGBUS in
 * the host, while this call just fails.  Older kernels know it not, and there a store has no holes.
 */
static bool view_backed(const struct store_view *v, const void *p, size_t n)
{
	if (v->reserved) {
		uint64_t at = (uint64_t)((const char *)p - (const char *)v->header);

		for (uint64_t step = at / STORE_RESERVE_STEP;
		     step <= (at + n - 1) / STORE_RESERVE_STEP; step++) {
			/* Relaxed, as in store_reserve(). */
			if (!(atomic_load_explicit(&v->reserved[step / 64], memory_order_relaxed) &
			      UINT64_C(1) << step % 64))
				return false;
		}
		return true;
	}
	uintptr_t from = (uintptr_t)p & ~(uintptr_t)(PAGE - 1);

	return sys_madvise((void *)from, (uintptr_t)p + n - from, POPULATE_READ) != -EFAULT;
}

int store_view_init(struct store_view *v, const void *base, uint64_t size_bytes)
{
	const struct store_header *h = base;
	uint64_t magic;

	if (!base || (uintptr_t)base % 8 || size_bytes < sizeof *h)
		return -EINVAL;
	/* Acquire pairs with the release of the magic at the end of store_create(). */
	magic = __atomic_load_n((const uint64_t *)h, __ATOMIC_ACQUIRE);
	if (memcmp(&magic, STORE_MAGIC, sizeof magic) != 0)
		return -EINVAL;
	if (h->version != STORE_VERSION || h->header_bytes != sizeof *h)
		return -EPROTO;
	*v = (struct store_view){.header = h, .size_bytes = size_bytes};
	if (!view_at(v, h->modules_offset, STORE_MODULES_MAX * sizeof(struct store_module)) ||
	    !view_at(v, h->stacks_offset, STORE_INDEX_SLOTS * sizeof(uint64_t)) ||
	    !view_at(v, h->rows_offset, STORE_INDEX_SLOTS * sizeof(uint64_t)) ||
	    !view_record(v, 0, 0))
		return -EINVAL;
	return 0;
}

/* The sample behind one slot of the row table; false when anything about it is wrong. */
static bool view_sample(const struct store_view *v, uint64_t slot, struct store_sample *ret)
{
	uint64_t row_at = STORE_SLOT_AT(slot);

	if (!(slot & UINT64_C(0xffffffff)))
		return false;
	const struct store_row *row = view_record(v, row_at, sizeof *row);
	if (!row || (row->hash ^ slot) >> 32 != 0)
		return false;
	unsigned kind = row->kind, values = row->values;
	if (kind == KIND_NONE || kind >= KIND_COUNT || values == 0 ||
	    values != store_kind_values(kind) ||
	    !view_record(v, row_at, sizeof *row + 2 * values * sizeof(uint64_t)))
		return false;

	uint64_t stack_at = (uint64_t)row->stack_at * 8;
	const struct store_stack *stack = view_record(v, stack_at, sizeof *stack);
	if (!stack)
		return false;
	uint32_t depth = stack->depth;
	if (depth == 0 || depth > STORE_DEPTH_MAX ||
	    !view_record(v, stack_at, sizeof *stack + depth * sizeof(uint64_t)))
		return false;

	*ret = (struct store_sample){
		.kind = (enum store_kind)kind,
		.values = values,
		.depth = depth,
		.label = row->label,
		.row_at = row_at,
		.frames = stack->frames,
	};
	/* From the last one: what was freed is read before what was allocated, which is so never the smaller
	 * one (acquire: in this order). */
	for (unsigned i = values; i-- > 0;) {
		ret->total[i] = atomic_load_explicit(&row->value[i], memory_order_acquire);
		/* Relaxed: the base moves only after a dump. */
		ret->base[i] = atomic_load_explicit(&row->value[values + i], memory_order_relaxed);
	}
	return true;
}

bool store_view_next(const struct store_view *v, uint32_t *cursor, struct store_sample *ret_sample)
{
	const _Atomic uint64_t *rows =
		view_at(v, v->header->rows_offset, STORE_INDEX_SLOTS * sizeof(uint64_t));

	while (rows && *cursor < STORE_INDEX_SLOTS) {
		const _Atomic uint64_t *slot = &rows[*cursor];

		if ((*cursor == 0 || (uintptr_t)slot % PAGE == 0) && !view_backed(v, slot, 8)) {
			*cursor += (uint32_t)((PAGE - (uintptr_t)slot % PAGE) / 8);
			continue;
		}
		++*cursor;
		/* Acquire pairs with the release CAS in core/store's publish(). */
		uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
		if (word && view_sample(v, word, ret_sample))
			return true;
	}
	return false;
}

/* A path that ends inside the mapping, or "". */
static const char *view_path(const struct store_view *v, uint64_t offset)
{
	uint64_t limit = view_limit(v);
	const char *base = (const char *)v->header;

	if (offset < sizeof *v->header)
		return "";
	for (uint64_t i = offset; i < limit && i - offset < PATH_BYTES; i++)
		if (!base[i])
			return base + offset;
	return "";
}

int store_view_module(const struct store_view *v, unsigned id, struct store_module_info *ret_module)
{
	const struct store_header *h = v->header;

	if (id == 0 || id >= STORE_MODULES_MAX)
		return -ENOENT;
	const struct store_module *modules =
		view_at(v, h->modules_offset, STORE_MODULES_MAX * sizeof *modules);
	if (!modules || !view_backed(v, &modules[id - 1], sizeof *modules))
		return -ENOENT;
	const struct store_module *m = &modules[id - 1];
	/* Acquire pairs with the release of MODULE_READY in store_module_add(). */
	if (atomic_load_explicit(&m->state, memory_order_acquire) != MODULE_READY ||
	    m->start == 0 || m->limit < m->start ||
	    (m->start | m->limit | m->file_offset) % PAGE != 0 ||
	    m->build_id_bytes > sizeof m->build_id)
		return -ENOENT;

	*ret_module = (struct store_module_info){
		.start = m->start,
		.limit = m->limit,
		.file_offset = m->file_offset,
		.bias = m->bias,
		.path = view_path(v, m->path_offset),
		.build_id = m->build_id,
		.build_id_bytes = m->build_id_bytes,
		.is_exe = m->is_exe,
		.is_vdso = m->is_vdso,
		/* Relaxed: says only whether the module is gone by now. */
		.unloaded =
			atomic_load_explicit(&m->unloaded_monotonic_ns, memory_order_relaxed) != 0,
	};
	return 0;
}

const char *store_synthetic_text(uint64_t synthetic)
{
	switch (synthetic) {
#define X(id, text)                                                                                \
	case id:                                                                                   \
		return text;
		STORE_SYNTHETIC(X)
#undef X
	default:
		return "";
	}
}

const char *store_loss_text(unsigned loss)
{
	switch (loss) {
#define X(id, text)                                                                                \
	case id:                                                                                   \
		return text;
		STORE_LOSSES(X)
#undef X
	default:
		return "";
	}
}

/* Lower edge of a bucket, the inverse of store_cost_bucket(). */
static uint64_t cost_edge(unsigned bucket)
{
	return bucket < 8 ? bucket ? 4 : 0 : (uint64_t)(4 + bucket % 4) << (bucket / 4 - 2);
}

uint64_t store_view_cost_ns(const struct store_view *v, unsigned per_mille)
{
	const struct store_header *h = v->header;
	uint64_t count[STORE_COST_BUCKETS], all = 0, seen = 0;

	for (unsigned b = 0; b < STORE_COST_BUCKETS; b++) {
		/* Relaxed: a histogram that others go on filling. */
		count[b] = atomic_load_explicit(&h->cost_buckets[b], memory_order_relaxed);
		all += count[b];
	}
	if (all == 0)
		return 0;
	uint64_t want = all / 1000 * per_mille + all % 1000 * per_mille / 1000;
	for (unsigned b = 0; b < STORE_COST_BUCKETS; b++) {
		seen += count[b];
		if (count[b] && seen >= want)
			return cost_edge(b + 1);
	}
	return cost_edge(STORE_COST_BUCKETS);
}
