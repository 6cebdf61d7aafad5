/* SPDX-License-Identifier: MIT */
/*
 * unwind/modules: which loaded object an address belongs to, as an id of the store's module table.
 *
 * Modules enter the table when the first sample falls into them: nothing is done at start-up and
 * nothing follows dlopen.  The invariant: an address is tagged while its module is loaded, so a
 * library that is closed later, or replaced by another at the same address, does not change what
 * was recorded.
 */
#ifndef CPROF_UNWIND_MODULES_H
#define CPROF_UNWIND_MODULES_H

#include <stdint.h>

#include "core/store.h"

/* At start: where the main program's headers are.
 * Context: own.  Allocates: no.  Locks: none. */
void modules_init(void);

/* Turns n addresses (as unwind gives them) into frames, in place; frames of libcprof.so itself are
 * left out.  exe: path of the main program.  Returns the number of frames.
 * Context: signal. Allocates: store.  Locks: none. */
unsigned modules_tag(struct store *s, uint64_t *pc, unsigned n, const char *exe);

/* After dlclose, and in the child of fork: cached ids are looked up again.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void modules_changed(void);

#endif
