/* SPDX-License-Identifier: MIT */
/*
 * preload/clock: the time, in a handler and inside malloc.
 *
 * Of the kernel's vdso directly: libc's clock_gettime() may be another library's (libfaketime), with locks of its own that the
 * code holds which we interrupt, or which allocates.
 */
#ifndef CPROF_PRELOAD_CLOCK_H
#define CPROF_PRELOAD_CLOCK_H

#include <stdint.h>

/* Before there is a second thread.
 * Context: own.  Allocates: no.  Locks: none. */
void clock_start(void);

/* CLOCK_MONOTONIC in ns: 20 ns, no system call where the kernel has a vdso.  Keeps errno.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t clock_now_ns(void);

#endif
