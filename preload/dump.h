/* SPDX-License-Identifier: MIT */
/*
 * preload/dump: writes the profile files, in place, on a stack of our own.
 *
 * The invariant: one dump at a time in a process; a request that comes during a dump is remembered
 * as one more.  Nothing of the host runs while our stack is in use: all signals are blocked,
 * because a handler with SA_ONSTACK would start on the alternate stack that our caller may be
 * using.
 */
#ifndef CPROF_PRELOAD_DUMP_H
#define CPROF_PRELOAD_DUMP_H

#include <stdbool.h>
#include <stdint.h>

/* Writes a dump now, or leaves it to the dump that is running.  Does nothing in a vfork child.
 * Context: signal.  Allocates: mmap, given back.  Locks: none.  Keeps errno. */
void dump_request(void);

/* The last dump of this image, before exit and exec, when it is worth a file: the process lived a
 * second or has ten samples that no file holds yet, and [output] on_exit is set.  Waits at most two
 * seconds for a dump in another thread.  True when nothing is left that only the store holds; false
 * also when that other dump has not ended.
 * Context: own.  Allocates: mmap, given back. */
bool dump_last(void);

/* Waits at most ms milliseconds for a dump in another thread.
 * Context: own.  Locks: none. */
void dump_wait(unsigned ms);

/* In the child of fork.
 * Context: own. */
void dump_after_fork(void);

#endif
