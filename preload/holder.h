/* SPDX-License-Identifier: MIT */
/*
 * preload/holder: who makes others wait: what wrappers of locks do when somebody waits.
 *
 * A thread waits for one lock at a time; a handler of the host's on top of a wait may wait for another.  The waiter that a thread has left
 * behind by siglongjmp or cancellation is ended at its next wait, or when it ends.
 */
#ifndef CPROF_PRELOAD_HOLDER_H
#define CPROF_PRELOAD_HOLDER_H

#include <pthread.h>

#include "core/contention.h"
#include "preload/blocked.h"

/* By which function the real `lock` is tried, once both are known: *use, NULL before.  is_for_waits: only to see who waits. */
struct holder_try {
	void **lock, **try, **use;
	bool is_for_waits;
};

/* Not 0: there is nobody to wait for a lock, or nobody wants to know, and a call is only passed on.  In HOT_LOCK_DATA and
 * not in the linker's table, which would be a line of the cache more. */
extern const char *holder_alone __attribute__((visibility("hidden")));

/* Sets *use of every row whose two functions are of one library.  Else it stays NULL, and nothing is tried: a library between
 * us and libc that has only a function that locks, a checker of locks perhaps, must see every call.  waits: are any wanted?
 * Context: own (start-up).  Allocates: no.  Locks: none. */
void holder_start(bool waits);

/* Around the real call of a lock that was found busy.  errno is what the real call left.
 * Context: wrapper.  Allocates: store.  Locks: none. */
void holder_wait_begin(struct blocked *b, const void *lock);
void holder_wait_end(const struct blocked *b, enum wait_class class, const void *entry);

/* Does another thread have this robust mutex?  Of one whose holder has died: no.
 * Context: wrapper.  Allocates: no.  Locks: none. */
bool holder_is_another(const pthread_mutex_t *mutex);

/* A lock for which contention_maybe() is true is about to be released by the real function `entry`.
 * Context: wrapper.  Allocates: store.  Locks: none. */
void holder_release(const void *lock, enum wait_class class, const void *entry);

/* The same for a mutex, which is not released when it is another thread's, or was locked more than once.
 * Context: wrapper.  Allocates: store.  Locks: none. */
void holder_release_mutex(const pthread_mutex_t *mutex, const void *entry);

/* The calling thread ends.
 * Context: own.  Allocates: no.  Locks: none. */
void holder_thread_ended(void);

#endif
