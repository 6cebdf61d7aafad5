/* SPDX-License-Identifier: MIT */
/*
 * preload/recorder: the process's store, made when there is something to record.
 *
 * A process that samples nothing has no store and no file.  Whoever comes while another thread
 * makes the store gets NULL and records nothing: nobody waits; CPU that was not recorded stays in
 * the thread's balance.
 */
#ifndef CPROF_PRELOAD_RECORDER_H
#define CPROF_PRELOAD_RECORDER_H

#include <stdbool.h>

#include "core/store.h"

/* The store, made now if need be; NULL while it is being made or when it cannot be had.
 * Context: signal.  Allocates: mmap.  Locks: none. */
struct store *recorder_store(void);

/* Is another thread making it just now?
 * Context: signal. */
bool recorder_is_being_made(void);

/* Waits for that, 100 ms at most.
 * Context: own.  Locks: none. */
void recorder_wait_made(void);

/* A library is about to be closed: what waits for a store is named while it is there.
 * Context: wrapper.  Allocates: mmap.  Locks: none. */
void recorder_before_dlclose(void);

/* The store if there is one.
 * Context: signal. */
struct store *recorder_existing(void);

/* A comment for every file when the store is no file, so that a killed process leaves nothing behind; else
 * NULL.
 * Context: signal. */
const char *recorder_remark(void);

/* Path of the main program.
 * Context: signal. */
const char *recorder_exe(void);

/* Counts a loss, in the store or for the store to come.
 * Context: signal. */
void recorder_lost(enum store_loss what, uint64_t count);

/* Counts a request for a dump, a thread that has begun, in the store or for the store to come.
 * Context: signal. */
void recorder_request(void);
void recorder_thread(void);

/* A thread begins exec (+1) or comes back (-1): see store_leaving().
 * Context: own. */
uint64_t recorder_leaving(int threads);

/* In the child of fork: forgets the parent's store, whose mapping is inherited, without touching
 * it.
 * Context: signal.  Allocates: no.  Locks: none. */
void recorder_after_fork(void);

/* The end of recording: no store is made any more, and the file of this one is removed; the mapping
 * stays, because threads may still be in it.  go_on takes it back where the end did not come; the file
 * is gone all the same.  Waits for one in the making by another thread, for 100 ms at most.
 * Context: own. */
void recorder_end(void);
bool recorder_has_ended(void);
void recorder_go_on(void);

/* Before root becomes uid: the store moves to where that user may remove it, /dev/shm/cprof-<uid>.  A
 * configured directory is left as it is.
 * Context: own.  Allocates: no.  Locks: none. */
void recorder_give_to(uint32_t uid);

#endif
