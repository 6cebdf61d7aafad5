/* SPDX-License-Identifier: MIT */
/*
 * core/store: the one place where everything recorded lives: a mapping shared through a file, so
 * that a killed process leaves its profile behind and another process can read a live one.
 *
 * The invariant: a record is complete before the word that publishes it is stored (release), and
 * only counters change afterwards.  So writers need no lock, a handler may interrupt any writer at
 * any instruction, and nobody ever waits for a slot.  The layout is in core/store_format.h.
 */
#ifndef CPROF_CORE_STORE_H
#define CPROF_CORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store_format.h"
#include "core/store_view.h"

/* Process-local handle; all fields constant after store_create() but the bitmap. */
struct store {
	struct store_header *header;
	uint64_t size_bytes;
	bool shared;		    /* a file: space must be reserved before it is touched */
	_Atomic uint64_t *reserved; /* one bit per RESERVE_STEP of the mapping; private memory */
	uint64_t full_row_at[KIND_COUNT]; /* the row of [cprof: store full], made at the start */
	char path[320];			  /* of the file, "" when anonymous */
};

/* What the creator knows; strings are copied and cut to the header's sizes. */
struct store_identity {
	uint32_t pid, uid;
	bool fileless; /* the store is to be anonymous memory */
	uint64_t start_ticks;
	uint64_t boot_id[2];
	uint64_t pid_ns;
	const char *program, *exe, *cwd, *dir; /* dir: output directory */
	const char *cmdline;
	uint32_t cmdline_bytes;
	uint32_t cpu_hz, cpu_fallback;
	uint64_t cpu_period_ns;
	bool cpu_on;
	uint64_t heap_period_bytes;  /* mean distance of sampled bytes; 0: not recorded */
	uint64_t block_threshold_ns; /* 0: no waits are recorded */
	bool block_idle;
	uint64_t mutex_fraction; /* 0: no holder is charged */
	const char *library, *settings;
	uint64_t window_realtime_ns; /* when this process began to be profiled */
	uint64_t window_monotonic_ns;
};

/* Maps a new store of at most max_bytes in store_dir ("" means /dev/shm/cprof-<uid>, made 0700 when
 * missing), as <pid>.<start_ticks>.store, mode 0600.  When no file can be had (denied, full, the
 * directory is not ours alone) or is wanted (fileless: -EPERM) the store is anonymous memory: *ret_why is then a negative errno,
 * else 0. 0, or -ENOMEM when there is no memory at all.
 * Context: signal.  Allocates: mmap.  Locks: none. */
int store_create(struct store *s, const char *store_dir, uint64_t max_bytes,
		 const struct store_identity *who, int *ret_why);

/* Adds values to the row of (kind, stack, label).  frames: leaf first, at most STORE_DEPTH_MAX.
 * When the stack or the row does not fit, the values go to the row of [cprof: store full] and
 * LOST_STORE_FULL is counted; so totals stay right.  values: store_kind_values(kind) of them.  Returns
 * the row, for store_add_to().
 * Context: signal.  Allocates: store.  Locks: none. */
uint64_t store_add(struct store *s, enum store_kind kind, const uint64_t *frames, unsigned depth,
		   uint64_t label, const uint64_t *values);

/* Adds n values to a row, from its value number `first` on.
 * Context: signal.  Allocates: no.  Locks: none. */
void store_add_to(struct store *s, uint64_t row_at, unsigned first, const uint64_t *values,
		  unsigned n);

/* Asks the processor for the memory that the next store_add will touch, while the caller is busy with
 * something else: in a handler all of it is cold.
 * Context: signal.  Allocates: no.  Locks: none. */
void store_expect(const struct store *s);

/* Adds a module, or finds the one with the same limits and build id (the same path, when it has
 * none). Older modules that overlap a new one are marked as unloaded.  Returns its id (1..), or
 * FRAME_NO_MODULE when the table is full (counted).
 * Context: signal.  Allocates: store.  Locks: none. */
unsigned store_module_add(struct store *s, const struct store_module_info *info);

void store_lost(struct store *s, enum store_loss what, uint64_t count);

/* Something was recorded at this time of the monotonic clock.
 * Context: signal. */
void store_used(struct store *s, uint64_t now_monotonic_ns);

/* Records what one run of the handler cost, and when it ended.
 * Context: signal. */
void store_cost(struct store *s, uint64_t ns, uint64_t now_monotonic_ns);

/* Moves the base of one row to the totals that a complete dump has written.
 * Context: signal; one dumper at a time.  Allocates: no.  Locks: none. */
void store_rebase(struct store *s, const uint64_t *totals, uint64_t row_at);

/* Starts the next window.  Context as store_rebase. */
void store_window(struct store *s, uint64_t realtime_ns, uint64_t monotonic_ns);

/* How a dump has ended. */
struct store_outcome {
	uint32_t answered;   /* store_requests() when it began */
	int result;	     /* 0 or -errno */
	const char *problem; /* of a result < 0 */
	const char *path;    /* of a complete one: one of its files */
	uint64_t number, bytes;
	uint32_t kinds;
};

/* Publishes it to who waits for a dump.  Context as store_rebase. */
void store_dump_ended(struct store *s, const struct store_outcome *o);

/* A request for a dump was heard; how many there were.
 * Context: signal.  Allocates: no.  Locks: none. */
void store_request(struct store *s, uint32_t count);
uint32_t store_requests(const struct store *s);

/* So many threads have begun.
 * Context: signal.  Allocates: no.  Locks: none. */
void store_threads(struct store *s, uint32_t count);

/* A thread begins exec (+1), or comes back from it (-1).  The result: until when (CLOCK_MONOTONIC)
 * it must wait, because somebody is about to send this image a signal.
 * Context: wrapper (signal-safe).  Allocates: no.  Locks: none. */
uint64_t store_leaving(struct store *s, int threads);

/* Says whether nothing is left in it that is not in files, so that its file may go.
 * Context: signal. */
void store_finish(struct store *s, bool finished);

/* A view of one's own store. */
void store_view_of(const struct store *s, struct store_view *ret_view);

/* Unmaps; unlinks the file when asked.  After fork the child unmaps its parent's store without
 * unlinking.
 * Context: own.  Allocates: no.  Locks: none. */
void store_drop(struct store *s, bool unlink_file);

/* In the child of fork, in the middle of another function of these: the store is its parent's, and private zeros take its
 * place, so that the other one can go on; what it adds is lost.
 * Context: signal.  Allocates: mmap, kept.  Locks: none. */
void store_detach(struct store *s);

#endif
