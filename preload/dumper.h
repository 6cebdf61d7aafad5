/* SPDX-License-Identifier: MIT */
/*
 * preload/dumper: a process that shares the host's memory and is none of its threads.
 *
 * It is cloned with CLONE_VM | CLONE_FILES and exit signal 0: the host stays single-threaded in the
 * eyes of glibc and of the kernel, waitpid(-1) does not see it, and nothing is copied, so the caller
 * is held for 15 to 25 us whatever the size of the host (tests/probe/dumper.c).  Its first act is to
 * give up the host's descriptors.  All signals are blocked in it; a fault of its own ends it alone and
 * without a core.
 *
 * The invariant: one at a time, on one stack.  The word that lets the next one begin is stored by the
 * last instruction that needs the stack, dumper_leave().  It runs no code that uses thread-local
 * variables: its TLS block is a stub.
 */
#ifndef CPROF_PRELOAD_DUMPER_H
#define CPROF_PRELOAD_DUMPER_H

#include <stdbool.h>

/* Starts run() in a dumper; run ends by dumper_leave().  0, or -errno: -EBUSY when too many old ones
 * are not reaped yet, else what clone or mmap said.
 * Context: signal, with all signals blocked; one caller at a time.  Allocates: mmap, once. */
int dumper_start(void (*run)(void));

/* In the dumper: *word from `is` to `becomes` (release), and the end; comes back when *word was
 * another. */
void dumper_leave(_Atomic int *word, int is, int becomes);

/* In the dumper, first: the host's descriptors go.  0 or -errno. */
int dumper_detach(void);

/* In the dumper: queues SIGPROF with a control value to the host.  Best effort. */
void dumper_tell_host(int control);

/* Calls run(argument) on the dumper's stack, in place; false when there is no memory for it.
 * Context: signal, with all signals blocked; one caller at a time.  Allocates: mmap, once. */
bool dumper_in_place(void (*run)(void *), void *argument);

/* Collects dumpers that have ended.
 * Context: signal.  Locks: none. */
void dumper_reap(void);

/* True when dumpers are not reaped yet. */
bool dumper_any(void);

/* The host is about to call unshare or setns: children may go to another PID namespace.
 * Context: wrapper. */
void dumper_namespaces_change(void);

/* In the child of fork: they are the parent's. */
void dumper_after_fork(void);

#endif
