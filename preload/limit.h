/* SPDX-License-Identifier: MIT */
/*
 * preload/limit: a dump when the process holds more memory than [heap] dump_above, so that a service on its way to the
 * OOM killer leaves a profile.
 *
 * What it holds is the larger of two: the sum of what is followed in the heap, kept here and changed by sampled
 * calls only, and the resident set, read at most once a second, in such a call too.  The invariant: one
 * dump for each crossing of a threshold, which goes up by a tenth above what was there, and comes back when less than nine
 * tenths of the limit are held: LIMIT_RETURNS times at first and then once in LIMIT_RETURN_NS, because the memory of a
 * service may go up and down many times a second.  Nothing here is touched when there is no limit.
 */
#ifndef CPROF_PRELOAD_LIMIT_H
#define CPROF_PRELOAD_LIMIT_H

#include <stdint.h>

#define LIMIT_RETURNS	4u
#define LIMIT_RETURN_NS UINT64_C(10000000000)

/* Before the first sample: bytes, 0 for none.
 * Context: own.  Allocates: no.  Locks: none. */
void limit_start(uint64_t above_bytes);

/* What a sampled allocation stands for, when it is recorded; it may ask for a dump.
 * Context: wrapper, with nothing half done.  Allocates: as dump_request().  Locks: none. */
void limit_allocated(uint64_t bytes, uint64_t now_monotonic_ns);

/* The same when it is freed.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void limit_freed(uint64_t bytes);

/* In the child of fork: it holds nothing of its own yet.
 * Context: signal. */
void limit_after_fork(void);

#endif
