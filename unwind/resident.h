/* SPDX-License-Identifier: MIT */
/*
 * unwind/resident: the two objects that most addresses are in and that are never unloaded, the main
 * program and libc: what _dl_find_object says about them, asked once.
 *
 * The invariant: written once, at start, before the first sample.  Without that everything is looked
 * up, with the same result.
 */
#ifndef CPROF_UNWIND_RESIDENT_H
#define CPROF_UNWIND_RESIDENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/ehframe.h"

struct resident {
	uint64_t start, limit; /* addresses that belong to it */
	struct eh_module tables;
	_Atomic uintptr_t cie;
	_Atomic uint64_t tag; /* of unwind/modules; 0: none */
};
#define RESIDENTS 2
extern struct resident residents[RESIDENTS];

/* The object at an address and its tables; false when there is none.
 * Context: signal.  Allocates: no.  Locks: none. */
bool resident_ask(uint64_t address, struct resident *ret_object);

/* At start.  Context: own.  Allocates: no.  Locks: none. */
void resident_init(void);

/* NULL: another object, or none.  Context: signal.  Allocates: no.  Locks: none. */
static inline struct resident *resident_at(uint64_t address)
{
	for (unsigned i = 0; i < RESIDENTS; i++)
		if (address - residents[i].start < residents[i].limit - residents[i].start)
			return &residents[i];
	return NULL;
}

#endif
