/* SPDX-License-Identifier: MIT */
/*
 * preload/signals: our two handlers (SIGPROF and the dump signal) and what the host believes about
 * them.
 *
 * The invariant: once installed, our handlers stay.  What the host sets for these two signals is
 * kept aside, shown to it when it asks, and called for what is not ours.  Our handlers are never
 * replaced by SIG_DFL: a pending SIGPROF would then end the host.
 */
#ifndef CPROF_PRELOAD_SIGNALS_H
#define CPROF_PRELOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handlers; dump_signal 0: none.
 * Context: own.  Allocates: no.  Locks: none. */
void signals_init(bool prof, int dump_signal);

/* Blocks SIGPROF and the dump signal in the calling thread around fork, which would otherwise start
 * again for ever under the timer (ERESTARTNOINTR) in a big process.
 * Context: own. */
void signals_block(uint64_t *ret_mask);
void signals_restore(const uint64_t *mask);

#endif
