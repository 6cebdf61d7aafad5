/* SPDX-License-Identifier: MIT */
/*
 * unwind/quick: the rule of ordinary code, straight from its tables.
 *
 * In a handler nearly nothing is in a cache, and what a lookup costs is how many lines of code and
 * of data it touches.  So the tables that gcc, clang and the GNU linkers write for ordinary
 * functions are read here by one small loop that makes the 64-bit rule itself.  Everything else,
 * damaged tables included, is left to eh_find, cfi_row_at and rule_pack.
 *
 * The invariant: an answer is the one that those three would give, and no byte outside the module's
 * mapping is read.
 */
#ifndef CPROF_UNWIND_QUICK_H
#define CPROF_UNWIND_QUICK_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/ehframe.h"

struct quick_answer {
	uint64_t rule;
	uint64_t from, to; /* the addresses [from, to) that the rule holds for */
};

/* False: nothing is known this way, ask the others.  known_cie: the CIE of this module that was found
 * ordinary last, or NULL.
 * Context: signal.  Allocates: no.  Locks: none (the caller keeps the module mapped, see gate.h).
 */
bool quick_find(const struct eh_module *m, uint64_t pc, _Atomic uintptr_t *known_cie,
		struct quick_answer *ret_answer);

/* A hint for each page of code of 16 MiB: where in the table its rows are. */
#define QUICK_HINTS 4096u
static inline unsigned quick_hint(uint64_t pc)
{
	return pc / 4096 % QUICK_HINTS;
}

/* Asks the processor for what quick_find will look at first.
 * Context: signal.  Allocates: no.  Locks: none. */
void quick_expect(uint64_t pc);

#endif
