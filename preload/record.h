/* SPDX-License-Identifier: MIT */
/*
 * preload/record: a sample of a call that the program made, an allocation or a wait: its stack, into the store.
 *
 * A process that has no store yet and may end before it needs one keeps its first samples in preload/pending.
 */
#ifndef CPROF_PRELOAD_RECORD_H
#define CPROF_PRELOAD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/store_format.h"

struct record_sample {
	enum store_kind kind;
	uint64_t label;
	const void *leaf; /* entry of the real function that the program has called */
	uint64_t values[STORE_VALUES_MAX]; /* store_kind_values(kind) of them */
	bool may_wait;			   /* for a store */
	uintptr_t
		not_below; /* a return address: nothing is recorded when it is in the stack; 0: none */
};

#define RECORD_NOTHING UINT64_MAX /* a row: see not_below */

/* May something be recorded here and now?  In a child of vfork it is its parent's, but the store must not get its name.
 * Context: wrapper.  Allocates: no.  Locks: none. */
bool record_is_on(void);

/* Adds the sample with the stack of the calling wrapper's caller.  *ret_row: the row that it was added to, or what
 * pending_is() knows.  False when there is no store to add it to.  Between record_enter() and record_leave().
 * Context: wrapper.  Allocates: store.  Locks: none.  Stack: 4.5 KiB when there is room. */
bool record_call(const struct record_sample *sample, uint64_t *ret_row);

/* From here on the store or the table of what is live may be in use by this thread.  A handler of the host's that comes on top
 * may fork: the child then goes on where its parent was, and the memory of then must still be there, so it asks
 * record_is_interrupted().  The result is for record_leave().
 * Context: wrapper.  Allocates: no.  Locks: none. */
bool record_enter(void);
void record_leave(bool was);
bool record_is_interrupted(void);

#endif
