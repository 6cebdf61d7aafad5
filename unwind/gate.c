/* SPDX-License-Identifier: MIT */
#include "unwind/gate.h"

#include "core/sys.h"
#include "unwind/trail.h"
#include "unwind/unwind.h"

#include "core/as_safe.h"

#define WAIT_MAX_NS 1000000u
#define NAP_NS	    50000

/* 2^64 divided by the golden ratio: any two multiples differ in their high bits, so a key made with
 * one salt is no address under another (see cache.h).  Not zero at the start, for the same reason.
 */
#define SALT_STEP 0x9e3779b97f4a7c15u

struct gate gate = {.salt = SALT_STEP};

/* After a fork in the middle of a dlclose or of a walk the counters were reset below their owners.
 */
static void count_down(_Atomic unsigned *counter)
{
	/* relaxed: the exchange below carries the order. */
	unsigned n = atomic_load_explicit(counter, memory_order_relaxed);

	/* release, with the acquiring loads in gate_enter and uw_closing_begin: our reads are done.
	 */
	while (n > 0 && !atomic_compare_exchange_weak_explicit(
				counter, &n, n - 1, memory_order_release, memory_order_relaxed))
		;
}

bool gate_enter(void)
{
	/* seq_cst, with the same pair in uw_closing_begin the other way round: of a reader and a
	 * closer that arrive together at least one sees the other. */
	atomic_fetch_add_explicit(&gate.readers, 1, memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(&gate.closers, memory_order_seq_cst) == 0, 1))
		return true;
	count_down(&gate.readers);
	return false;
}

void gate_leave(void)
{
	count_down(&gate.readers);
}

void uw_closing_begin(void)
{
	uint64_t start;

	/* seq_cst, both: see gate_enter. */
	atomic_fetch_add_explicit(&gate.closers, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&gate.readers, memory_order_seq_cst) == 0)
		return;
	start = sys_clock_ns(CLOCK_MONOTONIC);
	while (atomic_load_explicit(&gate.readers, memory_order_seq_cst) != 0) {
		struct timespec nap = {.tv_nsec = NAP_NS};

		if (sys_clock_ns(CLOCK_MONOTONIC) - start >= WAIT_MAX_NS)
			return;
		SYS_CALL(SYS_nanosleep, &nap, 0, 0, 0, 0, 0);
	}
}

void uw_closing_end(void)
{
	/* release, with gate_salt. */
	atomic_fetch_add_explicit(&gate.salt, SALT_STEP, memory_order_release);
	count_down(&gate.closers);
}

void uw_after_fork(void)
{
	/* relaxed: the child has one thread. */
	atomic_store_explicit(&gate.readers, 0, memory_order_relaxed);
	atomic_store_explicit(&gate.closers, 0, memory_order_relaxed);
	trail_after_fork();
}
