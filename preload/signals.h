/* SPDX-License-Identifier: MIT */
/*
 * preload/signals: our two handlers, of SIGPROF (ticks and control values) and of the dump signal.
 *
 * The host's own actions for the two are in preload/actions, its masks in preload/mask, and what
 * becomes of a call that a handler has interrupted in preload/resume.
 */
#ifndef CPROF_PRELOAD_SIGNALS_H
#define CPROF_PRELOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handlers; dump_signal 0: none.
 * Context: own.  Allocates: no.  Locks: none. */
void signals_init(int dump_signal);

/* Blocks SIGPROF and the dump signal in the calling thread around fork, which would otherwise start
 * again for ever under the timer (ERESTARTNOINTR) in a big process.
 * Context: own. */
void signals_block(uint64_t *ret_mask);
void signals_restore(const uint64_t *mask);

/* Is a SIGPROF with this information ours: a tick, or a request?
 * Context: signal. */
bool signals_is_ours(const siginfo_t *info);

/* Counts and says, once, when a handler of ours is no longer there.
 * Context: signal. */
void signals_verify(void);

#endif
