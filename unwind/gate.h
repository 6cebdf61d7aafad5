/* SPDX-License-Identifier: MIT */
/*
 * unwind/gate: keeps readers of unwind tables and dlclose apart.
 *
 * The invariant: a reader never waits, and a closer waits for at most 1 ms.  A reader that meets a
 * closer is turned away (its stack ends with UW_END_BUSY), also when it is a handler on top of the
 * very thread that closes.  So neither side can deadlock.  What the bound leaves open: a reader
 * that is preempted for longer than 1 ms inside the tables of a library that another thread unmaps.
 * That needs a frame in a library that is being closed, which is an error of the host already.
 *
 * The gate also owns the salt of the rule cache: it changes at each end, which drops every cached
 * rule.
 */
#ifndef CPROF_UNWIND_GATE_H
#define CPROF_UNWIND_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One line: a handler finds it cold. */
extern struct gate {
	_Alignas(64) _Atomic uint64_t salt;
	_Atomic unsigned readers, closers;
} gate;

/* Context: signal.  Allocates: no.  Locks: none. */
static inline uint64_t gate_salt(void)
{
	/* acquire, with the release in uw_closing_end: who sees the new salt sees the library gone.
	 */
	return atomic_load_explicit(&gate.salt, memory_order_acquire);
}

/* True: tables may be read until gate_leave.
 * Context: signal.  Allocates: no.  Locks: none. */
bool gate_enter(void);
void gate_leave(void);

#endif
