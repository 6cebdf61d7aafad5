/* SPDX-License-Identifier: MIT */
/*
 * preload/host: what we know about the process that we live in, and its life: start, fork, exec,
 * exit.
 *
 * The invariant: `host.pid` is the process that our state describes.  Memory alone cannot tell: a
 * child of raw clone() has a copy of it and a vfork child shares it, so every slow path asks
 * host_is_here().
 */
#ifndef CPROF_PRELOAD_HOST_H
#define CPROF_PRELOAD_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

struct host {
	bool on; /* we do something here; constant after start, false when inert */
	int pid;
	uint64_t started_realtime_ns,
		started_monotonic_ns; /* of this process, as far as we saw it */
	_Atomic bool leaving; /* exec is under way: no signal of ours may reach the new image */
	char program[64];
	struct settings settings;
};
extern struct host host;

/* True when the caller runs in the process that our state describes; false in a vfork child, which
 * shares our memory.  In a child of raw clone or _Fork, which has a copy, the state is first made
 * the child's.
 * Context: signal.  Allocates: no.  Locks: none. */
bool host_is_here(void);

/* The same, but true in a vfork child too, and nearly always without a system call: for what is about the
 * memory and not about the process.
 * Context: signal.  Allocates: no.  Locks: none. */
bool host_memory_is_here(void);

/* One line on stderr, or in the configured log file.  "cprof: " is put before it, a newline after
 * it.
 * Context: signal.  Allocates: no.  Locks: none. */
void host_say(const char *line);

/* Starts everything, once; called by the constructor and by wrappers that run before it.
 * Context: own.  Allocates: mmap.  Locks: none. */
void host_start(void);

/* The calling thread is t from now on; and no longer.  begin arranges for the end that comes by
 * pthread_exit or cancellation; ended is for the return of the start function.
 * Context: own. Allocates: no (our key is one of the first 32).  Locks: none. */
struct thread;
void host_thread_began(struct thread *t);
void host_thread_ended(void);

/* Before the calling thread may make no system calls and read no clock (preload/wrap_prctl): it is not profiled any more.
 * alone: it is the only thread, and the process has its last dump.  host_before_strict() is for a call of strict seccomp.
 * Context: wrapper.  Allocates: as dumps.  Locks: none. */
void host_confine(bool alone);
void host_before_strict(void);

/* At the end of the process, by whatever door: settles, writes the last window, removes the store.
 * Context: own.  Allocates: mmap.  Locks: none. */
void host_exit(void);

#endif
