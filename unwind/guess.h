/* SPDX-License-Identifier: MIT */
/*
 * unwind/guess: the caller of code that has no unwind information.
 *
 * Four ways, in this order: a PLT entry (linkers other than GNU's describe none) has its return
 * address at rsp; the function of .init and the code that CPython makes, known by their end, have it
 * 8 bytes above; code with frame pointers, as all other JIT compilers write it, has a chain of rbp;
 * and in an interrupted function without either (.init, crtstuff) a word at rsp that follows a call
 * instruction. The invariant: stack words come from the view, code bytes only from pages that were
 * probed.
 */
#ifndef CPROF_UNWIND_GUESS_H
#define CPROF_UNWIND_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/stack.h"

struct guess {
	uint64_t pc, sp, bp; /* of the frame; then of its caller */
	bool exact;	     /* pc is where the frame was interrupted, not a return address */
	bool in_module;
};

/* Replaces *frame by its caller.
 * Context: signal.  Allocates: no.  Locks: none. */
bool guess_caller(struct stack_view *view, struct guess *frame);

#endif
