/* SPDX-License-Identifier: MIT */
/*
 * preload/thread: the registry of threads: one slot per thread that we know, in memory of our own.
 *
 * A slot is taken before pthread_create and given back when the thread ends (by return,
 * pthread_exit or cancellation: the trampoline or the destructor of our key, whoever is first).
 * Slots are never unmapped, so a handler or a dump may look at any of them at any time; tid 0 means
 * free.
 */
#ifndef CPROF_PRELOAD_THREAD_H
#define CPROF_PRELOAD_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "unwind/unwind.h"

struct thread {
	_Atomic int tid; /* 0: no thread; written by the thread itself */
	int timer;	 /* kernel timer id, -1: none; own thread */
	_Atomic uint64_t
		attributed_ns;	    /* CPU time that samples stand for; own thread and settling */
	uint64_t start_function;    /* key of the balance of unsampled CPU; constant */
	struct uw_stack stack;	    /* own thread */
	uint64_t stack_bytes;	    /* as asked of pthread_create */
	_Atomic bool prof_hidden;   /* see preload/mask.h; first as the thread inherits it */
	_Atomic bool prof_awaited;  /* by sigwait and its kin */
	void *run, *argument;	    /* the host's start function; constant */
	uint32_t index;		    /* of this slot; constant */
	_Atomic uint32_t next_free; /* index + 1 of the next free slot */
};

/* A free slot, or NULL when there is no memory.
 * Context: wrapper.  Allocates: mmap.  Locks: none. */
struct thread *thread_take(void);

/* Gives a slot back that no thread uses.
 * Context: wrapper.  Locks: none. */
void thread_put(struct thread *t);

/* The calling thread's slot, NULL when it has none (unknown, not yet begun, or ended).
 * Context: signal.  Locks: none. */
struct thread *thread_self(void);

/* Makes t the calling thread's slot, or NULL.
 * Context: own.  Locks: none. */
void thread_set_self(struct thread *t);

/* Our own code is running in this thread: a tick is counted as [cprof: busy] and not unwound.
 * Context: signal.  Locks: none. */
void thread_busy_begin(void);
void thread_busy_end(void);
bool thread_is_busy(void);

/* Calls visit for every slot with a thread.
 * Context: own.  Locks: none. */
void thread_each(void (*visit)(struct thread *t));

/* The id of a thread that has SIGPROF not hidden, else of one that waits for it, 0 when there is none.
 * Context: signal.  Locks: none. */
int thread_for_signal(void);

/* In the child of fork: gives back all slots but the caller's.
 * Context: own. */
void thread_after_fork(void);

#endif
