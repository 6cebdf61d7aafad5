/* SPDX-License-Identifier: MIT */
#include "cli/losses.h"

#include <stdbool.h>

static const struct {
	bool is_lost;
	const char *explain;
} losses[LOST_COUNT] = {
	[LOST_SELF_TICKS] =
		{false, "CPU of cprof itself: a dump that ran in place, or a signal in a wrapper. "
			"It is in the profile, as [cprof: busy]."},
	[LOST_STORE_FULL] = {true,
			     "The store has no room for more stacks; what they stand for is right, "
			     "under [cprof: store full]. Raise store.max_bytes."},
	[LOST_MODULES_FULL] = {true, "More libraries than the store can name; frames in the others "
				     "have no name."},
	[LOST_TIMERS] = {true,
			 "Threads that got no timer of their own; their CPU time is in "
			 "[cpu not sampled]. Raise the limit of pending signals (ulimit -i)."},
	[LOST_THREADS] = {true,
			  "Threads that cprof knows nothing of: more than 65536, or no memory. "
			  "They are not in the profile."},
	[LOST_NO_MEMORY] = {true,
			    "Samples that came when there was no memory for the store, or in a "
			    "burst; their CPU time is in [cpu not sampled]."},
	[LOST_TRUNCATED] = {false,
			    "Stacks that end early, in a frame [truncated: why]; the CPU time "
			    "is right. Usual causes: code without unwind tables, such as JIT."},
	[LOST_GUESSED] = {false, "Stacks where one step followed the frame pointer, for want of an "
				 "unwind table. They are mostly right."},
	[LOST_DUMPS] = {true,
			"Dumps that could not be written. Nothing is lost by that: the next one "
			"holds the same."},
	[LOST_FOREIGN_SIGNALS] = {false, "SIGPROF that somebody else has sent; they were ignored."},
	[LOST_ALLOCATIONS] = {true, "Sampled allocations that came when there was no memory for "
				    "the store, or while it "
				    "was made."},
	[LOST_LIVE] =
		{true,
		 "Sampled allocations that could not be followed until they are freed: no memory. "
		 "They are in alloc_*, not in inuse_*."},
	[LOST_WAITS] = {true, "Sampled waits that came when there was no memory for the store, or "
			      "while it was made. They are not in block and wall."},
	[LOST_WAITERS] = {true, "Waits for a lock that could not be told from others', so that "
				"nobody was charged for them. They are in block, not in mutex."},
	[LOST_HANDLERS] = {true,
			   "The program has replaced a signal handler of ours by a raw system "
			   "call (Go programs do): it is not sampled any more, or not dumped."},
};

uint64_t losses_total(const struct store_header *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LOST_COUNT; i++)
		if (losses[i].is_lost)
			n += atomic_load_explicit(&h->lost[i], memory_order_relaxed);
	return n;
}

const char *losses_explain(unsigned n)
{
	return n < LOST_COUNT && losses[n].explain ? losses[n].explain : "";
}
