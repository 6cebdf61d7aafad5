/* SPDX-License-Identifier: MIT */
/*
 * unwind/unwind: from a register state to the return addresses above it.
 *
 * The invariant that makes it safe in a handler: every stack word is read inside the bounds of a
 * stack that is known or was probed, and the canonical frame address must grow with every frame.
 * So garbage gives a short stack with a reason, never a fault.  No lock, no allocation; a system
 * call only where a page must be probed before it is read: on stacks that nobody told us about
 * (coroutines), below a handler on the alternate stack, and for guesses in code without CFI.
 */
#ifndef CPROF_UNWIND_UNWIND_H
#define CPROF_UNWIND_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* Why a stack ends.  Only UW_END_ROOT is complete. */
enum uw_end {
	UW_END_ROOT,	    /* the caller is undefined: _start, clone, a coroutine's start */
	UW_END_DEPTH,	    /* max frames */
	UW_END_NO_MODULE,   /* pc in no module, and no frame pointer to follow */
	UW_END_NO_RULE,	    /* pc in a module without CFI for it, and no frame pointer to follow */
	UW_END_UNSUPPORTED, /* a CFI rule that needs a register we do not track this deep */
	UW_END_BOUNDS,	    /* the next word is outside the stack, or the stack did not grow */
	UW_END_BAD_PC,	    /* the return address is no address of code */
	UW_END_BUSY	    /* dlclose is running and the rule is not in the cache */
};

struct uw_stack {
	uintptr_t lo, hi; /* readable range [lo, hi) of the thread's own stack; 0,0: unknown */
};

struct uw_result {
	unsigned depth;
	enum uw_end end;
	bool guessed; /* at least one step by frame pointer, without CFI */
};

/* Walks the stack of an interrupted context (the third argument of an SA_SIGINFO handler).
 * pc[0] is the interrupted pc, exact; pc[1..] are return addresses with 1 subtracted, or exact when
 * the frame was itself interrupted by a signal.  max >= 1.
 * Context: signal.  Allocates: no.  Locks: none; a miss counts as a reader (uw_closing_begin). */
struct uw_result uw_from_context(const void *ucontext, const struct uw_stack *stack, uint64_t *pc,
				 unsigned max);

/* The same from a call: pc[0] is the address behind `here`, pc[1..] are its callers'.  The function that uw_here()
 * is written in must not return before the walk has ended.  stack: NULL when nobody knows it.
 * Context: signal.  Allocates: no.  Locks: none. */
struct uw_registers {
	uint64_t pc, sp, bp, bx;
};
static inline __attribute__((always_inline)) void uw_here(struct uw_registers *ret_here)
{
	__asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2\n\tmov %%rbx, %3"
			 : "=&r"(ret_here->pc), "=m"(ret_here->sp), "=m"(ret_here->bp),
			   "=m"(ret_here->bx));
}
struct uw_result uw_from_call(const struct uw_registers *here, const struct uw_stack *stack,
			      uint64_t *pc, unsigned max);

/* Asks the processor for the memory that uw_from_context will touch, while the caller is busy with
 * something else.  Reads nothing of the stack.
 * Context: signal.  Allocates: no.  Locks: none. */
void uw_expect(const void *ucontext, const struct uw_stack *stack);

/* Bounds of the calling thread's stack.  size_bytes is the size that pthread_create gave it, 0 in
 * the main thread.
 * Context: own.  Allocates: no.  Locks: none. */
void uw_stack_of_self(struct uw_stack *ret_stack, uint64_t size_bytes);

/* The gate against dlclose: between begin and end nobody interprets CFI in place, because a table
 * could be unmapped under the reader; cached rules still serve.  begin waits at most 1 ms for
 * readers that are inside; end drops all cached rules.  May nest (a destructor that calls dlclose),
 * may run in several threads at once.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void uw_closing_begin(void);
void uw_closing_end(void);

/* In the child of fork, before anything is unwound: forgets readers and closers that stayed behind.
 * Context: own.  Allocates: no.  Locks: none. */
void uw_after_fork(void);

#endif
