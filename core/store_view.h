/* SPDX-License-Identifier: MIT */
/*
 * core/store_view: reading a store, one's own or another process's, live or orphaned.
 *
 * Every offset is checked against the size of the mapping before it is followed, so a store that
 * was cut off, is being written or is damaged gives fewer rows and never a fault.
 */
#ifndef CPROF_CORE_STORE_VIEW_H
#define CPROF_CORE_STORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store_format.h"

/* How much a store reserves at a time: small enough for a handler (about 10 us), see
 * store_reserve() in store.c. */
#define STORE_RESERVE_STEP 16384u

struct store_view {
	const struct store_header *header;
	uint64_t size_bytes; /* readable bytes from header on */
	/* Of one's own shared store: one bit for each STORE_RESERVE_STEP that has memory; NULL: ask the kernel. */
	const _Atomic uint64_t *reserved;
};

/* One row and its stack; pointers into the mapping. */
struct store_sample {
	enum store_kind kind;
	unsigned values; /* number of values */
	unsigned depth;
	uint64_t label;			  /* thread id, 0: none */
	uint64_t row_at;		  /* names the row for store_rebase() */
	const uint64_t *frames;		  /* leaf first */
	uint64_t total[STORE_VALUES_MAX]; /* since start */
	uint64_t base[STORE_VALUES_MAX];  /* at the last complete dump */
};

struct store_module_info {
	uint64_t start, limit, file_offset, bias;
	const char *path; /* "" when unknown; NUL-terminated inside the mapping */
	const uint8_t *build_id;
	unsigned build_id_bytes;
	bool is_exe, is_vdso, unloaded;
};

/* Checks magic, version and section limits.  0, or -EINVAL (not a store), -EPROTO (another
 * version).
 * Context: signal.  Allocates: no.  Locks: none. */
int store_view_init(struct store_view *v, const void *base, uint64_t size_bytes);

/* Steps through the rows; *cursor starts at 0.  true: *ret_sample is filled.  false: no more.
 * Context: signal.  Allocates: no.  Locks: none. */
bool store_view_next(const struct store_view *v, uint32_t *cursor, struct store_sample *ret_sample);

/* Module by id (1..): 0 or -ENOENT.
 * Context: signal.  Allocates: no.  Locks: none. */
int store_view_module(const struct store_view *v, unsigned id,
		      struct store_module_info *ret_module);

/* Text of an enum synthetic, of an enum store_loss; "" when unknown.
 * Context: signal.  Allocates: no.  Locks: none. */
const char *store_synthetic_text(uint64_t synthetic);
const char *store_loss_text(unsigned loss);

/* Handler cost at quantile q in 0..1 in ns (upper edge of its bucket), 0 when nothing was sampled.
 * Context: own.  Allocates: no.  Locks: none. */
uint64_t store_view_cost_ns(const struct store_view *v, unsigned per_mille);

#endif
