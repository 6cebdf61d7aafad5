/* SPDX-License-Identifier: MIT */
/*
 * preload/dump: when profile files are written, and by whom.
 *
 * On request by the dumper (preload/dumper), a process of its own: the caller only starts it.  At exit,
 * before exec, and where a dumper is refused, in place, with all signals blocked, because a handler
 * with SA_ONSTACK would start on the alternate stack that our caller may be using.
 *
 * The invariant: one dump at a time in a process; a request that comes during a dump is remembered as
 * one more.  A dumper that was killed never jams the next: whoever finds it gone resets the state.
 */
#ifndef CPROF_PRELOAD_DUMP_H
#define CPROF_PRELOAD_DUMP_H

#include <stdbool.h>
#include <stdint.h>

/* Has a dump written, now or after the one that is running.  Does nothing in a vfork child.
 * Context: signal.  Allocates: mmap, kept.  Locks: none.  Keeps errno. */
void dump_request(void);

/* The same, when something was recorded since the last dump and none is running.
 * Context: signal. */
void dump_request_if_news(void);

/* The dumper has queued an enum control: it may not work, or has a line to say.
 * Context: signal. */
void dump_heard(int control);

/* Collects a dumper that has ended, if there is one: cheap when there is none.
 * Context: signal. */
void dump_collect(void);

/* The last dump of this image, before exit and exec, when it is worth a file: the process lived a
 * second or has ten samples that no file holds yet (with [output] short: has any), and on_exit (on_exec) is set.  Waits at
 * most two seconds for a dump that is running, and for its dumper to be gone.  True when nothing is
 * left that only the store holds; false also when that other dump has not ended.
 * Context: own.  Allocates: mmap. */
bool dump_last(bool wanted);

/* Waits at most ms milliseconds until no dumper shares our memory: the kernel counts it where a call
 * asks for a process that shares nothing (unshare, setns).
 * Context: wrapper. */
void dump_wait_alone(unsigned ms);

/* Waits at most ms milliseconds for a dump that another thread writes in place: a child of fork would
 * keep its descriptors.
 * Context: own.  Locks: none. */
void dump_wait_in_place(unsigned ms);

/* In the child of fork.
 * Context: own. */
void dump_after_fork(void);

#endif
