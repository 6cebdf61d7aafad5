/* SPDX-License-Identifier: MIT */
/*
 * core/stretch: which waits are recorded, and what each of them stands for.
 *
 * A wait of at least the threshold R is always recorded and stands for itself.  The shorter waits of a thread are laid end
 * to end on a line, which has one random point, uniformly distributed, in each stretch of length R; a wait that a
 * point falls into is recorded.  So a wait of d < R is recorded with the probability d / R and counts as R / d contentions with
 * a delay of R: both sums are right on average whatever the lengths are, as in Go (runtime/mprof.go, blocksampled()).  One
 * point in each stretch, instead of a coin for each wait, is stratified sampling: it costs no random number for a wait that is not
 * recorded, and what a thread has waited in short waits is known to one R.
 *
 * All in integers, as core/sampling.
 */
#ifndef CPROF_CORE_STRETCH_H
#define CPROF_CORE_STRETCH_H

#include <stdbool.h>
#include <stdint.h>

/* One thread's line; zero at first, but for the seed.  A wait below `left` needs no look: the caller subtracts it, and that is
 * all. */
struct stretch {
	int64_t left;  /* to the next point, at most R */
	int64_t rest;  /* of the way to it, behind that */
	int64_t end;   /* from the point to the end of its stretch; 0: a new line */
	uint64_t seed; /* anything, each thread its own */
};

/* What a recorded wait stands for. */
struct stretch_weight {
	uint64_t contentions; /* in 1/65536 (SAMPLING_OBJECT_BITS) */
	uint64_t delay;	      /* in the unit of the length */
};

/* A wait of this length, which has not been subtracted, is at least `left` long: false when it is not recorded.  threshold: R,
 * at least 1, in the same unit, below 2^46.
 * Context: signal.  Allocates: no.  Locks: none. */
bool stretch_pass(struct stretch *s, uint64_t length, uint64_t threshold,
		  struct stretch_weight *ret_weight);

#endif
