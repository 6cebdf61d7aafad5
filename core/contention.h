/* SPDX-License-Identifier: MIT */
/*
 * core/contention: which locks somebody waits for, and how much delay a release causes.
 *
 * Who waits enters its lock and the time; who releases a lock asks for the sum of the delays of all who wait for it,
 * since they began or since its last release (docs/contention.md), whichever is later.  A lock for which nobody waits is
 * not in the table and is never written about: its release is one load of a filter, which counts the waiters of each
 * class of addresses.
 *
 * A place of the table holds the number of waiters of a lock, the sum S of the times at which the uncharged part of each
 * one's wait begins, and the time L of the last release.  So a release at t is charged n * t - S, and leaves n * t as the
 * new S and t as L: O(1) whatever n is.  A waiter that leaves takes its part out of S, which is L if there was a release
 * since it came, else when it came.  The invariant: what releases are charged for a waiter and what contention_end()
 * returns are together its wait, exactly, whatever threads do at the same time and whatever the clocks say.
 *
 * Nothing waits for another thread: each step is one compare-and-swap, repeated only when somebody else's has
 * succeeded, so a thread may be stopped anywhere for ever, and others go on.  It only stays a waiter.  So does one that
 * has left its wait by longjmp, and each release is charged for it too, a second per second, until its
 * contention_end(), which may come at any later time; whoever keeps its struct sees to it as soon as the thread does
 * anything else.  A longjmp out of a handler that came inside one of these functions, which take a tenth of a
 * microsecond, can leave a waiter that nobody ends.
 *
 * Times are 64-bit numbers of one unit, monotonic in the main: nanoseconds or ticks of the TSC.  Nothing is
 * rounded.  L has 54 bits of them and S 59, modulo: right if somebody leaves within 2^53 units of the last
 * release that it saw (104 days of ns, 20 at 5 GHz), and while the delays not yet charged are less than 2^58 units in
 * all (9 years of ns, 1.8 at 5 GHz).  Where the clock of one CPU is behind another's, or a thread is stopped
 * between its look at the clock and here, a part of a delay is charged to the next release instead: never a
 * delay below 0, nor twice.
 */
#ifndef CPROF_CORE_CONTENTION_H
#define CPROF_CORE_CONTENTION_H

#include <stdbool.h>
#include <stdint.h>

#define CONTENTION_FILTER_SIZE 4096u
/* Locks that have waiters at the same time: 8 for each of 512 hashes of the address. */
#define CONTENTION_PLACES 4096u
/* More waiters of one class of addresses are not taken. */
#define CONTENTION_WAITERS_MAX 16383u

/* Waiters by class of lock.  Hidden, so that an unlock gets at it by one instruction; only for contention_maybe(). */
extern uint16_t contention_filter[CONTENTION_FILTER_SIZE] __attribute__((visibility("hidden")));

/* 64 bytes of memory share a counter, and neighbours in memory are neighbours in the filter, so that a program's locks
 * touch few lines of it.  The upper bits: locks at the same offset in many large blocks are not one class. */
static inline unsigned contention_class(uint64_t address)
{
	return (unsigned)((address ^ address >> 12) >> 6) % CONTENTION_FILTER_SIZE;
}

/* False: nobody waits for it.  Relaxed: a waiter that is not seen has begun some nanoseconds ago.
 * Context: signal.  Allocates: no.  Locks: none. */
static inline bool contention_maybe(const void *lock)
{
	uint64_t class = contention_class((uintptr_t)lock);
	bool maybe;

	/* gcc does not compare an atomic where it is. */
	__asm__("cmpw $0, %1" : "=@ccne"(maybe) : "m"(contention_filter[class]));
	return __builtin_expect(maybe, 0);
}

/* One that waits.  Only its thread reads and writes it, and keeps it where a longjmp does not reach: not in a frame. */
struct contention {
	const void *lock; /* NULL: does not wait; the rest says nothing */
	uint64_t since;	  /* in S: when it began, or the last release if that is later */
	uint64_t stamp;	  /* of the last release before it came */
	uint32_t epoch;	  /* another than now: all was forgotten since */
	uint32_t place;
};

/* From now on w's thread waits for a lock, which is not NULL, with several of the same thread if need be (a handler waits
 * too).  w may be anything, but no waiter.  False: there is no place for it (too many locks or waiters at once, or an address
 * beyond 2^50), and w does not wait.
 * Context: signal.  Allocates: no.  Locks: none. */
bool contention_begin(struct contention *w, const void *lock, uint64_t now);

/* It has the lock or waits no longer.  Returns the part of its wait that no release was charged for, which is negative when a
 * release with a later time was faster; 0 when it did not wait.  At any time after contention_begin(), however long, in any thread.
 * Context: signal.  Allocates: no.  Locks: none. */
int64_t contention_end(struct contention *w, uint64_t now);

/* The lock is about to be released; now: read as late as possible.  Returns the delays that this release ends or interrupts, as
 * said above; 0 when nobody waits.  *ret_waiters: of how many.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t contention_release(const void *lock, uint64_t now, unsigned *ret_waiters);

/* In the child of fork, where no other thread exists: nobody waits.  Also in the middle of another function of these, which goes on
 * afterwards; waiters of before are ended by contention_end() as ever, which does nothing then.
 * Context: signal.  Allocates: no.  Locks: none. */
void contention_after_fork(void);

#endif
