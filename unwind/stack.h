/* SPDX-License-Identifier: MIT */
/*
 * unwind/stack: which addresses of a stack may be read.
 *
 * The invariant: an address inside [lo, hi) of a view is readable now.  A view comes from the
 * bounds of the thread's own stack, from the alternate stack of the context, or, on a stack that
 * nobody told us about (a coroutine's), from pages that were probed one by one; such a view grows
 * when it must, up to a cap. Probes are not remembered between walks: a coroutine's stack may be
 * unmapped at any time.
 */
#ifndef CPROF_UNWIND_STACK_H
#define CPROF_UNWIND_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/unwind.h"

struct stack_view {
	uintptr_t lo, hi;
	uintptr_t cap; /* hi may grow to here by probing; 0: hi is final */
};

/* Can the page of this address be read?  One system call, 93 ns (measured).
 * Context: signal.  Allocates: no.  Locks: none. */
bool stack_probe(uintptr_t address);

/* The view of the stack that sp is on; uc is the context of our own handler, which knows the thread's
 * alternate stack.
 * Context: signal.  Allocates: no.  Locks: none. */
bool stack_choose(struct stack_view *ret_view, const struct uw_stack *own, const void *uc,
		  uintptr_t sp);

/* The word at an address that a view holds.  Damaged stacks have no alignment, and a foreign
 * frame's words are no object of this program's: so neither alignment nor bounds are a sanitizer's
 * business.
 * Context: signal.  Allocates: no.  Locks: none. */
__attribute__((no_sanitize("address", "undefined"))) static inline uint64_t
stack_word(uintptr_t address)
{
	typedef uint64_t any_word __attribute__((aligned(1), may_alias));

	return *(const any_word *)address;
}

/* Cold half of stack_holds. */
bool stack_extend(struct stack_view *view, uintptr_t address, uintptr_t bytes);

/* Are all of [address, address + bytes) inside the view?
 * Context: signal.  Allocates: no.  Locks: none. */
static inline bool stack_holds(struct stack_view *view, uintptr_t address, uintptr_t bytes)
{
	if (__builtin_expect(
		    address >= view->lo && address < view->hi && view->hi - address >= bytes, 1))
		return true;
	return stack_extend(view, address, bytes);
}

#endif
