/* SPDX-License-Identifier: MIT */
/*
 * preload/sampler: the CPU profile: a timer on each thread's CPU clock, and the handler of SIGPROF.
 *
 * The invariant behind honest totals: what a thread's samples stand for (attributed_ns) plus its
 * part of [cpu not sampled] equals its CPU clock, less than one period and whatever other threads
 * of the same start function owe.  A sample weighs 1 + overruns; the first expiry is random within
 * a period, so that short threads are neither always nor never seen.
 */
#ifndef CPROF_PRELOAD_SAMPLER_H
#define CPROF_PRELOAD_SAMPLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/thread.h"

/* Prepares sampling at the configured rate; arms nothing.
 * Context: own.  Allocates: no.  Locks: none. */
void sampler_init(uint64_t hz);

uint64_t sampler_period_ns(void);

/* True when per-thread timers were refused and ITIMER_PROF stands in for them. */
bool sampler_is_fallback(void);

/* Is it a tick of ours?
 * Context: signal. */
bool sampler_is_tick(const siginfo_t *info);

/* The handler of SIGPROF.  Returns false when the signal is not ours and belongs to the host.
 * Context: signal.  Allocates: store.  Locks: none.  Keeps errno. */
bool sampler_tick(const siginfo_t *info, const void *context);

/* Begins and ends the sampling of the calling thread.  t->start_function and t->stack_bytes are
 * set.  end puts the CPU time that no sample stands for into [cpu not sampled]; it is idempotent.
 * Context: own.  Allocates: store.  Locks: none. */
void sampler_thread_begin(struct thread *t);
void sampler_thread_end(struct thread *t);

/* What the calling thread has used so far is not counted.
 * Context: own. */
void sampler_thread_from_now(struct thread *t);

/* Puts the unsampled CPU time of all living threads into [cpu not sampled]: for the end of the
 * process.
 * Context: own. */
void sampler_settle(void);

/* Around exec: no timer of ours and no pending SIGPROF may reach the new image, where it would
 * kill.  resume is for an exec that failed.
 * Context: wrapper. */
void sampler_pause(void);
void sampler_resume(void);

/* In the child of fork: timers are not inherited; begins anew for the calling thread.  Context:
 * own. */
void sampler_after_fork(void);

#endif
