/* SPDX-License-Identifier: MIT */
/*
 * unwind/expr: evaluates a DWARF expression of unwind information.
 *
 * The invariant: any bytes end within a fixed number of steps, on a stack of fixed size, and memory
 * is read only through the caller's function, which says no to what is not readable.  Known
 * operations are those that unwind tables use (arithmetic, registers, deref, branches); others
 * fail, as a division does.
 */
#ifndef CPROF_UNWIND_EXPR_H
#define CPROF_UNWIND_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expr_machine {
	/* Value of a DWARF register, or false when it is not known in this frame. */
	bool (*reg)(void *arg, uint64_t reg, uint64_t *ret_value);
	/* The 8 bytes at address, or false. */
	bool (*word)(void *arg, uint64_t address, uint64_t *ret_value);
	void *arg;
};

/* `first` is on the stack at the start when push_first is set: the CFA, for the rules of registers.
 * Context: signal.  Allocates: no.  Locks: none. */
bool expr_run(const struct expr_machine *m, const uint8_t *program, size_t length, bool push_first,
	      uint64_t first, uint64_t *ret_value);

#endif
